package models_test

import (
	"errors"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
)

// TestMetadataOfDetectors: what the metadata of a YOLO says it is, and how many classes it names,
// counts also when flags answer everything; so do its names of the classes.
func TestMetadataOfDetectors(t *testing.T) {
	const three = "{0: 'cat', 1: 'dog', 2: 'cow'}"
	for _, c := range []struct {
		name, task, names string
		rows              int64
		labels            []string
		refused           string
	}{
		{name: "a detector", task: "detect", names: three, rows: 7, labels: []string{"cat", "dog", "cow"}},
		{name: "names alone", names: three, rows: 7, labels: []string{"cat", "dog", "cow"}},
		{name: "key points", task: "pose", names: "{0: 'person'}", rows: 56, refused: "task: pose"},
		{name: "masks", task: "segment", names: three, rows: 39, refused: "task: segment"},
		{name: "rotated boxes", task: "obb", names: three, rows: 8, refused: "task: obb"},
		{name: "fewer names than classes", names: "{0: 'person'}", rows: 56, refused: "names 1 classes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			g := graph.New("yolo")
			x := g.Input("images", graph.Float32, graph.Dynamic, 3, 64, 64)
			g.Output("output0", g.Node("Shaped", "of", []graph.Value{x}, graph.Float32, []int64{graph.Dynamic, c.rows, 84}))
			if c.task != "" {
				g.Metadata("task", c.task)
			}
			g.Metadata("names", c.names)
			model, err := g.Bytes()
			if err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(t.TempDir(), "yolo.onnx")
			if err := os.WriteFile(path, model, 0o644); err != nil {
				t.Fatal(err)
			}
			writeSidecar(t, path, pixelAnswers+"scale: 1/255\ntask: detect\noutput: independent\ndetector: yolov8\n")
			m, err := models.Open(path, models.OpenOptions{})
			switch {
			case c.refused != "":
				if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, want %q", err, c.refused)
				}
			case err != nil:
				t.Error(err)
			case !reflect.DeepEqual(m.Contract.Labels, c.labels):
				t.Errorf("the labels are %q", m.Contract.Labels)
			}
		})
	}
}
