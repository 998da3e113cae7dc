package models_test

import (
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess"
)

// onShape writes a model of one convolution without a contract, whose input has that shape.
func onShape(t *testing.T, channels int64, shape ...int64) string {
	t.Helper()
	g := graph.New("one")
	x := g.Input("images", graph.Float32, shape...)
	zeros := func() ([]float32, error) { return make([]float32, 5*channels), nil }
	x = g.Node("Conv", "conv", []graph.Value{x, g.Weights("weights", zeros, 5, channels, 1, 1)}, graph.Float32,
		[]int64{graph.Dynamic, 5, graph.Dynamic, graph.Dynamic})
	x = g.Node("GlobalAveragePool", "pool", []graph.Value{x}, graph.Float32, []int64{graph.Dynamic, 5, 1, 1})
	g.Output("scores", g.Softmax("softmax", g.Flatten("row", x)))
	model, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "one.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestGrey tests that a model of one channel is found, asks no order of channels, and refuses answers
// for three.
func TestGrey(t *testing.T) {
	base := models.Answers{Resize: ptr(preprocess.PillowBilinear), Fit: ptr(preprocess.Stretch), Scale: ptr[float32](1. / 255),
		Mean: []float32{0.5}, Std: []float32{0.25}}
	for _, c := range []struct {
		name     string
		channels int64
		shape    []int64
		change   func(*models.Answers)
		want     preprocess.Grey
		says     string
	}{
		{name: "Pillow's by default", channels: 1, shape: []int64{-1, 1, 28, 28}, want: preprocess.GreyPillow},
		{
			name: "OpenCV's", channels: 1, shape: []int64{-1, 1, 28, 28}, want: preprocess.GreyOpenCV,
			change: func(a *models.Answers) { a.Grey = ptr(preprocess.GreyOpenCV) },
		},
		{
			name: "any width", channels: 1, shape: []int64{1, 1, 28, -1}, want: preprocess.GreyPillow,
			change: func(a *models.Answers) { a.Width = ptr(90) },
		},
		{
			name: "all axes open", channels: 1, shape: []int64{-1, -1, -1, -1}, want: preprocess.GreyPillow,
			change: func(a *models.Answers) { a.Width, a.Height, a.Grey = ptr(28), ptr(28), ptr(preprocess.GreyPillow) },
		},
		{
			name: "BGR", channels: 1, shape: []int64{-1, 1, 28, 28}, says: "leave out bgr (flags)",
			change: func(a *models.Answers) { a.BGR = ptr(true) },
		},
		{
			name: "three means", channels: 1, shape: []int64{-1, 1, 28, 28}, says: "mean: 3 values",
			change: func(a *models.Answers) { a.Mean = []float32{1, 2, 3} },
		},
		{
			name: "grey for three channels", channels: 3, shape: []int64{-1, 3, 28, 28}, says: "leave out grey (flags)",
			change: func(a *models.Answers) { a.Grey, a.BGR = ptr(preprocess.GreyPillow), ptr(false) },
		},
		{name: "two channels", channels: 2, shape: []int64{-1, 2, 28, 28}, says: "is not an image"},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := base
			if c.change != nil {
				c.change(&a)
			}
			m, err := models.Open(onShape(t, c.channels, c.shape...), flags(a))
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("Open() = %v, want an error that says %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if p := m.Contract.Preprocess; p.Grey != c.want || p.Layout != preprocess.CHW || p.Channels() != 1 {
				t.Errorf("grey %q, %s, %d channels; want %q, CHW, 1", p.Grey, p.Layout, p.Channels(), c.want)
			}
		})
	}
}

