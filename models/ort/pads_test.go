package ort

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// Zeros of a Pad are part of the maxima that a MaxPool takes. ONNX Runtime 1.30 makes one
// MaxPool of both, which ignores its padding.
func TestFault55_PaddedZerosAreMaxima(t *testing.T) {
	needLibrary(t)
	const side, classes = 8, 3
	b := block{Graph: graph.New("padded")}
	values := func(name string, v float32) graph.Value {
		return b.Weights(name, func() ([]float32, error) { return []float32{v}, nil }, 1, 1, 1, 1)
	}
	x := b.Input("images", graph.Float32, graph.Dynamic, classes, side, side)
	x = b.Sub("negative", b.Mul("nothing", x, values("zero", 0)), values("nine", 9))
	x = b.Node("Pad", "padded", []graph.Value{x, b.Ints("pads", 0, 0, 1, 1, 0, 0, 1, 1)}, graph.Float32,
		[]int64{graph.Dynamic, classes, side + 2, side + 2})
	// 5 of 9 windows have a zero of the padding.
	x = b.MaxPool("maxima", x, graph.Window{Kernel: [2]int64{3, 3}, Stride: [2]int64{3, 3}})
	b.Output("scores", b.Flatten("row", b.GlobalAveragePool("mean", x)))
	file, err := b.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "padded.onnx")
	if err := os.WriteFile(path, file, 0o644); err != nil {
		t.Fatal(err)
	}
	c := graphtest.Contract(graphtest.Options{Size: side, Classes: classes, Input: graphtest.FloatImage, Logits: true})
	m, err := models.Open(path, models.OpenOptions{Contract: &c})
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, m, Options{})
	batch := newBatch(t, e, 1)
	fill(batch, &e.model.Contract, 0, 0)
	if err := e.Score(t.Context(), batch, 0, 1); err != nil {
		t.Fatal(err)
	}
	for _, score := range batch.Scores {
		if score != -4 {
			t.Errorf("%v, want -4: the mean of 5 zeros and 4 of -9", score)
		}
	}
}
