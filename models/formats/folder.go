package formats

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
)

// DescribeFolder says what a folder that was given as a model is, and what to give
// instead: "is a folder; its model is ...".
func DescribeFolder(dir string) string {
	has := func(name string) bool {
		_, err := os.Stat(filepath.Join(dir, name))
		return err == nil
	}
	var found []string
	for _, pattern := range []string{"model.onnx", "onnx/model.onnx", "*.onnx", "onnx/*.onnx", "*/*.onnx"} {
		matches, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, m := range matches {
			if !slices.Contains(found, m) {
				found = append(found, m)
			}
		}
	}
	switch {
	case len(found) > 0:
		text := "is a folder; its model is " + filepath.Base(found[0])
		if len(found) > 1 {
			text = fmt.Sprintf("is a folder with %d models", len(found))
		}
		return text + ": --model " + shellquote.Quote(found[0])
	case has("saved_model.pb"):
		return strings.Replace(savedModel(dir), "it is", "is", 1)
	case has("model.json"):
		return "is a folder with a TensorFlow.js model; " + importHint(dir)
	case has("config.json") && (has("model.safetensors") || has("pytorch_model.bin")):
		add := `with weights and without an ONNX file; unless "batchscore models add NAME ` + shellquote.Quote(dir) +
			`" builds its network, it must be exported: `
		if strings.Contains(beginning(filepath.Join(dir, "config.json")), `"pretrained_cfg"`) {
			return "is a folder of timm " + add + "torch.onnx.export, as docs/own-model.md shows"
		}
		return "is a folder of Hugging Face " + add + "optimum-cli export onnx --model " +
			shellquote.Quote(dir) + " " + shellquote.Quote(filepath.Join(dir, "onnx"))
	}
	for _, pattern := range []string{"*.safetensors", "pytorch_model.bin", "*.pth"} {
		if weights, _ := filepath.Glob(filepath.Join(dir, pattern)); len(weights) > 0 {
			return "is a folder with weights and without the config.json that says of which network: add that file, or name the network: " +
				"batchscore models build NETWORK --variant VARIANT --weights " + shellquote.Quote(weights[0]) + " -o model.onnx"
		}
	}
	for _, pattern := range []string{"*.keras", "*.h5", "*.tflite", "*.pt"} {
		files, _ := filepath.Glob(filepath.Join(dir, pattern))
		for _, file := range files {
			if what := DescribeFile(file); what != "" {
				return "is a folder without an .onnx file; of " + filepath.Base(file) + ": " + what
			}
		}
	}
	return "is a folder without an .onnx file"
}

// ExportHint says how to export the model of a folder of timm or Hugging Face to ONNX, and
// of any other folder what it is.
func ExportHint(dir string) string {
	switch text := beginning(filepath.Join(dir, "config.json")); {
	case text == "":
		return "it " + DescribeFolder(dir)
	case strings.Contains(text, `"pretrained_cfg"`):
		return "export it to ONNX with torch.onnx.export, as docs/own-model.md shows"
	}
	return "export it to ONNX with optimum-cli export onnx --model " + shellquote.Quote(dir) + " " + shellquote.Quote(filepath.Join(dir, "onnx"))
}

// beginning returns the first bytes of a regular file; nothing of any other: opening a pipe
// waits for somebody who writes to it.
func beginning(file string) string {
	if info, err := os.Stat(file); err != nil || !info.Mode().IsRegular() {
		return ""
	}
	f, err := os.Open(file)
	if err != nil {
		return ""
	}
	defer f.Close()
	text, _ := io.ReadAll(io.LimitReader(f, 1<<20))
	return string(text)
}
