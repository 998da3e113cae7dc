package bench

import (
	"context"
	"math/rand/v2"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// BenchmarkReview finds out what a result of a million images says, whose scores are random. It
// reports the time of one pass over the rows, and the peak of the resident memory. The second is
// compared with the first.
func BenchmarkReview(b *testing.B) {
	here, there := folder(b, keptFolder(b)), folder(b, b.TempDir())
	for _, out := range []store.Store{here, there} {
		scoreAtRandom(b, out, million)
	}
	b.Run("alone", func(b *testing.B) {
		for b.Loop() {
			collect(b, here, review.Options{})
		}
	})
	b.Run("against", func(b *testing.B) {
		for b.Loop() {
			collect(b, here, review.Options{Against: there, Truth: firstLetter{}})
		}
	})
}

func collect(b *testing.B, out store.Store, opt review.Options) {
	resetPeak(b)
	start := time.Now()
	f, _, err := review.Collect(b.Context(), out, opt)
	if err != nil || f.Images != million || !f.Complete {
		b.Fatal(f, err)
	}
	b.ReportMetric(time.Since(start).Seconds(), "s-pass")
	b.ReportMetric(status(b, "VmHWM"), "MB-peak")
}

// firstLetter is a truth that knows all images.
type firstLetter struct{}

func (firstLetter) Of(path string) ([]string, bool) {
	return []string{path[len(path)-5 : len(path)-4]}, true
}

// scoreAtRandom scores images of one pixel, at random and each as any of 20 labels.
func scoreAtRandom(b *testing.B, out store.Store, images int) {
	contract := scale.Contract()
	contract.Preprocess.Width, contract.Preprocess.Height = 1, 1
	contract.Labels = nil
	for i := range 20 {
		contract.Labels = append(contract.Labels, string(rune('0'+i)))
	}
	contract.Classes = len(contract.Labels)
	s, err := scorer.Run(b.Context(), measure.Worker(scorer.Options{
		Images: pixels{listed{images}, onePixel(b)}, Out: out, Contract: contract, Job: output.Job{TopK: 5},
		OpenEngine: func() (scorer.Engine, error) { return random{timeless{contract}, new(atomic.Uint64)}, nil },
	}))
	if err != nil || s.Statuses[row.StatusOK] != images {
		b.Fatal(s.Statuses, err)
	}
}

// random is a device that takes no time and gives every image other scores.
type random struct {
	timeless
	batches *atomic.Uint64
}

func (r random) Score(_ context.Context, b *models.Batch, lo, hi int) error {
	source := rand.New(rand.NewPCG(1, r.batches.Add(1)))
	for i := lo; i < hi; i++ {
		scores := b.Scores[i*r.contract.Classes : (i+1)*r.contract.Classes]
		left := float32(1)
		for _, k := range source.Perm(len(scores)) {
			scores[k] = left * source.Float32()
			left -= scores[k]
		}
	}
	return nil
}
