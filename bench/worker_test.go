package bench

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"testing"

	"github.com/rs/zerolog"

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
