package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestTaskThatDoesNotExist: a contract that names an unknown task is refused before
// anything is written.
func TestTaskThatDoesNotExist(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 2), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	registry := filepath.Join(t.TempDir(), "models")
	writeFile(t, strings.TrimSuffix(model, ".onnx")+".yaml", []byte("task: poetry\n"))
	for _, args := range [][]string{
		{"run", "--images", in, "--out", out, "--model", model},
		{"models", "check", model},
		{"models", "add", "verses", model, "--models", registry},
	} {
		r := batchscore(t, args...)
		if r.code != 78 || !strings.Contains(r.stderr, `unknown task "poetry": want one of classify`) {
			t.Errorf("%s: want exit code 78 and the tasks that there are, got %v", args[0], r)
		}
	}
	if exists(out) || exists(registry) {
		t.Error("the output folder or the registry was made")
	}
	if r := must(t, 78, "models", "inspect", model); !strings.Contains(r.stdout, "would refuse") || !strings.Contains(r.stdout, `unknown task "poetry"`) {
		t.Errorf("inspect does not say that a run would refuse the model: %s", r.stdout)
	}
}

// TestTaskIsRecordedUnlessItIsClassify: a contract may name classify, and the job is
// the same as if it did not.
func TestTaskIsRecordedUnlessItIsClassify(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 2), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model}
	must(t, 0, args...)
	writeFile(t, strings.TrimSuffix(model, ".onnx")+".yaml", []byte("task: classify\n"))
	must(t, 0, args...)
	record, err := os.ReadFile(filepath.Join(out, "_batchscore", "job.json"))
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(record), `"task"`) {
		t.Errorf("the job record names the task:\n%s", record)
	}
}
