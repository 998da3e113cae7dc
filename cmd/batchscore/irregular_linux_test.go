package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestPipesInPlaceOfFiles: no command waits for a pipe that has the name of a file next to a
// model or in an output folder.
func TestPipesInPlaceOfFiles(t *testing.T) {
	t.Parallel()
	pipe := func(parts ...string) string {
		path := filepath.Join(parts...)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := syscall.Mkfifo(path, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	in, made := pictures(t, 2), filepath.Join(t.TempDir(), "made.onnx")
	settings := tiny(t, graphtest.Options{})
	pipe(filepath.Dir(settings), "tiny.yaml")
	labels := tiny(t, graphtest.Options{})
	writeFile(t, filepath.Join(filepath.Dir(labels), "tiny.yaml"), []byte("labels_file: labels.txt\n"))
	pipe(filepath.Dir(labels), "labels.txt")
	layers, shards, hub, weights, out := t.TempDir(), t.TempDir(), t.TempDir(), pipe(t.TempDir(), "w"), t.TempDir()
	pipe(layers, "model.json")
	writeFile(t, filepath.Join(shards, "model.json"), []byte(`{"format":"layers-model","modelTopology":{},`+
		`"weightsManifest":[{"paths":["s"],"weights":[{"name":"a","shape":[1],"dtype":"float32"}]}]}`))
	pipe(shards, "s")
	pipe(hub, "config.json")
	pipe(hub, "package.json")
	writeFile(t, filepath.Join(hub, "model.safetensors"), []byte("x"))
	pipe(out, "_batchscore", "manifest.jsonl")
	run := func(out, model string) []string {
		return []string{"run", "--images", in, "--out", out, "--model", model, "--provider", "simulate:rate=1000"}
	}
	for _, c := range []struct {
		name string
		code int
		args []string
	}{
		{name: "model.yaml", code: 78, args: run(t.TempDir(), settings)},
		{name: "labels_file", code: 78, args: run(t.TempDir(), labels)},
		{name: "model", code: 78, args: []string{"models", "inspect", weights}},
		{name: "model.json", code: 78, args: []string{"models", "import", layers, "-o", made}},
		{name: "shard", code: 78, args: []string{"models", "import", shards, "-o", made}},
		{name: "config.json", code: 78, args: []string{"models", "inspect", hub}},
		{name: "package.json", code: 78, args: []string{"models", "import", hub, "-o", made}},
		{name: "archive", code: 78, args: []string{"models", "import", weights, "-o", made}},
		{name: "weights", code: 78, args: []string{"models", "build", "vgg16", "--variant", "keras", "--weights", weights, "-o", made}},
		{name: "manifest", code: 10, args: run(out, tiny(t, graphtest.Options{}))},
	} {
		r := must(t, c.code, c.args...)
		if !slices.ContainsFunc([]string{"not a", "no model.json", "without an ONNX file", "other than a file"},
			func(text string) bool { return strings.Contains(r.stderr, text) }) {
			t.Errorf("%s: %v", c.name, r)
		}
	}
}
