package tfjs

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
)

func FuzzTopology(f *testing.F) {
	for _, m := range []string{"functional", "sequential"} {
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
