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
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// pixelAnswers say how images are prepared, for models of WriteSeveral.
const pixelAnswers = "resize: pillow-bilinear\nfit: stretch\nbgr: false\n"

// sided writes a sidecar next to a model of WriteSeveral and opens it.
func sided(t *testing.T, batch int64, sidecar string, given ...models.Given) (*models.Model, error) {
	t.Helper()
	path := graphtest.WriteSeveral(t, batch, 1)
	writeSidecar(t, path, pixelAnswers+sidecar)
	return models.Open(path, models.OpenOptions{Given: given})
}

func TestHeadsOfSidecar(t *testing.T) {
	const text = `
heads:
  - name: kind
    output_name: scores
    activation: probabilities
    labels: [a, b, c, d, e, f, g, h, i, j]
  - {name: vector, task: embed, output_name: features, normalize: true}
  - {name: map, task: embed, output_names: [map, best], element: int8}
  - {name: several, task: multi_label, output_name: scores, output: independent, threshold: 0.25}
`
	m, err := sided(t, 0, text)
	if err != nil {
		t.Fatal(err)
	}
	c := &m.Contract
	if c.HeadName != "kind" || c.Name != "several" || c.OutputName != "scores" || c.Classes != 10 || c.Labels[9] != "j" {
		t.Errorf("the first head is %q %q %q %d %v", c.HeadName, c.Name, c.OutputName, c.Classes, c.Labels)
	}
	want := []models.Head{
		{Name: "vector", Task: models.Embed, OutputName: "features", Classes: 32, Settings: models.Settings{Normalize: true}},
		{Name: "map", Task: models.Embed, Classes: 193, Settings: models.Settings{Element: models.ElementInt8},
			Outputs: []models.Output{{Name: "map", Shape: []int{3, 8, 8}}, {Name: "best", Shape: []int{1}}}},
		{Name: "several", Task: models.MultiLabel, OutputName: "scores", Output: models.Independent, Classes: 10,
			Settings: models.Settings{Threshold: 0.25}},
	}
	for i := range want {
		got := c.Heads[i]
		got.Labels = nil
		if !reflect.DeepEqual(got, want[i]) {
			t.Errorf("head %d: got\n%+v, want\n%+v", i+1, got, want[i])
		}
	}
	if n := c.Numbers(); n != 10+32+193+10 {
		t.Errorf("%d numbers", n)
	}
	if len(m.Conflicts) != 1 || !strings.Contains(m.Conflicts[0], "head several: output is independent") {
		t.Errorf("conflicts: %q", m.Conflicts)
	}
	if err := models.Annotate(m.Path, m.Path, models.Annotations{Contract: c}); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(strings.TrimSuffix(m.Path, ".onnx") + ".yaml"); err != nil {
		t.Fatal(err)
	}
	again, err := models.Open(m.Path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if again.Contract.Digest() != c.Digest() {
		t.Errorf("the contract in the file is\n%+v, want\n%+v", again.Contract, *c)
	}
}

// What a head leaves open is answered outside of the heads, and a flag that names an output
// replaces them.
func TestHeadsAndOtherAnswers(t *testing.T) {
	const text = "output: independent\nheads: [{name: one, output_name: scores}, {name: two, output_name: half}]\n"
	m, err := sided(t, 0, text)
	if err != nil {
		t.Fatal(err)
	}
	if c := &m.Contract; c.Output != models.Independent || c.Heads[0].Output != models.Independent || c.Heads[0].Classes != 32 {
		t.Errorf("outputs %q and %q", c.Output, c.Heads[0].Output)
	}
	m, err = sided(t, 0, text, models.Given{From: "flags", Answers: models.Answers{OutputName: "half"}})
	if err != nil {
		t.Fatal(err)
	}
	if c := &m.Contract; c.OutputName != "half" || c.Classes != 32 || c.HeadCount() != 1 || c.HeadName != "" {
		t.Errorf("with --output-name: %+v", c)
	}
}

func TestHeadsThatCannotBe(t *testing.T) {
	for _, c := range []struct{ name, sidecar, want string }{
		{name: "no such output", sidecar: "heads: [{name: a, output_name: scores, output: probabilities}, {name: b, task: embed, output_name: other}]",
			want: `head b: has no output "other"`},
		{name: "an open question", sidecar: "heads: [{name: a, output_name: scores, output: probabilities}, {name: b, output_name: half}]",
			want: "head b: carries no contract"},
		{name: "a name twice", sidecar: "heads: [{name: a, output_name: scores}, {name: a, output_name: half}]", want: "heads: two are called a"},
		{name: "a name that a column cannot have", sidecar: "heads: [{name: a-b, output_name: scores}]", want: `heads: "a-b": a name begins with a letter`},
		{name: "pixels of its own", sidecar: "heads: [{name: a, output_name: scores, width: 3}]", want: "head a: it says how images are prepared"},
		{name: "an output outside", sidecar: "output_name: scores\nheads: [{name: a, output_name: half}]", want: "heads name their outputs themselves"},
		{name: "a setting of another task", sidecar: "heads: [{name: a, output_name: scores, output: probabilities, normalize: true}]",
			want: "normalize belongs to the task embed"},
		{name: "an overlap without boxes or tiles", sidecar: "heads: [{name: a, output_name: scores, output: probabilities, overlap: 0.2}]",
			want: "overlap belongs to the task detect, and this model's is classify; of tiles it needs run --tile SIZE"},
		{name: "several outputs of a classifier", sidecar: "output_names: [scores, half]\noutput: independent", want: "give each output a head"},
	} {
		t.Run(c.name, func(t *testing.T) {
			if _, err := sided(t, 0, c.sidecar); !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}

// shapedModel writes a model that cannot run and whose outputs are declared with those
// shapes.
func shapedModel(t *testing.T, outputs ...graph.Value) string {
	t.Helper()
	g := graph.New("shaped")
	x := g.Input("images", graph.Float32, outputs[0].Shape[0], 3, 64, 64)
	for _, o := range outputs {
		g.Output(o.Name, g.Node("Shaped", "of_"+o.Name, []graph.Value{x}, o.Type, o.Shape))
	}
	model, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "shaped.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestOutputsOfDetectors(t *testing.T) {
	const any, int64s = graph.Dynamic, graph.DType(onnxpb.TensorProto_INT64)
	float := func(name string, shape ...int64) graph.Value {
		return graph.Value{Name: name, Type: graph.Float32, Shape: shape}
	}
	for _, c := range []struct {
		name, answers string
		outputs       []graph.Value
		want          []models.Output
		classes       int
		refused       string
	}{
		{name: "YOLOv8", answers: "detector: yolov8", outputs: []graph.Value{float("output0", any, 7, 84)},
			want: []models.Output{{Name: "output0", Shape: []int{7, 84}}}, classes: 3},
		{name: "YOLOv8 of any size", answers: "detector: yolov8", outputs: []graph.Value{float("output0", any, 7, any)},
			want: []models.Output{{Name: "output0", Shape: []int{7, 84}}}, classes: 3},
		{name: "YOLOv5", answers: "detector: yolov5", outputs: []graph.Value{float("output", 1, 252, 8)},
			want: []models.Output{{Name: "output", Shape: []int{252, 8}}}, classes: 3},
		{name: "YOLOv5 of any size", answers: "detector: yolov5", outputs: []graph.Value{float("output", any, any, 8)},
			want: []models.Output{{Name: "output", Shape: []int{252, 8}}}, classes: 3},
		{name: "DETR among other outputs", answers: "detector: detr\nbackground: true", outputs: []graph.Value{float("pred_boxes", any, 100, 4),
			float("logits", any, 100, 92), float("hidden", any, 100, 16, 2)},
			want: []models.Output{{Name: "logits", Shape: []int{100, 92}}, {Name: "pred_boxes", Shape: []int{100, 4}}}, classes: 91},
		{name: "DETR whose scores could be two", answers: "detector: detr", outputs: []graph.Value{float("pred_boxes", any, 100, 4),
			float("logits", any, 100, 92), float("hidden", any, 100, 256)}, refused: "say output_names"},
		{name: "DETR whose scores are named", answers: "detector: detr\noutput_names: [logits, pred_boxes]",
			outputs: []graph.Value{float("pred_boxes", any, 100, 4), float("logits", any, 100, 92), float("hidden", any, 100, 256)},
			want:    []models.Output{{Name: "logits", Shape: []int{100, 92}}, {Name: "pred_boxes", Shape: []int{100, 4}}}, classes: 92},
		{name: "boxes", answers: "detector: boxes\nlabels: [a, b]", outputs: []graph.Value{float("dets", 1, 300, 6)},
			want: []models.Output{{Name: "dets", Shape: []int{300, 6}}}, classes: 2},
		{name: "boxes of any number", answers: "detector: boxes\nlabels: [a, b]", outputs: []graph.Value{float("dets", 1, any, 6)},
			want: []models.Output{{Name: "dets", Shape: []int{10000, 6}, Varies: true}}, classes: 2},
		{name: "boxes without an axis of images", answers: "detector: boxes-labels-scores\nlabels: [a, b]\noutput_names: [boxes, labels, scores]",
			outputs: []graph.Value{{Name: "any", Type: graph.Float32, Shape: []int64{1, 5}}, float("boxes", any, 4),
				{Name: "labels", Type: int64s, Shape: []int64{any}}, float("scores", any)},
			want: []models.Output{{Name: "boxes", Shape: []int{10000, 4}, Varies: true}, {Name: "labels", Shape: []int{10000}, Varies: true},
				{Name: "scores", Shape: []int{10000}, Varies: true}}, classes: 2},
		{name: "no arrangement", outputs: []graph.Value{float("output0", any, 7, 84)}, refused: "how are its boxes arranged?"},
		{name: "another arrangement", answers: "detector: boxes", outputs: []graph.Value{float("output0", any, 7, 84)},
			refused: "are not those of a detector boxes"},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := shapedModel(t, c.outputs...)
			writeSidecar(t, path, pixelAnswers+"scale: 1/255\ntask: detect\noutput: independent\n"+c.answers)
			m, err := models.Open(path, models.OpenOptions{})
			if c.refused != "" {
				if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.refused) {
					t.Errorf("got %v, want %q", err, c.refused)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			got := &m.Contract
			if !reflect.DeepEqual(got.Outputs, c.want) || got.Classes != c.classes {
				t.Errorf("got %+v, %d classes, want %+v, %d", got.Outputs, got.Classes, c.want, c.classes)
			}
		})
	}
}
