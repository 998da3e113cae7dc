package main

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// boxOf is an ending that makes a detector of Colours: one box of half the sides in the middle,
// as YOLOv8 has it, whose two classes have the raw scores of red and green.
func boxOf(g *graph.Graph, raw graph.Value) graph.Value {
	kernel := make([]float32, 3*6)
	kernel[0*6+4], kernel[1*6+5] = 1, 1
	weights := func(name string, v []float32, shape ...int64) graph.Value {
		return g.Weights(name, func() ([]float32, error) { return v, nil }, shape...)
	}
	x := g.Gemm("box", raw, weights("box kernel", kernel, 3, 6), weights("box bias", []float32{4, 4, 4, 4, 0, 0}, 6))
	last := g.Cast("last", weights("axis", []float32{2}, 1), graph.DType(onnxpb.TensorProto_INT64))
	return g.Node("Unsqueeze", "boxes", []graph.Value{x, last}, x.Type, []int64{graph.Dynamic, 6, 1})
}

// TestAnswers runs a model with every kind of answer, by one rank and by three, and reads the
// result with the commands that read results.
func TestAnswers(t *testing.T) {
	t.Parallel()
	images := colourImages(t) // red, green and blue
	writeFile(t, filepath.Join(images, "4.png"), []byte("no picture"))
	sigmoid4 := "0.98201376" // of the score of a colour in its own picture
	for _, c := range []struct {
		name, answer string
		end          func(*graph.Graph, graph.Value) graph.Value
		flags        []string
		first, last  string // the columns of the answer of the red image, and of the broken one
		where        string // a condition that holds for the green image only
		shown        string
	}{
		{
			name: "several labels", answer: "multi_label", flags: []string{"--activation", "sigmoid", "--threshold", "0.9"},
			first: `"labels":[{"class_id":0,"label":"0","score":` + sigmoid4 + `}],"label_count":1,"best":"0","best_id":0,"best_score":` +
				sigmoid4 + `,"certainty":0.8201377`,
			last: `"labels":[],"label_count":null,"best":"","best_id":null,"best_score":null,"certainty":null`, where: "labels=1", shown: "0.9820",
		},
		{
			name: "vectors", answer: "embed", flags: []string{"--normalize", "--element", "float16"},
			first: `"vector":[0.57714844,-0.57714844,-0.57714844]`, last: `"vector":null`, where: "path=2.png", shown: "0.5771 -0.5771 -0.5771",
		},
		{
			name: "numbers", answer: "raw", flags: []string{"--columns", "red,green,blue"},
			first: `"red":4.0,"green":-4.0,"blue":-4.0`, last: `"red":null,"green":null,"blue":null`, where: "green>0", shown: "3 numbers",
		},
		{
			name: "boxes", answer: "detect", end: boxOf, flags: []string{"--detector", "yolov8", "--activation", "sigmoid"},
			first: `"boxes":[{"class_id":0,"label":"0","score":` + sigmoid4 +
				`,"x":2.0,"y":2.0,"width":4.0,"height":4.0}],"box_count":1,"image_width":8,"image_height":8`,
			last: `"boxes":[],"box_count":null,"image_width":null,"image_height":null`, where: "boxes=1", shown: "1 0",
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			dir := t.TempDir()
			model, out := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "out")
			writeFile(t, model, graphtest.Colours(3, c.end))
			args := slices.Concat([]string{"run", "--provider", "cpu", "--images", images, "--model", model, "--answer", c.answer, "--max-errors", "100%"},
				graphtest.Pixels, c.flags)
			mustPlain(t, 0, append(args, "--out", out)...)
			mustPlain(t, 0, "verify", out)
			file := filepath.Join(dir, "rows.jsonl")
			mustPlain(t, 0, "merge", out, "-o", file)
			lines := strings.Split(readFile(t, file), "\n")
			if len(lines) != 5 || !strings.Contains(lines[0], `"status":"ok",`+c.first+`,"error":""}`) ||
				!strings.Contains(lines[3], `"status":"not_image",`+c.last+`,"error"`) {
				t.Errorf("the rows are\n%s", strings.Join(lines, "\n"))
			}
			says(t, mustPlain(t, 0, "show", out), c.shown)
			if r := mustPlain(t, 0, "show", out, "--where", c.where); !strings.Contains(r.stdout, "2.png") || strings.Contains(r.stdout, "1.png") {
				t.Errorf("show --where %s:\n%s", c.where, r.stdout)
			}
			for _, format := range []string{"csv", "parquet"} {
				other := filepath.Join(dir, format)
				var ranks sync.WaitGroup
				for rank := range 3 {
					ranks.Go(func() {
						own := []string{"--out", other, "--format", format, "--chunk", "1", "--rank", strconv.Itoa(rank), "--world", "3"}
						if r := finish(t, process(t, nil, plainProgram(t), append(slices.Clone(args), own...)...)); r.code != 0 {
							t.Errorf("rank %d: %v", rank, r)
						}
					})
				}
				ranks.Wait()
				mustPlain(t, 0, "verify", other)
				again := filepath.Join(dir, format+".jsonl")
				mustPlain(t, 0, "merge", other, "-o", again)
				if readFile(t, again) != readFile(t, file) {
					t.Errorf("three ranks and %s lead to other rows", format)
				}
			}
			simulated := filepath.Join(dir, "simulated")
			mustPlain(t, 0, append(slices.Replace(slices.Clone(args), 2, 3, "simulate:rate=inf"), "--out", simulated)...)
			mustPlain(t, 0, "verify", simulated)
		})
	}
}

// TestMatrixOfVectors: merge writes vectors as a matrix, and the rows next to it.
func TestMatrixOfVectors(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	model, out := filepath.Join(dir, "model.onnx"), filepath.Join(dir, "out")
	writeFile(t, model, graphtest.Colours(3, nil))
	args := slices.Concat([]string{"run", "--provider", "cpu", "--images", colourImages(t), "--model", model}, graphtest.Pixels)
	mustPlain(t, 0, append(args, "--out", out, "--answer", "embed")...)
	file := filepath.Join(dir, "all.npy")
	mustPlain(t, 0, "merge", out, "-o", file)
	mustPlain(t, 0, "merge", out, "-o", file) // which holds that already
	if body := readFile(t, file); len(body) != 128+3*3*4 || !strings.Contains(body, "'shape': (3, 3)") {
		t.Errorf("the matrix is %q", body)
	}
	if ids := readFile(t, filepath.Join(dir, "all.ids.jsonl")); strings.Count(ids, "\n") != 3 || strings.Contains(ids, "vector") ||
		!strings.HasPrefix(ids, `{"path":"1.png",`) {
		t.Errorf("the rows next to it are %s", ids)
	}
	labels := filepath.Join(dir, "labels")
	mustPlain(t, 0, append(args, "--out", labels, "--activation", "logits")...)
	says(t, mustPlain(t, 64, "merge", labels, "-o", filepath.Join(dir, "no.npy")), "no vectors", "classify")
	if _, err := os.Stat(filepath.Join(dir, "no.npy")); err == nil {
		t.Error("a matrix of labels was written")
	}
}
