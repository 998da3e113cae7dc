package bench

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"image/jpeg"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/disintegration/imaging"
	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/tfjs"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

const (
	// photoPixels is the size of the photographs that are scored, as in the
	// collections this program is for.
	photoPixels = 680_000
	// photosPerRound makes a round of some seconds on two cores.
	photosPerRound = 256
)

// cache is where "make deps" puts what it fetches.
func cache() string { return cmp.Or(os.Getenv("BATCHSCORE_CACHE"), "../.cache") }

// BenchmarkEndToEnd compares a whole run of Inception V3, from files to
// _SUCCESS, with the session alone on tensors that are ready. Both use the same
// session, batch and lanes, in turns. It reports images per second of both and
// the median of the rounds' ratios, of time on the wall and of processor time;
// the latter holds on a machine that is busy with something else as well.
func BenchmarkEndToEnd(b *testing.B) {
	m, engine := inception(b)
	photos := photographs(b)
	batch := engine.DefaultBatch()
	var ratios, processor []float64
	var whole, alone time.Duration
	for b.Loop() {
		start := cpuTime(b)
		a := session(b, engine, batch)
		middle := cpuTime(b)
		w := run(b, m, engine, photos, b.TempDir())
		end := cpuTime(b)
		ratios = append(ratios, a.Seconds()/w.Seconds())
		processor = append(processor, (middle-start).Seconds()/(end-middle).Seconds())
		whole, alone = whole+w, alone+a
	}
	images := float64(len(ratios) * photosPerRound)
	slices.Sort(ratios)
	slices.Sort(processor)
	b.ReportMetric(images/whole.Seconds(), "images/s")
	b.ReportMetric(images/alone.Seconds(), "session-images/s")
	b.ReportMetric(ratios[len(ratios)/2], "of-session")
	b.ReportMetric(processor[len(processor)/2], "of-session-cpu")
	b.ReportMetric(0, "ns/op") // an operation is a round; its time says nothing
}

// cpuTime is the processor time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkResidentMemory scores 5,000 images of Inception V3's size in one
// process and reports the resident memory after the first tenth and at the end,
// in megabytes, and the peak.
func BenchmarkResidentMemory(b *testing.B) {
	images := 5000
	if text := os.Getenv("BATCHSCORE_BENCH_IMAGES_COUNT"); text != "" {
		var err error
		if images, err = strconv.Atoi(text); err != nil {
			b.Fatal(err)
		}
	}
	m, engine := inception(b)
	photos := photographs(b)
	for b.Loop() {
		folder := b.TempDir()
		for i := range images {
			source, err := filepath.Abs(filepath.Join(photos, fmt.Sprintf("%05d.jpg", i%photosPerRound)))
			if err != nil {
				b.Fatal(err)
			}
			if err := os.Symlink(source, filepath.Join(folder, fmt.Sprintf("%05d.jpg", i))); err != nil {
				b.Fatal(err)
			}
		}
		samples := make(chan []float64)
		done := make(chan struct{})
		go func() { samples <- watchMemory(b, done) }()
		run(b, m, engine, folder, b.TempDir())
		close(done)
		rss := <-samples
		b.ReportMetric(rss[len(rss)/10], "MB-at-tenth")
		b.ReportMetric(rss[len(rss)-1], "MB-at-end")
		b.ReportMetric(status(b, "VmHWM"), "MB-peak")
	}
	b.ReportMetric(0, "ns/op")
}

// watchMemory samples the resident memory every 100 ms until done is closed.
func watchMemory(b *testing.B, done <-chan struct{}) []float64 {
	tick := time.NewTicker(100 * time.Millisecond)
	defer tick.Stop()
	var all []float64
	for {
		all = append(all, status(b, "VmRSS"))
		select {
		case <-tick.C:
		case <-done:
			return all
		}
	}
}

// status is a field of this process's status, in megabytes.
func status(b *testing.B, field string) float64 {
	text, err := os.ReadFile("/proc/self/status")
	if err != nil {
		b.Skip("the resident memory is read from /proc: ", err)
	}
	for line := range strings.Lines(string(text)) {
		if rest, ok := strings.CutPrefix(line, field+":"); ok {
			kb, err := strconv.Atoi(strings.Fields(rest)[0])
			if err != nil {
				b.Fatal(err)
			}
			return float64(kb) / 1024
		}
	}
	b.Fatalf("/proc/self/status has no %s", field)
	return 0
}

