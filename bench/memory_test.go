package bench

import (
	"os"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/tfjs"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// BenchmarkResidentMemory scores 5,000 photographs with Inception V3 in one
// process and reports the resident memory after a tenth of them and after the
// last, in megabytes, and the peak.
func BenchmarkResidentMemory(b *testing.B) {
	const images = 5000
	m, engine := inception(b)
	photos := linkedPhotos(b, photographs(b), images)
	for b.Loop() {
		resetPeak(b)
		counters := new(telemetry.Counters)
		tenth := make(chan float64)
		go func() { tenth <- memoryAfter(b, counters, images/10) }()
		s, err := measure.Score(b.Context(), measure.RunOptions{
			Images: photos, Model: m, Engine: engine, Shared: true, Batch: engine.DefaultBatch(),
			Decoders: device.CPUs(1).Usable, Log: zerolog.Nop(),
		}, counters)
		if failed := counters.Snapshot().Counts[telemetry.Failed]; err != nil || s.Iterations != images || failed > 0 {
			b.Fatalf("%d images, %d failed, %v", s.Iterations, failed, err)
		}
		b.ReportMetric(<-tenth, "MB-at-tenth")
		b.ReportMetric(status(b, "VmRSS"), "MB-at-end")
		b.ReportMetric(status(b, "VmHWM"), "MB-peak")
	}
	b.ReportMetric(0, "ns/op") // an operation is a run; its time does not matter
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
	return orttest.Open(b, file)
}

// resetPeak sets the peak of the resident memory to its present value.
func resetPeak(b testing.TB) {
	runtime.GC()
	debug.FreeOSMemory()
	if err := os.WriteFile("/proc/self/clear_refs", []byte("5"), 0); err != nil {
		b.Skip("the peak of the resident memory cannot be reset: ", err)
	}
}

// memoryAfter returns the resident memory once that many images are scored.
func memoryAfter(b *testing.B, counters *telemetry.Counters, images int64) float64 {
	for counters.Snapshot().Counts[telemetry.Images] < images && b.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return status(b, "VmRSS")
}

// status returns a field of this process's status, in megabytes.
func status(b testing.TB, field string) float64 {
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
