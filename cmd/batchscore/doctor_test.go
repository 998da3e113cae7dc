package main

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
)

// TestDoctor runs doctor where things are missing, and where they are there: its
// lines are short enough to read, and no secret is shown.
func TestDoctor(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	dir := t.TempDir()
	model := filepath.Join(dir, "street.onnx")
	body, err := os.ReadFile(tiny(t, graphtest.Options{}))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, model, body)
	library := os.Getenv("ONNXRUNTIME_LIB")
	nodes := filepath.Join(dir, "root")
	for _, name := range []string{"nvidia0", "nvidia1"} {
		writeFile(t, filepath.Join(nodes, "dev", name), nil)
	}
	env := []string{"BATCHSCORE_MODELS=" + filepath.Join(dir, "models"), "AZURE_STORAGE_KEY=c2VjcmV0"}
	for _, test := range []struct {
		name   string
		env    []string
		before string // the arguments of a command that comes first
		code   int
		want   []string
	}{
		{
			name: "all is missing", env: []string{"ONNXRUNTIME_LIB=" + filepath.Join(dir, "none.so"), "BATCHSCORE_CACHE=" + dir}, code: 78,
			want: []string{"MISSING  ONNX Runtime", "make deps", "-        fetched files", "-        models", "none registered", "ok       disk"},
		},
		{
			name: "library", env: []string{"ONNXRUNTIME_LIB=" + library},
			want: []string{"ok       ONNX Runtime", "ok         provider cpu", "usable", "ok       credentials", "AZURE_STORAGE_KEY"},
		},
		{
			name: "device nodes only", env: []string{"ONNXRUNTIME_LIB=" + library, "BATCHSCORE_GPU_ROOT=" + nodes},
			want: []string{"GPUs 2 visible of 2 "},
		},
		{
			name: "registered model whose file is gone", env: []string{"ONNXRUNTIME_LIB=" + library}, before: "models add street " + model,
			want: []string{"-        models", "street; in " + dir, "the file of street is missing"},
		},
	} {
		t.Run(test.name, func(t *testing.T) {
			if test.before != "" {
				if r := finish(t, command(t, append(env, test.env...), strings.Fields(test.before)...)); r.code != 0 {
					t.Fatal(r)
				}
				if err := os.Remove(model); err != nil {
					t.Fatal(err)
				}
			}
			r := finish(t, command(t, append(env, test.env...), "doctor"))
			if r.code != test.code {
				t.Errorf("exit code %d, want %d", r.code, test.code)
			}
			text := strings.Join(strings.Fields(r.stdout), " ")
			for _, want := range test.want {
				if !strings.Contains(r.stdout, want) && !strings.Contains(text, want) {
					t.Errorf("doctor does not say %q:\n%s", want, r.stdout)
				}
			}
			if strings.Contains(r.stdout, "c2VjcmV0") {
				t.Errorf("doctor shows a secret:\n%s", r.stdout)
			}
			for line := range strings.Lines(r.stdout) {
				if len(line) > 110 && len(strings.Fields(line)) > 4 {
					t.Errorf("a line of %d characters: %s", len(line), line)
				}
			}
		})
	}
}

// The error names everything that cannot be used.
func TestDoctorNamesAll(t *testing.T) {
	err := diagnose(io.Discard, []finding{{what: "GPU 0", failed: true}, {what: "GPU 1"}, {what: "GPU 2", failed: true}})
	if err == nil || !strings.Contains(err.Error(), "GPU 0, GPU 2 cannot be used") {
		t.Errorf("got %v", err)
	}
}

// TestDoctorMemory tests the sizes that doctor prints: of what decodes take, the figures are
// those of preprocess.
func TestDoctorMemory(t *testing.T) {
	l := budget.Limits{Memory: 1 << 30, From: "half of a test", Largest: 512 << 20}
	for _, test := range []struct {
		turbo bool
		jpeg  string
	}{
		{turbo: true, jpeg: "JPEG 42 (12.5)"},
		{turbo: false, jpeg: "JPEG 17 (31)"},
	} {
		text := fmt.Sprint(memoryFor(l, test.turbo))
		for _, want := range []string{"1024 MiB for all decoding at a time, half of a test", "512 MiB for one image", "PNG 134 (4)", test.jpeg} {
			if !strings.Contains(text, want) {
				t.Errorf("%q is missing: %s", want, text)
			}
		}
		for _, f := range preprocess.BytesPerPixel {
			if !strings.Contains(text, f.Format+" ") {
				t.Errorf("nothing is said of %s: %s", f.Format, text)
			}
		}
	}
	l.Largest = 1 << 40
	if text := fmt.Sprint(memoryFor(l, true)); !strings.Contains(text, "PNG 178 (4)") {
		t.Errorf("more than --max-pixels allows: %s", text)
	}
}
