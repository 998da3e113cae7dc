package convert_test

import (
	"context"
	"os"
	"slices"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/fetched"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/tfjs"
)

// inception imports the trained model and lists the sample photographs.
func inception(t testing.TB) (path string, photos []string) {
	t.Helper()
	archive := fetched.Path("nsfwjs-4.4.0.tgz")
	_, err := os.Stat(archive)
	fetched.Need(t, err)
	photos, err = convert.Images(fetched.Path("images", "photos"), 0)
	fetched.Need(t, err)
	path = inFolder(t, "inception.onnx")
	if _, err := tfjs.ImportFile(t.Context(), archive, path, tfjs.Options{Path: "dist/models/inception_v3"}); err != nil {
		t.Fatal(err)
	}
	return path, photos
}

// BenchmarkInt8 reports the speed of the 8-bit model relative to float32. Both run in the
// same process, in turns.
func BenchmarkInt8(b *testing.B) {
	path, photos := inception(b)
	lend := opener(b)
	small := inFolder(b, "int8.onnx")
	if _, err := convert.Quantize(b.Context(), path, small, models.OpenOptions{}, convert.Calibration{Open: lend, Images: photos}); err != nil {
		b.Fatal(err)
	}
	agreement, err := convert.Compare(b.Context(), lend, path, small, photos, models.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	b.Log(agreement)
	_, float := orttest.Open(b, path)
	_, int8 := orttest.Open(b, small)
	var ratios, rates []float64
	for b.Loop() {
		f, i := rate(b, float), rate(b, int8)
		ratios, rates = append(ratios, i/f), append(rates, i)
	}
	slices.Sort(ratios)
	slices.Sort(rates)
	b.ReportMetric(ratios[len(ratios)/2], "times-float32")
	b.ReportMetric(rates[len(rates)/2], "int8-images/s")
}

// rate returns the images per second of an engine on all its lanes, measured over at least
// a second.
func rate(b *testing.B, e convert.Engine) float64 {
	const images = 4
	var batches []*models.Batch
	for range e.Lanes() {
		batch, err := e.NewBatch(images)
		if err != nil {
			b.Fatal(err)
		}
		batches = append(batches, batch)
	}
	start, rounds := time.Now(), 0
	for rounds = 0; rounds < 2 || time.Since(start) < time.Second; rounds++ {
		lanes, ctx := errgroup.WithContext(context.Background())
		for _, batch := range batches {
			lanes.Go(func() error { return e.Score(ctx, batch, 0, images) })
		}
		if err := lanes.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	return float64(rounds*images*len(batches)) / time.Since(start).Seconds()
}

// BenchmarkFuse scores images of bytes with the trained network, most of whose
// convolutions pad. Before that, it compares the scores with those of the model that takes
// floats.
func BenchmarkFuse(b *testing.B) {
	path, _ := inception(b)
	fused := inFolder(b, "fused.onnx")
	c, err := convert.Fuse(path, fused, models.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	images := picture(2, c.Preprocess.Height, c.Preprocess.Width)
	if d := relative(b, scores(b, path, images), scores(b, fused, images)); d > 1e-4 {
		b.Errorf("scores differ by %g", d)
	}
	_, e := orttest.Open(b, fused)
	for b.Loop() {
		b.ReportMetric(rate(b, e), "images/s")
	}
}
