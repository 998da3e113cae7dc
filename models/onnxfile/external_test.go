package onnxfile_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/proto"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

func TestWeightsNextToTheModel(t *testing.T) {
	path := graphtest.External(t, "model.onnx.data", nil)
	m, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if !m.External || m.Size != info.Size()+4*graphtest.ExternalParameters {
		t.Errorf("External = %v, Size = %d; want true, %d", m.External, m.Size, info.Size()+4*graphtest.ExternalParameters)
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

func TestRefusesWeightsNextToTheModel(t *testing.T) {
	for name, c := range map[string]struct {
		location string
		metadata map[string]string
		change   func(t *testing.T, data string)
		says     string
	}{
		"gone": {location: "model.onnx.data", change: func(t *testing.T, data string) { must(t, os.Remove(data)) }, says: "copied together"},
		"truncated": {
			location: "model.onnx.data",
			change:   func(t *testing.T, data string) { must(t, os.Truncate(data, 4*graphtest.ExternalParameters-1)) },
			says:     "122879 bytes but needs at least 122880",
		},
		"replaced": {location: "model.onnx.data", metadata: map[string]string{onnxfile.DataKey: "sha256:0123"}, says: "not those it was written with"},
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
			path := graphtest.External(t, c.location, c.metadata)
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

// Weights in a file next to the model are parameters as others are.
func TestParametersNextToTheModel(t *testing.T) {
	path := graphtest.External(t, "model.onnx.data", nil)
	f, err := onnxfile.Read(path)
	if err != nil {
		t.Fatal(err)
	}
	if got := f.Parameters(); len(got) != 1 || got[0].Count() != graphtest.ExternalParameters {
		t.Errorf("parameters are %+v, want %d elements of one tensor", got, graphtest.ExternalParameters)
	}
	if len(f.Inputs) != 1 || f.Inputs[0].Name != "images" {
		t.Errorf("inputs are %+v, want images", f.Inputs)
	}
}

// The weights of a model may be in any number of files, because exporters write one for
// each. All of them count for the digest.
func TestManyWeightFiles(t *testing.T) {
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
