package bench

import (
	"bytes"
	"context"
	"image"
	"image/jpeg"
	"io"
	"runtime"
	"testing"
	"time"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// BenchmarkBookkeeping scores a million images of one pixel, which are not stored
// anywhere, on a device that takes no time. What remains is listing, manifest, claims,
// chunks, rows, parts, _SUCCESS, and decoding that pixel. It reports images per second
// of processor time, of all threads and including the system's, and images per second
// of real time. In memory this is the program's own work. In a folder the file
// system's work is added; then the resident memory is reported after a tenth of the
// images, after the last one, and at its peak, and the output is verified and merged.
//
// The folder is created in TMPDIR.
func BenchmarkBookkeeping(b *testing.B) {
	b.Run("out=memory", func(b *testing.B) {
		for b.Loop() {
			bookkeeping(b, new(mem.Store), new(telemetry.Counters))
		}
	})
	b.Run("out=folder", func(b *testing.B) {
		for b.Loop() {
			out := folder(b, keptFolder(b))
			resetPeak(b)
			counters := new(telemetry.Counters)
			tenth := make(chan float64)
			go func() { tenth <- memoryAfter(b, counters, million/10) }()
			bookkeeping(b, out, counters)
			b.ReportMetric(<-tenth, "MB-at-tenth")
			b.ReportMetric(status(b, "VmRSS"), "MB-at-end")
			b.ReportMetric(status(b, "VmHWM"), "MB-peak")
			read(b, out)
		}
	})
}

// read verifies and merges an output and reports how long that takes.
func read(b *testing.B, out store.Store) {
	resetPeak(b)
	start := time.Now()
	report, err := output.Verify(b.Context(), out)
	if err != nil || !report.OK() || report.Rows != million {
		b.Fatal(report.String(), err)
	}
	b.ReportMetric(time.Since(start).Seconds(), "s-verify")
	start = time.Now()
	if err := output.Merge(b.Context(), out, io.Discard, output.MergeOptions{}); err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(time.Since(start).Seconds(), "s-merge")
	b.ReportMetric(status(b, "VmHWM"), "MB-peak-reading")
}

const million = 1_000_000

func bookkeeping(b *testing.B, out store.Store, counters *telemetry.Counters) {
	contract := scale.Contract()
	contract.Preprocess.Width, contract.Preprocess.Height = 1, 1
	contract.Labels = []string{"a", "b", "c", "d", "e"}
	contract.Classes = len(contract.Labels)
	images := pixels{listed{million}, onePixel(b)}
	wall, processor := time.Now(), measure.CPUTime()
	s, err := scorer.Run(b.Context(), measure.Worker(scorer.Options{
		Images: images, Out: out, Contract: contract, Counters: counters,
		Job:        output.Job{TopK: contract.Classes},
		OpenEngine: func() (scorer.Engine, error) { return timeless{contract}, nil },
	}))
	if err != nil || s.Statuses[row.StatusOK] != million {
		b.Fatal(s.Statuses, err)
	}
	b.ReportMetric(million/(measure.CPUTime()-processor).Seconds(), "images/cpu-s")
	b.ReportMetric(million/time.Since(wall).Seconds(), "images/s")
	b.ReportMetric(0, "ns/op")
}

// onePixel returns a JPEG of one pixel.
func onePixel(t testing.TB) []byte {
	var pixel bytes.Buffer
	if err := jpeg.Encode(&pixel, image.NewGray(image.Rect(0, 0, 1, 1)), nil); err != nil {
		t.Fatal(err)
	}
	return pixel.Bytes()
}

// pixels is a collection whose images are all the same.
type pixels struct {
	listed
	body []byte
}

func (p pixels) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return p.listed.List(ctx, prefix, func(o store.Object) error { return fn(p.object(o.Name)) })
}

func (p pixels) object(name string) store.Object {
	return store.Object{Name: name, Size: int64(len(p.body)), ETag: "0x8D0123456789ABC"}
}

func (p pixels) Open(_ context.Context, name, _ string) (io.ReadCloser, store.Object, error) {
	r := new(pixel)
	r.Reset(p.body)
	return r, p.object(name), nil
}

type pixel struct{ bytes.Reader }

func (*pixel) Close() error { return nil }

// timeless is a device that takes no time and gives every image the same scores.
type timeless struct{ contract models.Contract }

func (timeless) Device() string    { return "none" }
func (timeless) Lanes() int        { return runtime.GOMAXPROCS(0) }
func (timeless) DefaultBatch() int { return 32 }
func (timeless) Close() error      { return nil }

func (t timeless) NewBatch(n int) (*models.Batch, error) {
	return &models.Batch{
		Pixels: make([]byte, n*t.contract.Preprocess.RowBytes()), Scores: make([]float32, n*t.contract.Classes),
	}, nil
}

func (t timeless) Score(_ context.Context, b *models.Batch, lo, hi int) error {
	scores := [...]float32{0.11, 0.52, 0.07, 0.22, 0.08}
	for i := lo; i < hi; i++ {
		copy(b.Scores[i*t.contract.Classes:], scores[:])
	}
	return nil
}
