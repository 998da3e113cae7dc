package main

import (
	"compress/gzip"
	"encoding/binary"
	"encoding/json"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// timmFolder writes a folder as timm's are on Hugging Face, with weights of zeros of a small
// MobileNetV3.
func timmFolder(t *testing.T, architecture string) string {
	t.Helper()
	f, err := os.Open("../../models/networks/testdata/names.json.gz")
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	z, err := gzip.NewReader(f)
	if err != nil {
		t.Fatal(err)
	}
	var networks map[string]map[string][]int
	if err := json.NewDecoder(z).Decode(&networks); err != nil {
		t.Fatal(err)
	}
	header, at := map[string]any{}, 0
	for name, shape := range networks["mobilenet_v3_small timm"] {
		n := 4
		for _, d := range shape {
			n *= d
		}
		header[name] = map[string]any{"dtype": "F32", "shape": shape, "data_offsets": []int{at, at + n}}
		at += n
	}
	text, err := json.Marshal(header)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	data := append(binary.LittleEndian.AppendUint64(nil, uint64(len(text))), text...)
	writeFile(t, filepath.Join(dir, "model.safetensors"), append(data, make([]byte, at)...))
	writeFile(t, filepath.Join(dir, "config.json"), []byte(`{"architecture":"`+architecture+`","num_classes":16,"pretrained_cfg":{"input_size":[3,224,224],`+
		`"interpolation":"bicubic","crop_pct":0.875,"crop_mode":"center","mean":[0.485,0.456,0.406],"std":[0.229,0.224,0.225]}}`))
	return dir
}

// A folder with weights of a network that is known becomes a model with one command.
func TestModelsAddBuildsWeights(t *testing.T) {
	t.Parallel()
	registry := t.TempDir()
	dir := timmFolder(t, "mobilenetv3_small_100")
	r := must(t, 0, "models", "add", "small", dir, "--models", registry)
	says(t, r, "built from model.safetensors as mobilenet_v3_small of timm", "224x224 pixels, 16 classes")
	says(t, must(t, 0, "models", "inspect", "small", "--models", registry), "pillow-bicubic", "shortest side of 256", "logits")
	if r := must(t, 78, "models", "add", "small", dir, "--models", registry); !strings.Contains(r.stderr, "--replace replaces it") {
		t.Errorf("built again: %s", r.stderr)
	}
	if _, err := os.Stat(filepath.Join(dir, "model.onnx")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a file was written into the folder: %v", err)
	}
	other := timmFolder(t, "beit_base_patch16_224")
	must(t, 78, "models", "add", "other", other, "--models", registry)
	if _, err := os.Stat(filepath.Join(registry, "other.onnx")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a model is there: %v", err)
	}
}
