package tfjs

import (
	"archive/tar"
	"bytes"
	"compress/gzip"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
)

func FuzzTopology(f *testing.F) {
	for _, m := range []string{"functional", "sequential", "mobile", "nested"} {
		text, err := os.ReadFile("testdata/small/" + m + "/model.json")
		if err != nil {
			f.Fatal(err)
		}
		var doc struct {
			Topology json.RawMessage `json:"modelTopology"`
		}
		if err := json.Unmarshal(text, &doc); err != nil {
			f.Fatal(err)
		}
		var b bytes.Buffer
		if err := json.Compact(&b, doc.Topology); err != nil {
			f.Fatal(err)
		}
		f.Add(b.Bytes())
	}
	f.Add([]byte(`{"class_name":"Sequential","config":[]}`))
	f.Fuzz(func(t *testing.T, topology []byte) {
		fuzzImport(t, fmt.Appendf(nil, `{"modelTopology":%s,"weightsManifest":[]}`, topology), nil)
	})
}

// FuzzGraph imports graph models of any nodes, with the weights of a small one.
func FuzzGraph(f *testing.F) {
	text, err := os.ReadFile("testdata/small/graph/model.json")
	if err != nil {
		f.Fatal(err)
	}
	shard, err := os.ReadFile("testdata/small/graph/group1-shard1of1.bin")
	if err != nil {
		f.Fatal(err)
	}
	var doc struct {
		Topology json.RawMessage `json:"modelTopology"`
		Manifest json.RawMessage `json:"weightsManifest"`
	}
	if err := json.Unmarshal(text, &doc); err != nil {
		f.Fatal(err)
	}
	var topology, manifest bytes.Buffer
	if err := errors.Join(json.Compact(&topology, doc.Topology), json.Compact(&manifest, doc.Manifest)); err != nil {
		f.Fatal(err)
	}
	f.Add(topology.Bytes())
	weights := strings.ReplaceAll(manifest.String(), "group1-shard1of1.bin", "s")
	f.Fuzz(func(t *testing.T, topology []byte) {
		fuzzImport(t, fmt.Appendf(nil, `{"format":"graph-model","modelTopology":%s,"weightsManifest":%s}`, topology, weights), shard)
	})
}

func FuzzManifest(f *testing.F) {
	f.Add([]byte(`[{"paths":["s"],"weights":[{"name":"d/kernel","shape":[3,2],"dtype":"float32",`+
		`"quantization":{"dtype":"uint8","min":0,"scale":1}}]}]`), []byte("123456"))
	f.Add([]byte(`[{"paths":["s","s"],"weights":[{"name":"d/kernel","shape":[3,2],"dtype":"float32"}]}]`), make([]byte, 12))
	f.Add([]byte(`[{"paths":["s"],"weights":[{"name":"x","shape":[9223372036854775807,2],"dtype":"float32"}]}]`), []byte{})
	const topology = `{"class_name":"Sequential","config":[
		{"class_name":"GlobalAveragePooling2D","config":{"name":"g","batch_input_shape":[null,4,4,3]}},
		{"class_name":"Dense","config":{"name":"d","units":2,"use_bias":false}}]}`
	f.Fuzz(func(t *testing.T, manifest, shard []byte) {
		fuzzImport(t, fmt.Appendf(nil, `{"modelTopology":%s,"weightsManifest":%s}`, topology, manifest), shard)
	})
}

// fuzzImport imports a model from memory. It must be possible to open an accepted one.
func fuzzImport(t *testing.T, model, shard []byte) {
	src := &source{files: memory{"model.json": model, "s": shard}, dir: ".", pkgDir: ".", folder: "fuzz", sum: sha256.New()}
	var out bytes.Buffer
	if _, err := importFrom(context.Background(), src, &out, Options{}); err != nil {
		if !errors.Is(err, models.ErrModel) {
			t.Errorf("%v does not wrap ErrModel", err)
		}
		return
	}
	path := filepath.Join(t.TempDir(), "out.onnx")
	if err := os.WriteFile(path, out.Bytes(), 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := models.Open(path, models.OpenOptions{}); err != nil {
		t.Errorf("written, but not opened: %v", err)
	}
}

// FuzzArchive opens any bytes as a package in a .tgz. What is unpacked has names within the
// package.
func FuzzArchive(f *testing.F) {
	for _, name := range []string{"package/m/model.json", "package/../../x/model.json", "/model.json"} {
		var b bytes.Buffer
		z := gzip.NewWriter(&b)
		w := tar.NewWriter(z)
		const text = `{"modelTopology":{},"weightsManifest":[]}`
		err := w.WriteHeader(&tar.Header{Name: name, Size: int64(len(text)), Mode: 0o644})
		if err == nil {
			_, err = w.Write([]byte(text))
		}
		if err := errors.Join(err, w.Close(), z.Close()); err != nil {
			f.Fatal(err)
		}
		// The inputs are not compressed: hardly any change of compressed data can be unpacked.
		r, err := gzip.NewReader(&b)
		if err != nil {
			f.Fatal(err)
		}
		plain, err := io.ReadAll(r)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(plain)
	}
	// For all inputs of a process, one after another. A writer is large.
	z, err := gzip.NewWriterLevel(io.Discard, gzip.NoCompression)
	if err != nil {
		f.Fatal(err)
	}
	path := filepath.Join(f.TempDir(), "p.tgz")
	f.Fuzz(func(t *testing.T, plain []byte) {
		var b bytes.Buffer
		z.Reset(&b)
		if _, err := z.Write(plain); err != nil {
			t.Fatal(err)
		}
		if err := z.Close(); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, b.Bytes(), 0o644); err != nil {
			t.Fatal(err)
		}
		s := &source{sum: sha256.New()}
		defer s.Close()
		if err := s.openArchive(context.Background(), path, ""); err != nil {
			if !errors.Is(err, models.ErrModel) {
				t.Errorf("%v does not wrap ErrModel", err)
			}
			return
		}
		for name := range s.files.(memory) {
			if !fs.ValidPath(name) {
				t.Errorf("unpacked %q", name)
			}
		}
		if err := s.readPackage(); err != nil && !errors.Is(err, models.ErrModel) {
			t.Errorf("%v does not wrap ErrModel", err)
		}
		if _, err := s.readModel(); err != nil && !errors.Is(err, models.ErrModel) {
			t.Errorf("%v does not wrap ErrModel", err)
		}
	})
}

func FuzzLiteral(f *testing.F) {
	for _, s := range []string{`{a:.5,b:[-.5e-3,!0,!1,void 0,null,'it"s'],"c d":{}}`, `{0:'x'}`, `[[[`, `"\u00e9\'"`, `-Infinity`} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		if out, err := literal(text); err == nil && !json.Valid(out) {
			t.Errorf("literal(%q) = %q, which is not JSON", text, out)
		}
	})
}
