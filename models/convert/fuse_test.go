package convert_test

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess"
)

// padded writes a model whose convolution pads with zeros, so that its scores change if
// the normalisation is not in front of it.
func padded(t testing.TB, batch int64, s preprocess.Spec) string {
	t.Helper()
	g := graph.New("padded")
	h, w := int64(s.Height), int64(s.Width)
	var x graph.Value
	if s.Layout == preprocess.CHW {
		x = g.Input("images", graph.Float32, batch, 3, h, w)
	} else {
		x = g.Input("images", graph.Float32, batch, h, w, 3)
		x = g.Transpose("nchw", x, 0, 3, 1, 2)
	}
	noise := func(n int, scale float32) graph.Data {
		v, state := make([]float32, n), uint32(7)
		for i := range v {
			state = state*1664525 + 1013904223
			v[i] = (float32(state>>8)/(1<<23) - 1) * scale
		}
		return func() ([]float32, error) { return v, nil }
	}
	x = g.Conv("conv", x, g.Weights("kernel", noise(8*3*7*7, 0.1), 8, 3, 7, 7), g.Weights("bias", noise(8, 1), 8),
		graph.Window{Pad: [4]int64{3, 3, 3, 3}, Stride: [2]int64{2, 2}})
	x = g.Relu("relu", x)
	x = g.Flatten("flat", g.GlobalAveragePool("pool", x))
	g.Output("scores", g.Gemm("dense", x, g.Weights("w", noise(8*5, 1), 8, 5), g.Weights("b", noise(5, 1), 5)))
	return write(t, g, models.Contract{Name: "padded", Preprocess: s, Output: models.Logits, Classes: 5})
}

func TestFuseEqualsTheHost(t *testing.T) {
	base := preprocess.Spec{Width: 20, Height: 16, Layout: preprocess.CHW, DType: preprocess.Float32,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
	with := func(change func(*preprocess.Spec)) preprocess.Spec {
		s := base
		change(&s)
		return s
	}
	for name, s := range map[string]preprocess.Spec{
		"plain": base,
		"scale": with(func(s *preprocess.Spec) { s.Scale = 1.0 / 255 }),
		"torchvision": with(func(s *preprocess.Spec) {
			s.Scale, s.Mean, s.Std = 1.0/255, []float32{0.485, 0.456, 0.406}, []float32{0.229, 0.224, 0.225}
		}),
		"keras vgg": with(func(s *preprocess.Spec) {
			s.BGR, s.Layout, s.Mean = true, preprocess.HWC, []float32{123.68, 116.779, 103.939}
		}),
		"bgr planes": with(func(s *preprocess.Spec) { s.BGR, s.Mean, s.Std = true, []float32{1, 2, 3}, []float32{4, 5, 6} }),
		"hwc":        with(func(s *preprocess.Spec) { s.Layout, s.Scale, s.Mean = preprocess.HWC, 1/127.5, []float32{1, 1, 1} }),
	} {
		for _, batch := range []int64{graph.Dynamic, 2} {
			t.Run(fmt.Sprint(name, "/", batch), func(t *testing.T) {
				in, out := padded(t, batch, s), inFolder(t, "fused.onnx")
				c, err := convert.Fuse(in, out, models.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				m, err := models.Open(out, models.OpenOptions{})
				if err != nil {
					t.Fatal(err)
				}
				p := m.Contract.Preprocess
				if m.DType != preprocess.Uint8 || m.Layout != preprocess.HWC || m.InputShape[0] != batch ||
					p.RowBytes()*4 != s.RowBytes() || p.Digest() != c.Preprocess.Digest() {
					t.Errorf("fused into %v %v %v, %+v", m.DType, m.Layout, m.InputShape, p)
				}
				images := picture(2, s.Height, s.Width)
				if d := relative(t, scores(t, in, images), scores(t, out, images)); d > 1e-6 {
					t.Errorf("scores differ by %g", d)
				}
			})
		}
	}
}

func TestFuseKeepsLabelsAndNamesItsSource(t *testing.T) {
	in := graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Logits: true})
	before, err := models.Open(in, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := convert.Fuse(in, inFolder(t, "fused.onnx"), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	if c.LabelsDigest() != before.Contract.LabelsDigest() || c.Output != models.Logits || c.SourceDigest != before.Digest ||
		!strings.HasPrefix(c.Source, "tiny.onnx") {
		t.Errorf("the contract is %+v after Fuse", c)
	}
}

func TestFuseRefuses(t *testing.T) {
	for name, c := range map[string]struct {
		path string
		says string
	}{
		"fused already": {path: graphtest.Write(t, graphtest.Options{}), says: "already takes bytes"},
		"no contract":   {path: graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, NoContract: true}), says: "contract"},
		"no image":      {path: graphtest.Write(t, graphtest.Options{Input: graphtest.Vector}), says: "not an image"},
	} {
		t.Run(name, func(t *testing.T) {
			out := inFolder(t, "fused.onnx")
			_, err := convert.Fuse(c.path, out, models.OpenOptions{})
			if !errors.Is(err, models.ErrModel) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want ErrModel about %q", err, c.says)
			}
			if _, err := os.Stat(out); !errors.Is(err, os.ErrNotExist) {
				t.Errorf("a file was left behind: %v", err)
			}
		})
	}
}
