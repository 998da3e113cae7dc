package formats

import (
	"archive/zip"
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// archive returns a ZIP archive of empty files.
func archive(t *testing.T, names ...string) string {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range names {
		if _, err := z.Create(name); err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestDescribeFile(t *testing.T) {
	for _, c := range []struct {
		name, file, content string
		says                []string // nil for a file that is not recognised
	}{
		{name: "empty", file: "m.onnx", content: "", says: []string{"it is empty"}},
		{name: "TensorFlow Lite", file: "m.tflite", content: "\x1c\x00\x00\x00TFL3", says: []string{"TensorFlow Lite", "--tflite", "m.onnx"}},
		{name: "ONNX Runtime", file: "m.ort", content: "\x1c\x00\x00\x00ORTM", says: []string{"ONNX Runtime's own format"}},
		{name: "pickle", file: "m.pth", content: "\x80\x02}q", says: []string{"PyTorch checkpoint", "torch.onnx.export", "models build NETWORK", "m.pth -o"}},
		{name: "pickle in an archive", file: "m.pt", content: archive(t, "m/data.pkl"), says: []string{"PyTorch checkpoint"}},
		{name: "TorchScript", file: "m.pt", content: archive(t, "m/data.pkl", "m/constants.pkl"), says: []string{"TorchScript"}},
		{name: "HDF5", file: "m.h5", content: "\x89HDF\r\n\x1a\n", says: []string{"HDF5", "--keras"}},
		{name: "Keras", file: "m.keras", content: archive(t, "config.json", "model.weights.h5"), says: []string{"Keras model", "--keras"}},
		{name: "safetensors", file: "m.safetensors", content: "\x02\x00\x00\x00\x00\x00\x00\x00{}", says: []string{"safetensors", "models build"}},
		{name: "NumPy", file: "m.npy", content: "\x93NUMPY", says: []string{"NumPy array"}},
		{name: "npz", file: "m.npz", content: archive(t, "a.npy"), says: []string{".npz", "models build"}},
		{name: "ONNX in an archive", file: "m.zip", content: archive(t, "m.onnx"), says: []string{"unpack it"}},
		{name: "other archive", file: "m.zip", content: archive(t, "readme"), says: []string{"it is a ZIP archive"}},
		{name: "damaged archive", file: "m.zip", content: "PK\x03\x04", says: []string{"damaged ZIP archive"}},
		{name: "GGUF", file: "m.gguf", content: "GGUF", says: []string{"llama.cpp"}},
		{name: "TensorRT", file: "m.plan", content: "x", says: []string{"engine of TensorRT"}},
		{name: "gzip", file: "m.tgz", content: "\x1f\x8b", says: []string{"compressed", "models import"}},
		{name: "LFS pointer", file: "m.onnx", content: "version https://git-lfs.github.com/spec/v1", says: []string{"git lfs pull"}},
		{name: "OpenVINO", file: "m.xml", content: "<?xml?><net name=\"m\">", says: []string{"OpenVINO"}},
		{name: "HTML", file: "m.onnx", content: "<!DOCTYPE html>", says: []string{"HTML page"}},
		{name: "TensorFlow.js", file: "model.json", content: "{\"modelTopology\":{}}", says: []string{"TensorFlow.js", "models import"}},
		{name: "JSON", file: "m.json", content: "{}", says: []string{"it is JSON"}},
		{name: "picture", file: "m.onnx", content: "\xff\xd8\xff\xe0", says: []string{"picture"}},
		{name: "SavedModel", file: "saved_model.pb", content: "x", says: []string{"SavedModel", "--saved-model"}},
		{name: "frozen graph", file: "m.pb", content: "x", says: []string{"--graphdef", "--inputs INPUT:0 --outputs OUTPUT:0 --output"}},
		{name: "Core ML", file: "m.mlmodel", content: "x", says: []string{"Core ML"}},
		{name: "Caffe", file: "m.caffemodel", content: "x", says: []string{".caffemodel file of another framework"}},
		{name: "unknown", file: "m.onnx", content: "x"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), c.file)
			if err := os.WriteFile(path, []byte(c.content), 0o644); err != nil {
				t.Fatal(err)
			}
			got := DescribeFile(path)
			if c.says == nil && got != "" {
				t.Errorf("DescribeFile() = %q, want nothing", got)
			}
			for _, want := range c.says {
				if !strings.Contains(got, want) {
					t.Errorf("DescribeFile() = %q, want it to contain %q", got, want)
				}
			}
		})
	}
}

// Paths in suggested commands are quoted for a shell.
func TestDescribeFileQuotes(t *testing.T) {
	path := filepath.Join(t.TempDir(), "it's a model.h5")
	if err := os.WriteFile(path, []byte("\x89HDF\r\n\x1a\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := DescribeFile(path); !strings.Contains(got, `it'\''s a model.h5'`) || !strings.Contains(got, `it'\''s a model.onnx'`) {
		t.Errorf("DescribeFile() = %q, want quoted paths", got)
	}
}

func TestDescribeFolder(t *testing.T) {
	for _, c := range []struct {
		name  string
		files map[string]string
		says  []string
	}{
		{name: "empty", says: []string{"is a folder without an .onnx file"}},
		{name: "one model", files: map[string]string{"a.onnx": ""}, says: []string{"its model is a.onnx: --model "}},
		{name: "two models", files: map[string]string{"a.onnx": "", "onnx/b.onnx": ""}, says: []string{"with 2 models: --model "}},
		{name: "SavedModel", files: map[string]string{"saved_model.pb": ""}, says: []string{"is a TensorFlow SavedModel"}},
		{name: "TensorFlow.js", files: map[string]string{"model.json": ""}, says: []string{"TensorFlow.js", "models import"}},
		{name: "Hugging Face without ONNX", files: map[string]string{"config.json": "{}", "model.safetensors": ""}, says: []string{"optimum-cli export onnx"}},
		{name: "weights alone", files: map[string]string{"model.safetensors": ""},
			says: []string{"without the config.json", "models build NETWORK", "model.safetensors -o"}},
		{name: "Keras", files: map[string]string{"a.h5": "\x89HDF\r\n\x1a\n"}, says: []string{"of a.h5: it is an HDF5 file", "tf2onnx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for name, content := range c.files {
				path := filepath.Join(dir, name)
				if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
					t.Fatal(err)
				}
				if err := os.WriteFile(path, []byte(content), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := DescribeFolder(dir)
			for _, want := range c.says {
				if !strings.Contains(got, want) {
					t.Errorf("DescribeFolder() = %q, want it to contain %q", got, want)
				}
			}
		})
	}
}
