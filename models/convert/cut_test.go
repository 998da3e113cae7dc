package convert_test

import (
	"errors"
	"math"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/preprocess"
)

// pooled computes in float64 what the graph of padded has after its pooling.
func pooled(images []byte, s preprocess.Spec) []float32 {
	noise := func(n int, scale float32) []float32 {
		v, state := make([]float32, n), uint32(7)
		for i := range v {
			state = state*1664525 + 1013904223
			v[i] = (float32(state>>8)/(1<<23) - 1) * scale
		}
		return v
	}
	kernel, bias := noise(8*3*7*7, 0.1), noise(8, 1)
	h, w := s.Height, s.Width
	var all []float32
	for im := images; len(im) > 0; im = im[3*h*w:] {
		for o := range 8 {
			sum, n := 0.0, 0
			for y := 0; y < h; y += 2 {
				for x := 0; x < w; x += 2 {
					v := float64(bias[o])
					for c := range 3 {
						for ky := range 7 {
							for kx := range 7 {
								if yy, xx := y+ky-3, x+kx-3; yy >= 0 && yy < h && xx >= 0 && xx < w {
									v += float64(kernel[((o*3+c)*7+ky)*7+kx]) * float64(im[(yy*w+xx)*3+c])
								}
							}
						}
					}
					sum += math.Max(v, 0)
					n++
				}
			}
			all = append(all, float32(sum/float64(n)))
		}
	}
	return all
}

func TestCutGivesTheVectorAfterThePooling(t *testing.T) {
	s := preprocess.Spec{Width: 20, Height: 16, Layout: preprocess.CHW, DType: preprocess.Float32,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
	for _, batch := range []int64{-1, 2} {
		in, out := padded(t, batch, s), inFolder(t, "cut.onnx")
		inspected, err := models.Inspect(in, models.OpenOptions{})
		if err != nil || inspected.Features != "flat" || inspected.FeatureNumbers != 8 {
			t.Fatalf("inspect names %q of %d numbers, %v; want flat of 8", inspected.Features, inspected.FeatureNumbers, err)
		}
		for _, tensor := range []string{"", "flat", "pool"} {
			c, used, err := convert.Cut(in, out, tensor, models.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			if used != "pool" && used != "flat" || c.Task != models.Embed || c.Classes != 8 || c.Labels != nil || c.Preprocess.Digest() != s.Digest() {
				t.Errorf("cut at %q: %+v", used, c)
			}
			before, err := models.Open(in, models.OpenOptions{})
			if err != nil {
				t.Fatal(err)
			}
			m, _ := orttest.Open(t, out)
			if m.Contract.SourceDigest != before.Digest || m.Digest == before.Digest || m.Size >= before.Size {
				t.Errorf("made from %s (%d bytes), digest %s (%d bytes), source %s",
					before.Digest, before.Size, m.Digest, m.Size, m.Contract.SourceDigest)
			}
			images := picture(2, s.Height, s.Width)
			if d := relative(t, pooled(images, s), scores(t, out, images)); d > 1e-5 {
				t.Errorf("cut at %q: vectors differ by %g", used, d)
			}
		}
	}
}

func TestCutRefuses(t *testing.T) {
	s := preprocess.Spec{Width: 20, Height: 16, Layout: preprocess.CHW, DType: preprocess.Float32,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch}
	in := padded(t, -1, s)
	for _, c := range []struct{ tensor, want string }{
		{tensor: "relu", want: "after the pooling"},
		{tensor: "images", want: "no operator"},
		{tensor: "nothing", want: "no operator"},
	} {
		if _, _, err := convert.Cut(in, inFolder(t, "cut.onnx"), c.tensor, models.OpenOptions{}); !errors.Is(err, models.ErrModel) ||
			!strings.Contains(err.Error(), c.want) {
			t.Errorf("cut at %q: %v, want %q in it", c.tensor, err, c.want)
		}
	}
	embed := models.Embed
	_, err := models.Open(in, models.OpenOptions{Given: []models.Given{{From: "flags", Answers: models.Answers{Task: &embed}}}})
	if err == nil || !strings.Contains(err.Error(), "batchscore models cut "+in+" -o ") {
		t.Errorf("vectors of a classifier: %v, want the command that cuts it", err)
	}
}
