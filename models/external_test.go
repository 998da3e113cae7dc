package models_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// writeExternal writes a model whose weights are said to lie in location, and
// these to a file beside it. It returns the path of the model.
func writeExternal(t *testing.T, location, digest string) string {
	t.Helper()
	c := graphtest.Contract(graphtest.Options{})
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	g := graph.New("g")
	g.Metadata(models.MetadataKey, string(text))
	if digest != "" {
		g.Metadata(models.DataKey, digest)
	}
	x := g.Input("images", graph.Uint8, graph.Dynamic, 32, 32, 3)
	x = g.Flatten("row", g.Cast("pixels", x, graph.Float32))
	w := g.Weights("w", func() ([]float32, error) { return make([]float32, 3072*10), nil }, 3072, 10)
	g.Output("scores", g.Gemm("dense", x, w, graph.Value{}))
	path := filepath.Join(t.TempDir(), "model.onnx")
	for _, f := range []struct {
		name  string
		write func(io.Writer) (int64, error)
	}{
		{name: path + ".data", write: g.WriteData},
		{name: path, write: func(w io.Writer) (int64, error) { return g.WriteBeside(w, location) }},
	} {
		if err := models.Save(f.name, func(w io.Writer) error { _, err := f.write(w); return err }); err != nil {
			t.Fatal(err)
		}
	}
	return path
}

func TestOpenWithWeightsBeside(t *testing.T) {
	path := writeExternal(t, "model.onnx.data", "")
	m, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !m.External || m.Size != info.Size()+4*30720 {
		t.Errorf("external is %v, the size %d", m.External, m.Size)
	}
	data, err := os.ReadFile(path + ".data")
	if err != nil {
		t.Fatal(err)
	}
	data[1000] ^= 1
	if err := os.WriteFile(path+".data", data, 0o644); err != nil {
		t.Fatal(err)
	}
	other, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if other.Digest == m.Digest {
		t.Error("the digest does not cover the weights")
	}
}

func TestOpenRefusesWeightsBeside(t *testing.T) {
	for name, c := range map[string]struct {
		location, digest string
		change           func(t *testing.T, data string)
		says             string
	}{
		"gone": {location: "model.onnx.data", change: func(t *testing.T, data string) { must(t, os.Remove(data)) }, says: "copied together"},
		"truncated": {
			location: "model.onnx.data",
			change:   func(t *testing.T, data string) { must(t, os.Truncate(data, 4*30720-1)) },
			says:     "122879 bytes, of 122880",
		},
		"replaced": {location: "model.onnx.data", digest: "sha256:0123", says: "not those that it was written with"},
		"above":    {location: "../model.onnx.data", says: "not in the model's folder"},
		"absolute": {location: "/etc/passwd", says: "not in the model's folder"},
		"folder": {location: "model.onnx.data", change: func(t *testing.T, data string) {
			must(t, os.Remove(data))
			must(t, os.Mkdir(data, 0o755))
		}, says: "not a file"},
		"link out of the folder": {location: "model.onnx.data", change: func(t *testing.T, data string) {
			must(t, os.Rename(data, filepath.Join(t.TempDir(), "data")))
			must(t, os.Symlink("/etc/passwd", data))
		}, says: "escapes"},
	} {
		t.Run(name, func(t *testing.T) {
			path := writeExternal(t, c.location, c.digest)
			if c.change != nil {
				c.change(t, path+".data")
			}
			_, err := models.Open(path, models.OpenOptions{})
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrModel about %q", err, c.says)
			}
		})
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// Inspect counts weights that lie beside the model.
func TestInspectWithWeightsBeside(t *testing.T) {
	path := writeExternal(t, "model.onnx.data", "")
	in, err := models.Inspect(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if in.Parameters != 30720 || !slices.ContainsFunc(in.Inputs, func(p models.Port) bool { return p.Name == "images" }) {
		t.Errorf("inspected as %+v", in)
	}
}

// The weights of a model may lie in any number of files, as exporters write one
// for each; every one of them counts for the digest.
func TestOpenWithManyFilesBeside(t *testing.T) {
	const files = 300
	var m onnxpb.ModelProto
	if err := proto.Unmarshal(graphtest.Tiny(graphtest.Options{}), &m); err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "weights"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := func(i int) string { return fmt.Sprintf("weights/%d.bin", i) }
	for i := range files {
		m.Graph.Initializer = append(m.Graph.Initializer, &onnxpb.TensorProto{
			Name: proto.String(fmt.Sprint("extra", i)), Dims: []int64{1}, DataType: proto.Int32(int32(onnxpb.TensorProto_FLOAT)),
			DataLocation: onnxpb.TensorProto_EXTERNAL.Enum(),
			ExternalData: []*onnxpb.StringStringEntryProto{{Key: proto.String("location"), Value: proto.String(file(i))}},
		})
		if err := os.WriteFile(filepath.Join(dir, file(i)), []byte{1, 2, 3, 4}, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	model, err := proto.Marshal(&m)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(dir, "model.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	before, err := models.Open(path, models.OpenOptions{})
	if err != nil || before.Size != int64(len(model)+4*files) {
		t.Fatalf("got %+v, %v", before, err)
	}
	if err := os.WriteFile(filepath.Join(dir, file(files-1)), []byte{1, 2, 3, 5}, 0o644); err != nil {
		t.Fatal(err)
	}
	if after, err := models.Open(path, models.OpenOptions{}); err != nil || after.Digest == before.Digest {
		t.Errorf("the digest does not cover the last file: %v", err)
	}
}
