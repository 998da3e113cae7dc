package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestFusedAndConvertedModelsRun makes models from a model, each with golden images, and
// scores a folder with them.
func TestFusedAndConvertedModelsRun(t *testing.T) {
	t.Parallel()
	in := pictures(t, 12)
	model := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Size: 64})
	folder := t.TempDir()
	fused, half := filepath.Join(folder, "fused.onnx"), filepath.Join(folder, "half.onnx")
	r := must(t, 0, "models", "fuse", model, "-o", fused, "--golden", filepath.Join(in, "batch 1"))
	if !strings.Contains(r.stdout, "12288 bytes per image instead of 49152") {
		t.Errorf("a quarter of the bytes is not told: %v", r)
	}
	writeFile(t, half, nil)
	if err := os.Chmod(half, 0o600); err != nil {
		t.Fatal(err)
	}
	if r := must(t, 0, "models", "convert", "--precision", "fp16", "--check", in, model, "-o", half); !strings.Contains(r.stdout, "12 of 12") {
		t.Errorf("the agreement is not told with its denominator: %v", r)
	}
	if info, err := os.Stat(half); err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("the mode of the file that was replaced: %v, %v, want -rw-------", info.Mode(), err)
	}
	must(t, 0, "models", "check", fused)
	want := ""
	for _, m := range []string{model, fused, half} {
		out := t.TempDir()
		must(t, 0, "run", "--images", in, "--out", out, "--model", m, "--format", "csv")
		got := labelColumn(t, out)
		if want == "" {
			want = got
		}
		if got != want {
			t.Errorf("%s labels\n%s\nthe original\n%s", filepath.Base(m), got, want)
		}
	}
}

// labelColumn returns the labels of an output in the order of the images.
func labelColumn(t *testing.T, out string) string {
	t.Helper()
	var b strings.Builder
	for line := range strings.Lines(merged(t, out)) {
		_, rest, _ := strings.Cut(line, `"label":"`)
		label, _, _ := strings.Cut(rest, `"`)
		b.WriteString(label + "\n")
	}
	return b.String()
}
