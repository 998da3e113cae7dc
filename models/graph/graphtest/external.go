package graphtest

import (
	"encoding/json"
	"io"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
)

// ExternalParameters is the parameters of External's model, which are all in
// one dense layer.
const ExternalParameters = 32 * 32 * 3 * 10

// External writes a model with its weights, all zero, in a file next to it. The
// model says that they are in location; they are in model.onnx.data. It returns
// the path of the model, whose metadata are its contract and those given.
func External(t testing.TB, location string, metadata map[string]string) (path string) {
	t.Helper()
	contract, err := json.Marshal(Contract(Options{}))
	if err != nil {
		t.Fatal(err)
	}
	g := graph.New("external")
	g.Metadata(models.MetadataKey, string(contract))
	for key, value := range metadata {
		g.Metadata(key, value)
	}
	x := g.Input("images", graph.Uint8, graph.Dynamic, 32, 32, 3)
	x = g.Flatten("row", g.Cast("pixels", x, graph.Float32))
	w := g.Weights("w", func() ([]float32, error) { return make([]float32, ExternalParameters), nil }, 32*32*3, 10)
	g.Output("scores", g.Gemm("dense", x, w, graph.Value{}))
	path = filepath.Join(t.TempDir(), "model.onnx")
	WriteExternal(t, g, path, location)
	return path
}

// WriteExternal writes a graph to path and its weights to path.data. The model
// says that its weights are in location.
func WriteExternal(t testing.TB, g *graph.Graph, path, location string) {
	t.Helper()
	for _, f := range []struct {
		path  string
		write func(io.Writer) (int64, error)
	}{
		{path: path + ".data", write: g.WriteData},
		{path: path, write: func(w io.Writer) (int64, error) { return g.WriteBeside(w, location) }},
	} {
		if err := models.Save(f.path, func(w io.Writer) error { _, err := f.write(w); return err }); err != nil {
			t.Fatal(err)
		}
	}
}
