package joint

import (
	"context"
	"math"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// sums is an engine whose row of numbers is made of the first bytes of an image's pixels.
type sums struct {
	row, width int
	size       int // of the last call
}

func (*sums) Device() string    { return "sums" }
func (*sums) Lanes() int        { return 3 }
func (*sums) DefaultBatch() int { return 8 }
func (*sums) Close() error      { return nil }

func (s *sums) NewBatch(n int) (*models.Batch, error) {
	return &models.Batch{Pixels: make([]byte, n*s.row), Scores: make([]float32, n*s.width)}, nil
}

func (s *sums) Score(_ context.Context, b *models.Batch, lo, hi int) error {
	s.size = b.Size
	for i := lo; i < hi; i++ {
		for k := range s.width {
			b.Scores[i*s.width+k] = float32(b.Pixels[i*s.row+k])/10 - 1
		}
	}
	return nil
}

func contractOf(task string, output models.Activation, classes int, a preprocess.Augment) *models.Contract {
	return &models.Contract{Name: "m", Task: task, Output: output, Classes: classes, Preprocess: preprocess.Spec{
		Width: 3, Height: 2, Layout: preprocess.HWC, DType: preprocess.Uint8, Resize: preprocess.Area, Fit: preprocess.CenterCrop, ResizeTo: 4,
		Augment: a}}
}

// TestViewsMean tests that what a task makes of the numbers is the mean of what it would make of
// each view's.
func TestViewsMean(t *testing.T) {
	softmax := func(x []float32) (p []float64) {
		sum := 0.0
		for _, v := range x {
			p = append(p, math.Exp(float64(v)))
			sum += p[len(p)-1]
		}
		for i := range p {
			p[i] /= sum
		}
		return p
	}
	sigmoid := func(x []float32) (p []float64) {
		for _, v := range x {
			p = append(p, 1/(1+math.Exp(-float64(v))))
		}
		return p
	}
	as := func(x []float32) (p []float64) {
		for _, v := range x {
			p = append(p, float64(v))
		}
		return p
	}
	for _, c := range []struct {
		name, task string
		output     models.Activation
		apply      func([]float32) []float64
	}{
		{name: "logits", output: models.Logits, apply: softmax},
		{name: "probabilities", output: models.Probabilities, apply: as},
		{name: "labels", task: models.MultiLabel, output: models.Sigmoid, apply: sigmoid},
		{name: "independent", output: models.Independent, apply: as},
		{name: "a vector", task: models.Embed, output: models.Logits, apply: as},
	} {
		for _, augment := range preprocess.Augments() {
			contract := contractOf(c.task, c.output, 4, augment)
			many := contract.Preprocess.Views()
			part := &sums{row: contract.Preprocess.RowBytes() / many, width: 4}
			e := Views(part, contract)
			b, err := e.NewBatch(3)
			if err != nil {
				t.Fatal(err)
			}
			if len(b.Pixels) != 3*contract.Preprocess.RowBytes() || len(b.Scores) != 12 {
				t.Fatalf("%s: a batch of %d bytes and %d numbers", c.name, len(b.Pixels), len(b.Scores))
			}
			for i := range b.Pixels {
				b.Pixels[i] = byte(i * 37)
			}
			b.Size = 2
			if err := e.Score(context.Background(), b, 1, 3); err != nil {
				t.Fatal(err)
			}
			if part.size != 2*many || e.DefaultBatch() != max(1, 8/many) || e.Lanes() != 3 {
				t.Errorf("%s: size %d, batch %d, %d lanes", c.name, part.size, e.DefaultBatch(), e.Lanes())
			}
			if !slices.Equal(b.Scores[:4], make([]float32, 4)) {
				t.Errorf("%s: an image that was not asked for has numbers %v", c.name, b.Scores[:4])
			}
			for image := 1; image < 3; image++ {
				want := make([]float64, 4)
				for view := range many {
					row := make([]float32, 4)
					for k := range row {
						row[k] = float32(b.Pixels[image*contract.Preprocess.RowBytes()+view*part.row+k])/10 - 1
					}
					for k, p := range c.apply(row) {
						want[k] += p / float64(many)
					}
				}
				for k, got := range c.apply(b.Scores[image*4:][:4]) {
					if math.Abs(got-want[k]) > 1e-6*max(1, want[k]) {
						t.Errorf("%s, %s: number %d is %v, want %v", c.name, augment, k, got, want[k])
					}
				}
			}
		}
	}
}

// TestViewsOfOne tests that nothing is between a model of one view and the pipeline.
func TestViewsOfOne(t *testing.T) {
	part, contract := &sums{}, contractOf("", models.Logits, 4, "")
	if e := Views(part, contract); e != Part(part) {
		t.Errorf("Views() = %T, want the part", e)
	}
	m := &models.Model{Contract: *contract}
	if Single(m) != m {
		t.Error("Single() made another model")
	}
	m.Contract.Preprocess.Augment = preprocess.Flip
	if one := Single(m); one.Contract.Preprocess.Views() != 1 || m.Contract.Preprocess.Views() != 2 {
		t.Errorf("%d views of the single model, %d of the other", one.Contract.Preprocess.Views(), m.Contract.Preprocess.Views())
	}
}

// TestViewsExtremes tests that numbers stay finite where a probability is 0 or 1, and that what is
// not a number stays one.
func TestViewsExtremes(t *testing.T) {
	v := Views(&sums{}, contractOf("", models.Logits, 3, preprocess.Flip)).(*views)
	out := make([]float32, 3)
	v.mean([]float32{2000, 0, -2000, 2000, 0, -2000}, out)
	if out[0] != 0 || math.IsInf(float64(out[2]), 0) {
		t.Errorf("means %v, want the first 0 and all finite", out)
	}
	v.mean([]float32{1, 2, float32(math.NaN()), 1, 2, 3}, out)
	if !math.IsNaN(float64(out[2])) {
		t.Errorf("means %v, want the last none", out)
	}
	v = Views(&sums{}, contractOf(models.MultiLabel, models.Sigmoid, 2, preprocess.Flip)).(*views)
	v.mean([]float32{2000, -2000, 2000, -2000}, out)
	if math.IsInf(float64(out[0]), 0) || math.IsInf(float64(out[1]), 0) || out[0] < 100 || out[1] > -100 {
		t.Errorf("means %v, want them finite and far apart", out[:2])
	}
}

func TestAugmentable(t *testing.T) {
	if err := Augmentable(contractOf(models.Detect, models.Sigmoid, 4, ""), preprocess.Flip); err == nil {
		t.Error("boxes have a mean")
	}
	c := contractOf("", models.Logits, 4, "")
	if err := Augmentable(c, preprocess.TenCrop); err != nil {
		t.Error(err)
	}
	c.Preprocess.Fit, c.Preprocess.ResizeTo = preprocess.Stretch, 0
	if err := Augmentable(c, preprocess.TenCrop); err == nil {
		t.Error("crops of a stretched image")
	}
}
