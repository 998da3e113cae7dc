package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestModelsList: the list begins with what the user has registered, or with how to
// register a model, and says which model does a task.
func TestModelsList(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	r := must(t, 0, "models", "list", "--models", folder)
	if !strings.HasPrefix(r.stdout, "No model is registered.") || !strings.Contains(r.stdout, "batchscore models add NAME FILE.onnx") {
		t.Errorf("got %v, want how to register a model first", r)
	}
	model := filepath.Join(folder, "tiny.onnx")
	writeFile(t, model, graphtest.Colours(4, nil))
	must(t, 0, append([]string{"models", "add", "mine", model, "--models", folder, "--task", "classification", "--activation", "logits"}, graphtest.Pixels...)...)
	r = must(t, 0, "models", "list", "--models", folder)
	if !strings.HasPrefix(r.stdout, "REGISTERED") {
		t.Errorf("got %v, want the registered model first", r)
	}
	says(t, r, "mine        classification  ok", "classification     Inception V3  mine", "torchvision")
}

// TestWeightFiles: a command that writes a model with its weights in another file
// names both.
func TestWeightFiles(t *testing.T) {
	t.Parallel()
	folder := t.TempDir()
	path := filepath.Join(folder, "m.onnx")
	writeFile(t, path, make([]byte, 22_000))
	writeFile(t, path+".data", make([]byte, 5_500_000))
	m := &models.Model{Path: path, External: true, WeightFiles: []string{"m.onnx.data"}}
	want := "the model is in " + path + " (22.0 kB) and " + path + ".data (5.5 MB): keep them in one folder\n"
	if got := weightFiles(m); got != want {
		t.Errorf("weightFiles = %q, want %q", got, want)
	}
	if got := weightFiles(&models.Model{Path: path}); got != "" {
		t.Errorf("weightFiles of one file = %q, want nothing", got)
	}
}
