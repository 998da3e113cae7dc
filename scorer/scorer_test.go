package scorer

import (
	"bytes"
	"context"
	"io"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// collection returns a store of n pictures.
func collection(t testing.TB, n int) *mem.Store {
	t.Helper()
	st := new(mem.Store)
	for i := range n {
		put(t, st, pictureName(i), picture(t, i))
	}
	return st
}

func put(t testing.TB, st store.Store, name string, body []byte) {
	t.Helper()
	if _, err := st.Create(context.Background(), name, body); err != nil {
		t.Fatal(err)
	}
}

// options returns the options of one worker with a fake engine.
func options(t testing.TB, images, out store.Store) Options {
	log := zerolog.Nop()
	if t != nil {
		log = zerolog.New(zerolog.NewTestWriter(t))
	}
	return Options{
		Images: images, Out: out,
		Job: output.Job{
			Images: images.String(), Files: listing.Pictures, Model: "fake", ModelDigest: "sha256:fake",
			PreprocessDigest: fakeContract.PreprocessDigest(), LabelsDigest: fakeContract.LabelsDigest(),
			TopK: 3, Format: row.JSONL, Chunk: 10,
		},
		Contract:   fakeContract,
		OpenEngine: func() (Engine, error) { return newFakeEngine(), nil },
		World:      shard.World{Rank: 0, Size: 1, LocalSize: 1},
		Lease:      time.Hour,
		MaxErrors:  judge.UnlessAllFail,
		Counters:   new(telemetry.Counters),
		Progress:   &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}},
		Log:        log,
	}
}

func mustRun(t testing.TB, o Options) output.Success {
	t.Helper()
	s, err := Run(context.Background(), o)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func mergedText(t testing.TB, out store.Store) string {
	t.Helper()
	var b bytes.Buffer
	if err := output.Merge(context.Background(), out, &b, output.MergeOptions{}); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

func TestOneRankScoresEveryImage(t *testing.T) {
	images, out := collection(t, 47), new(mem.Store)
	var lines bytes.Buffer
	o := options(t, images, out)
	o.Progress.Lines.W = &lines
	s := mustRun(t, o)
	if s.Images != 47 || s.Statuses[row.StatusOK] != 47 {
		t.Errorf("_SUCCESS says %+v", s)
	}
	if n := bytes.Count([]byte(mergedText(t, out)), []byte("\n")); n != 47 {
		t.Errorf("%d rows for 47 images", n)
	}
	if !bytes.HasPrefix(lines.Bytes(), []byte("Worker 0 needs to process 47 images\nWorker 0 Processed 47 images, took ")) {
		t.Errorf("lines are\n%s", lines.String())
	}
}

func TestRanksShareTheWorkAndTheBytes(t *testing.T) {
	images := collection(t, 123)
	alone := new(mem.Store)
	mustRun(t, options(t, images, alone))
	want := mergedText(t, alone)
	for _, world := range []int{2, 5, 20} {
		out := new(mem.Store)
		var wg sync.WaitGroup
		for rank := range world {
			o := options(t, images, out)
			o.World = shard.World{Rank: rank, Size: world, LocalSize: 1}
			wg.Go(func() {
				if _, err := Run(context.Background(), o); err != nil {
					t.Errorf("rank %d of %d: %v", rank, world, err)
				}
			})
		}
		wg.Wait()
		if t.Failed() {
			return
		}
		if got := mergedText(t, out); got != want {
			t.Errorf("%d ranks merge to other bytes than one", world)
		}
	}
}