// TestPadding tests which answers about padding a contract takes over, and that a contract that is
// written into a file answers the same.
func TestPadding(t *testing.T) {
	base := models.Answers{Resize: ptr(preprocess.OpenCVLinear), Fit: ptr(preprocess.Letterbox), BGR: ptr(true), Scale: ptr[float32](1. / 255)}
	for _, c := range []struct {
		name   string
		change func(*models.Answers)
		want   func(*preprocess.Spec)
		says   string
	}{
		{name: "not answered", says: "--pad 0,0,0"},
		{
			name:   "a colour",
			change: func(a *models.Answers) { a.Pad = []float32{114, 114, 114} },
			want:   func(s *preprocess.Spec) { s.Pad = []float32{114, 114, 114} },
		},
		{name: "black", change: func(a *models.Answers) { a.Pad = []float32{0, 0, 0} }},
		{
			name:   "zeros in the corner",
			change: func(a *models.Answers) { a.PadZero, a.Position = ptr(true), ptr(preprocess.TopLeft) },
			want:   func(s *preprocess.Spec) { s.PadZero, s.Position = true, preprocess.TopLeft },
		},
		{
			name:   "over white",
			change: func(a *models.Answers) { a.Pad, a.BackgroundColour = []float32{0, 0, 0}, []int{255, 255, 255} },
			want:   func(s *preprocess.Spec) { s.Background = []int{255, 255, 255} },
		},
		{
			name: "both", says: "pad_zero: excludes pad",
			change: func(a *models.Answers) { a.PadZero, a.Pad = ptr(true), []float32{1, 2, 3} },
		},
		{
			name: "a fit without padding", says: "pad: needs a fit that pads",
			change: func(a *models.Answers) { a.Fit, a.Pad = ptr(preprocess.Stretch), []float32{1, 2, 3} },
		},
		{
			name: "a size before the crop", says: "--resize-to PIXELS, and --resize-to-height",
			change: func(a *models.Answers) { a.Fit = ptr(preprocess.StretchCrop) },
		},
		{
			name: "a stretched crop",
			change: func(a *models.Answers) {
				a.Fit, a.ResizeTo, a.ResizeToHeight = ptr(preprocess.StretchCrop), ptr(40), ptr(36)
			},
			want: func(s *preprocess.Spec) {
				s.Fit, s.ResizeTo, s.ResizeToHeight = preprocess.StretchCrop, 40, 36
			},
		},
	} {
		t.Run(c.name, func(t *testing.T) {
			a := base
			if c.change != nil {
				c.change(&a)
			}
			path := foreign(t, graphtest.FloatImage, 32)
			m, err := models.Open(path, flags(a))
			if c.says != "" {
				if err == nil || !strings.Contains(err.Error(), c.says) {
					t.Fatalf("Open() = %v, want an error that says %q", err, c.says)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			want := preprocess.Spec{Width: 32, Height: 32, Layout: preprocess.CHW, DType: preprocess.Float32, Resize: preprocess.OpenCVLinear,
				Fit: preprocess.Letterbox, BGR: true, Scale: 1. / 255}
			if c.want != nil {
				c.want(&want)
			}
			if got := m.Contract.Preprocess; !reflect.DeepEqual(got, want) {
				t.Errorf("contract %+v, want %+v", got, want)
			}
			kept := filepath.Join(filepath.Dir(path), "kept.onnx")
			if err := models.Annotate(path, kept, models.Annotations{Contract: &m.Contract}); err != nil {
				t.Fatal(err)
			}
			again, err := models.Open(kept, flags(models.Answers{Labels: m.Contract.Labels, Name: "other"}))
			if err != nil {
				t.Fatal(err)
			}
			if got := again.Contract.Preprocess; !reflect.DeepEqual(got, want) || len(again.Conflicts) > 0 {
				t.Errorf("contract %+v from the file, conflicts %v; want %+v and none", got, again.Conflicts, want)
			}
		})
	}
}

// TestPaddingOfOneFit tests that answers of the file that belong to its own fit do not stay with
// another.
func TestPaddingOfOneFit(t *testing.T) {
	path := foreign(t, graphtest.FloatImage, 32)
	m, err := models.Open(path, flags(models.Answers{Resize: ptr(preprocess.Area), Fit: ptr(preprocess.Letterbox), BGR: ptr(false),
		Scale: ptr[float32](1), PadZero: ptr(true), Position: ptr(preprocess.TopLeft)}))
	if err != nil {
		t.Fatal(err)
	}
	if err := models.Annotate(path, path, models.Annotations{Contract: &m.Contract}); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name string
		add  models.Answers
		want preprocess.Spec
	}{
		{name: "another fit", add: models.Answers{Fit: ptr(preprocess.Stretch)}, want: preprocess.Spec{Fit: preprocess.Stretch}},
		{
			name: "a colour", add: models.Answers{Pad: []float32{1, 2, 3}},
			want: preprocess.Spec{Fit: preprocess.Letterbox, Pad: []float32{1, 2, 3}, Position: preprocess.TopLeft},
		},
		{
			name: "black", add: models.Answers{Pad: []float32{0, 0, 0}},
			want: preprocess.Spec{Fit: preprocess.Letterbox, Position: preprocess.TopLeft},
		},
	} {
		again, err := models.Open(path, flags(c.add))
		if err != nil {
			t.Fatal(err)
		}
		c.want.Width, c.want.Height, c.want.Layout, c.want.DType, c.want.Resize = 32, 32, preprocess.CHW, preprocess.Float32, preprocess.Area
		if got := again.Contract.Preprocess; !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s: %+v, want %+v", c.name, got, c.want)
		}
	}
}
