package models_test

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess"
)

func TestOpen(t *testing.T) {
	for name, o := range map[string]graphtest.Options{
		"uint8 pixels, any batch":  {},
		"float planes":             {Input: graphtest.FloatImage, Size: 48, Classes: 3},
		"fixed batch, logits":      {Batch: 4, Logits: true},
		"weights that are skipped": {Work: 20},
	} {
		t.Run(name, func(t *testing.T) {
			m, err := models.Open(graphtest.Write(t, o), models.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			want := graphtest.Contract(o)
			if m.Contract.Digest() != want.Digest() {
				t.Errorf("contract is %+v, want %+v", m.Contract, want)
			}
			if m.DType != want.Preprocess.DType || m.Layout != want.Preprocess.Layout || m.Batch != int(o.Batch) {
				t.Errorf("%s %s, batch %d; want %s %s, batch %d", m.DType, m.Layout, m.Batch,
					want.Preprocess.DType, want.Preprocess.Layout, o.Batch)
			}
			n, size := int64(-1), int64(want.Preprocess.Width)
			if o.Batch > 0 {
				n = o.Batch
			}
			shape := []int64{n, size, size, 3}
			if o.Input == graphtest.FloatImage {
				shape = []int64{n, 3, size, size}
			}
			if m.InputName != "images" || !slices.Equal(m.InputShape, shape) {
				t.Errorf("input %s %v, want images %v", m.InputName, m.InputShape, shape)
			}
			if m.OutputName != "scores" || !slices.Equal(m.OutputShape, []int64{n, int64(want.Classes)}) {
				t.Errorf("output %s %v", m.OutputName, m.OutputShape)
			}
		})
	}
}

func TestOpenTakesTheDigestOfTheWholeFile(t *testing.T) {
	path := graphtest.Write(t, graphtest.Options{})
	a, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	b, err := models.Open(graphtest.Write(t, graphtest.Options{Seed: 1}), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(a.Digest, "sha256:") || len(a.Digest) != len("sha256:")+64 {
		t.Errorf("digest is %q", a.Digest)
	}
	if a.Digest == b.Digest {
		t.Error("models that differ only in their weights have the same digest")
	}
}

func TestOpenRefuses(t *testing.T) {
	tiny := graphtest.Tiny(graphtest.Options{})
	contract := func(change func(*models.Contract)) models.OpenOptions {
		c := graphtest.Contract(graphtest.Options{})
		change(&c)
		return models.OpenOptions{Contract: &c}
	}
	for name, c := range map[string]struct {
		file []byte
		o    models.OpenOptions
		says []string
	}{
		"empty file":       {file: nil, says: []string{"not an ONNX file"}},
		"JPEG":             {file: []byte("\xff\xd8\xff\xe0\x00\x10JFIF"), says: []string{"not an ONNX file"}},
		"text":             {file: []byte("<!DOCTYPE html><html>"), says: []string{"not an ONNX file"}},
		"truncated":        {file: tiny[:len(tiny)-100], says: []string{"truncated"}},
		"hostile length":   {file: []byte("\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\x7f"), says: []string{"72057594037927935 bytes", "0 are there"}},
		"hostile metadata": {file: slices.Concat([]byte("\x72\x80\x80\x80\x10"), make([]byte, 32<<20)), says: []string{"33554432 bytes"}},
		"hostile nodes":    {file: hostile(1), says: []string{"bytes of names and declarations"}},
		"hostile weights":  {file: hostile(5), says: []string{"bytes of names and declarations"}},
		"vector input":     {file: graphtest.Tiny(graphtest.Options{Input: graphtest.Vector}), says: []string{"not an image", `"features" FLOAT[-1 10]`}},
		"text input":       {file: graphtest.Tiny(graphtest.Options{Input: graphtest.Text}), says: []string{"not an image", "STRING"}},
		"map output":       {file: graphtest.Tiny(graphtest.Options{Output: graphtest.Map}), says: []string{"not a row of scores", "[-1 10 16 16]"}},
		"wide output":      {file: graphtest.Tiny(graphtest.Options{Output: graphtest.Wide}), says: []string{"10 in the contract, 11 in the graph"}},
		"no contract": {
			file: graphtest.Tiny(graphtest.Options{NoContract: true}),
			says: []string{"no contract", "--resize ", "pillow-bilinear", "RGB or BGR", "crop", "--preset ", "torchvision", "model.yaml"},
		},
		"other size": {file: tiny, o: contract(func(c *models.Contract) { c.Preprocess.Width = 64 }),
			says: []string{"64x32 in the contract, 32x32 in the graph"}},
		"other layout": {file: tiny, o: contract(func(c *models.Contract) { c.Preprocess.DType = preprocess.Float32 }),
			says: []string{"float32 HWC in the contract, uint8 HWC in the graph"}},
		"labels":                 {file: tiny, o: models.OpenOptions{Labels: []string{"cat", "dog"}}, says: []string{"2 labels", "10 classes"}},
		"scale of bytes":         {file: tiny, o: contract(func(c *models.Contract) { c.Preprocess.Scale = 2 }), says: []string{"float32"}},
		"contract from tomorrow": {file: withMetadata(`{"name":"x","tomorrow":1}`), says: []string{`"tomorrow"`}},
		"contract not JSON":      {file: withMetadata("model"), says: []string{"contract in the metadata"}},
	} {
		t.Run(name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "model.onnx")
			if err := os.WriteFile(path, c.file, 0o644); err != nil {
				t.Fatal(err)
			}
			_, err := models.Open(path, c.o)
			if !errors.Is(err, models.ErrModel) {
				t.Fatalf("got %v, want an error wrapping ErrModel", err)
			}
			for _, s := range append(c.says, path) {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("%q does not contain %q", err, s)
				}
			}
		})
	}
}

