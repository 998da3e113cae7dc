package graphtest

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

const int64s = graph.DType(onnxpb.TensorProto_INT64)

// Hungry writes a small model that computes a tensor of side x side zeros, and adds the
// largest of them to its scores.
func Hungry(t testing.TB, side int64) (path string) {
	t.Helper()
	return hungry(t, func(g *graph.Graph, _ graph.Value) graph.Value {
		return g.Node("Constant", "shape", nil, int64s, []int64{2}, ints("value_ints", side, side))
	})
}

// HungryForWhite is Hungry for batches that hold an image whose mean is far above 200: the
// side is steps for each grey level above 200. Other batches need next to nothing.
func HungryForWhite(t testing.TB, steps float32) (path string) {
	t.Helper()
	return hungry(t, func(g *graph.Graph, x graph.Value) graph.Value {
		mean := g.Node("ReduceMean", "means", []graph.Value{x}, graph.Float32, []int64{graph.Dynamic, 1}, ints("axes", 1))
		most := g.Node("ReduceMax", "whitest", []graph.Value{mean}, graph.Float32, []int64{1, 1}, ints("axes", 0, 1))
		above := g.Relu("above", g.Sub("over", most, g.Scalar("white", 200)))
		side := g.Add("side", g.Mul("steps", above, g.Scalar("step", steps)), g.Scalar("one", 1))
		side = g.Cast("whole", g.Flatten("flat", side), int64s)
		flat := g.Node("Constant", "vector", nil, int64s, []int64{1}, ints("value_ints", 1))
		one := g.Node("Reshape", "single", []graph.Value{side, flat}, int64s, []int64{1})
		return g.Concat("shape", 0, one, one)
	})
}

func hungry(t testing.TB, shape func(g *graph.Graph, x graph.Value) graph.Value) string {
	t.Helper()
	contract, err := json.Marshal(Contract(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	const n = 32 * 32 * 3
	g := graph.New("hungry")
	g.Metadata(models.MetadataKey, string(contract))
	x := g.Input("images", graph.Uint8, graph.Dynamic, 32, 32, 3)
	x = g.Flatten("row", g.Cast("pixels", x, graph.Float32))
	w := g.Weights("w", func() ([]float32, error) { return make([]float32, n*10), nil }, n, 10)
	scores := g.Softmax("softmax", g.Gemm("dense", x, w, graph.Value{}))
	zeros := g.Node("ConstantOfShape", "zeros", []graph.Value{shape(g, x)}, graph.Float32, []int64{graph.Dynamic, graph.Dynamic})
	most := g.Node("ReduceMax", "most", []graph.Value{zeros}, graph.Float32, nil, integer("keepdims", 0))
	g.Output("scores", g.Add("sum", scores, most))
	body, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "hungry.onnx")
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
