package bench

import (
	"bytes"
	"cmp"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"os"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// cache is where "make deps" puts what it fetches.
func cache() string { return cmp.Or(os.Getenv("BATCHSCORE_CACHE"), "../.cache") }

// score runs the worker to the end of a job, silently. The caller gives the
// stores, the contract, the engine and what else it varies. Of the job, what
// follows from those is filled in; the rank is the only one unless another is
// given.
func score(b *testing.B, o scorer.Options) (output.Success, error) {
	o.Job.Images, o.Job.Format = o.Images.String(), output.JSONL
	o.Job.PreprocessDigest, o.Job.LabelsDigest = o.Contract.PreprocessDigest(), o.Contract.LabelsDigest()
	if o.World.Size == 0 {
		o.World = shard.World{Size: 1, LocalSize: 1}
	}
	if o.Counters == nil {
		o.Counters = new(telemetry.Counters)
	}
	o.Progress = &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}}
	o.Log = zerolog.Nop()
	return scorer.Run(b.Context(), o)
}

// simulated is the contract of a model that nobody has: pixels of side x side,
// and a number of classes.
func simulated(side, classes int) models.Contract {
	return models.Contract{
		Name: "simulated", Output: models.Probabilities, Classes: classes,
		Preprocess: preprocess.Spec{Width: side, Height: side, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
	}
}

// folder is the store of a folder.
func folder(b *testing.B, path string) store.Store {
	b.Helper()
	st, err := dir.New(path, dir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// imageName is that of image i of a made-up collection.
func imageName(i int) string { return fmt.Sprintf("%05d.jpg", i) }

// smallJPEG is image i, which costs little to decode.
func smallJPEG(b *testing.B, i int) []byte {
	b.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 32, 32))
	for p := range 32 * 32 {
		img.Set(p%32, p/32, color.RGBA{uint8(p + i), uint8(i * 7), uint8(p * i), 255})
	}
	var body bytes.Buffer
	if err := jpeg.Encode(&body, img, nil); err != nil {
		b.Fatal(err)
	}
	return body.Bytes()
}

// cpuTime is the processor time that this process has taken.
func cpuTime(b *testing.B) time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// memoryAfter is the resident memory once that many images are scored.
func memoryAfter(b *testing.B, counters *telemetry.Counters, images int64) float64 {
	for counters.Snapshot().Images < images && b.Context().Err() == nil {
		time.Sleep(10 * time.Millisecond)
	}
	return status(b, "VmRSS")
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
