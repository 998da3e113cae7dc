package library_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/library"
)

func TestFind(t *testing.T) {
	dir := t.TempDir()
	t.Setenv(library.DirVar, dir)
	touch := func(name string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, nil, 0o644); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for _, path := range []string{"model.onnx", "some/where", "/abs/m.bin"} {
		if got, _, err := library.Find("", path); got != path || err != nil {
			t.Errorf("Find(%q) = %q, %v; want the path itself", path, got, err)
		}
	}
	_, _, err := library.Find("", "classification")
	if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), "batchscore models import") ||
		!strings.Contains(err.Error(), filepath.Join(dir, "classification.onnx")) {
		t.Errorf("got %v, want ErrModel and how to make the file", err)
	}
	if _, _, err := library.Find("", ""); !errors.Is(err, models.ErrModel) {
		t.Errorf("no name: got %v, want ErrModel", err)
	}
	byName := touch("inception_v3.onnx")
	if got, _, err := library.Find("", "classification"); got != byName || err != nil {
		t.Errorf("got %q, %v; want the file of the network for the task", got, err)
	}
	byTask := touch("classification.onnx")
	if got, _, err := library.Find("", "classification"); got != byTask || err != nil {
		t.Errorf("got %q, %v; want the file named for the task first", got, err)
	}
	own := touch("mine.onnx")
	if got, _, err := library.Find("", "mine"); got != own || err != nil {
		t.Errorf("got %q, %v; want %q", got, err, own)
	}
}