// inception is the trained Inception V3 of the demo, in a session.
func inception(b *testing.B) (*models.Model, *ort.Engine) {
	b.Helper()
	archive := filepath.Join(cache(), "nsfwjs-4.4.0.tgz")
	if _, err := os.Stat(archive); err != nil {
		b.Skip("run \"make deps\" first: ", err)
	}
	file := filepath.Join(b.TempDir(), "inception.onnx")
	if _, err := tfjs.ImportFile(b.Context(), archive, file, tfjs.Options{Path: "dist/models/inception_v3"}); err != nil {
		b.Fatal(err)
	}
	m, err := models.Open(file, models.OpenOptions{})
	if err != nil {
		b.Fatal(err)
	}
	e, err := ort.Open(m, ort.Options{Logger: zerolog.Nop()})
	if err != nil {
		b.Fatal(err)
	}
	b.Cleanup(func() {
		if err := e.Close(); err != nil {
			b.Error(err)
		}
	})
	return m, e
}

// photographs is a folder of JPEGs made from the sample photographs.
func photographs(b *testing.B) string {
	b.Helper()
	sources, err := filepath.Glob(filepath.Join(cache(), "images", "photos", "*.jpg"))
	if err != nil {
		b.Fatal(err)
	}
	if len(sources) == 0 {
		b.Skip("run \"make deps\" first: there are no sample photographs")
	}
	folder := b.TempDir()
	for i := range photosPerRound {
		photo, err := imaging.Open(sources[i%len(sources)])
		if err != nil {
			b.Fatal(err)
		}
		size := photo.Bounds().Size()
		scale := math.Sqrt(photoPixels / float64(size.X*size.Y))
		photo = imaging.Resize(photo, int(float64(size.X)*scale), 0, imaging.CatmullRom)
		f, err := os.Create(filepath.Join(folder, fmt.Sprintf("%05d.jpg", i)))
		if err != nil {
			b.Fatal(err)
		}
		if err := errors.Join(jpeg.Encode(f, photo, &jpeg.Options{Quality: 85}), f.Close()); err != nil {
			b.Fatal(err)
		}
	}
	return folder
}

// session scores photosPerRound ready images on all lanes.
func session(b *testing.B, e *ort.Engine, batch int) time.Duration {
	b.Helper()
	var g errgroup.Group
	rounds := make(chan struct{}, photosPerRound/batch)
	for range photosPerRound / batch {
		rounds <- struct{}{}
	}
	close(rounds)
	start := make(chan struct{})
	for range e.Lanes() {
		memory, err := e.NewBatch(batch)
		if err != nil {
			b.Fatal(err)
		}
		g.Go(func() error {
			<-start
			for range rounds {
				if err := e.Score(context.Background(), memory, 0, batch); err != nil {
					return err
				}
			}
			return nil
		})
	}
	began := time.Now()
	close(start)
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// run scores a folder with an engine that is open already.
func run(b *testing.B, m *models.Model, e *ort.Engine, photos, out string) time.Duration {
	b.Helper()
	images, err := dir.New(photos, dir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	results, err := dir.New(out, dir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	began := time.Now()
	s, err := scorer.Run(context.Background(), scorer.Options{
		Images: images, Out: results,
		Job: output.Job{
			Images: images.String(), ModelDigest: m.Digest, PreprocessDigest: m.Contract.PreprocessDigest(),
			LabelsDigest: m.Contract.LabelsDigest(), TopK: m.Contract.Classes, Format: output.JSONL,
		},
		Contract:   m.Contract,
		OpenEngine: func() (scorer.Engine, error) { return kept{e}, nil },
		World:      shard.World{Size: 1, LocalSize: 1},
		Counters:   new(telemetry.Counters),
		Progress:   &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}},
		Log:        zerolog.Nop(),
	})
	took := time.Since(began)
	if err != nil {
		b.Fatal(err)
	}
	if s.Statuses[output.StatusOK] != s.Images {
		b.Fatalf("not all images were scored: %v", s.Statuses)
	}
	return took
}

// kept is an engine that outlives a run.
type kept struct{ *ort.Engine }

func (kept) Close() error { return nil }