func TestOpenOverrides(t *testing.T) {
	c := graphtest.Contract(graphtest.Options{})
	c.Labels = nil
	path := graphtest.Write(t, graphtest.Options{NoContract: true})
	m, err := models.Open(path, models.OpenOptions{Contract: &c})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"0", "1", "2", "3", "4", "5", "6", "7", "8", "9"}; !slices.Equal(m.Contract.Labels, want) {
		t.Errorf("labels are %q, want the class numbers", m.Contract.Labels)
	}
	if c.Labels != nil {
		t.Error("the caller's contract was changed")
	}
	labels := strings.Split("abcdefghij", "")
	m, err = models.Open(path, models.OpenOptions{Contract: &c, Labels: labels})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(m.Contract.Labels, labels) {
		t.Errorf("labels are %q, want %q", m.Contract.Labels, labels)
	}
}

func TestOpenFileErrors(t *testing.T) {
	if _, err := models.Open(filepath.Join(t.TempDir(), "none.onnx"), models.OpenOptions{}); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v, want ErrNotExist", err)
	}
	if _, err := models.Open(t.TempDir(), models.OpenOptions{}); !errors.Is(err, models.ErrModel) {
		t.Errorf("folder: got %v, want ErrModel", err)
	}
}

func TestContractDigests(t *testing.T) {
	a := graphtest.Contract(graphtest.Options{})
	b := a
	b.Labels = slices.Clone(a.Labels)
	b.Labels[3] = "other"
	if a.Digest() == b.Digest() || a.PreprocessDigest() != b.PreprocessDigest() {
		t.Error("want a label to change the contract's digest and not that of the pixels")
	}
	b.Preprocess.Fit = preprocess.CenterCrop
	if a.PreprocessDigest() == b.PreprocessDigest() {
		t.Error("the fit does not change the digest of the pixels")
	}
}

// hostile returns a graph of two million empty fields, which would need gigabytes of
// memory.
func hostile(number byte) []byte {
	const n = 2 << 20
	body := bytes.Repeat([]byte{number<<3 | 2, 0}, n)
	return slices.Concat([]byte("\x08\x08\x3a"), protowire.AppendVarint(nil, 2*n), body)
}

// withMetadata returns a small model with the given text as its contract.
func withMetadata(contract string) []byte {
	g := graph.New("g")
	g.Metadata(models.MetadataKey, contract)
	x := g.Input("images", graph.Float32, 1, 3, 8, 8)
	g.Output("scores", g.Flatten("row", g.GlobalAveragePool("pool", x)))
	model, err := g.Bytes()
	if err != nil {
		panic(err)
	}
	return model
}

func FuzzONNXHeader(f *testing.F) {
	f.Add(graphtest.Tiny(graphtest.Options{}))
	f.Add(graphtest.Tiny(graphtest.Options{Input: graphtest.Vector, NoContract: true}))
	f.Add(withMetadata("{"))
	f.Add([]byte("\x08\x08\x3a\xff\xff\xff\xff\xff\xff\xff\x7f"))
	f.Add([]byte{})
	path := filepath.Join(f.TempDir(), "model.onnx")
	f.Fuzz(func(t *testing.T, data []byte) {
		if err := os.WriteFile(path, data, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := models.Open(path, models.OpenOptions{})
		switch {
		case err != nil && !errors.Is(err, models.ErrModel):
			t.Errorf("%v does not wrap ErrModel", err)
		case err == nil && (len(m.Contract.Labels) != m.Contract.Labelled() || len(m.InputShape) != 4):
			t.Errorf("accepted %+v", m)
		}
	})
}
