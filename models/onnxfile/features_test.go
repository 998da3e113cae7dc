package onnxfile_test

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// TestFeatures finds the tensor that suits as a vector, behind one dense layer or two, and
// none where the numbers before the last layer are a map.
func TestFeatures(t *testing.T) {
	data := func(n int) graph.Data { return func() ([]float32, error) { return make([]float32, n), nil } }
	for _, c := range []struct {
		name, want  string
		hidden, raw bool
		numbers     int64
	}{
		{name: "one layer", want: "flat", numbers: 8},
		{name: "two layers", want: "flat", hidden: true, numbers: 8},
		{name: "two layers without a pooling", want: "relu", hidden: true, raw: true, numbers: 6},
		{name: "one layer without a pooling", want: "flat", raw: true, numbers: 8 * 16},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graph.New("g")
			x := g.Input("images", graph.Float32, graph.Dynamic, 3, 8, 8)
			x = g.Conv("conv", x, g.Weights("kernel", data(8*3*4), 8, 3, 2, 2), g.Weights("bias", data(8), 8), graph.Window{Stride: [2]int64{2, 2}})
			n := int64(8)
			if c.raw {
				n *= 16
			} else {
				x = g.GlobalAveragePool("pool", x)
			}
			x = g.Flatten("flat", x)
			if c.hidden {
				x = g.Relu("relu", g.Gemm("hidden", x, g.Weights("hw", data(int(n)*6), n, 6), g.Weights("hb", data(6), 6)))
				n = 6
			}
			x = g.Gemm("dense", x, g.Weights("w", data(int(n)*5), n, 5), g.Weights("b", data(5), 5))
			g.Output("scores", g.Softmax("softmax", x))
			model, err := g.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := os.WriteFile(path, bytes.Clone(model), 0o600); err != nil {
				t.Fatal(err)
			}
			f, err := onnxfile.Read(path)
			if err != nil {
				t.Fatal(err)
			}
			name, sizes := f.Features(f.Outputs[0])
			if numbers, _ := onnxfile.Row(sizes); name != c.want || numbers != c.numbers {
				t.Errorf("%q of %d numbers, want %q of %d", name, numbers, c.want, c.numbers)
			}
		})
	}
}
