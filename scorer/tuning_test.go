package scorer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// tuned returns the options of a worker that chooses everything, quickly.
func tuned(t *testing.T, images, out store.Store) Options {
	o := options(t, images, out)
	o.Tune = &Tuning{Batch: true, Sessions: true, Cores: 2, Shared: true, Budget: 1}
	return o
}

func record(t *testing.T, out store.Store) output.Job {
	t.Helper()
	j, err := output.ReadJob(context.Background(), out)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// TestTunedBatchIsTheJobs: the first worker's choice is recorded, and later workers
// use it, whatever they would have chosen.
func TestTunedBatchIsTheJobs(t *testing.T) {
	images, out := collection(t, 60), new(mem.Store)
	o := tuned(t, images, out)
	o.Budget = 20
	if _, err := Run(t.Context(), o); err == nil {
		t.Fatal("the budget did not pause the job")
	}
	first := record(t, out).Batch
	if first < 1 {
		t.Fatalf("the record has batches of %d, want at least 1", first)
	}
	var sizes sync.Map
	o = tuned(t, images, out)
	o.OpenEngine = func() (Engine, error) {
		e := newFakeEngine()
		e.score = func(_ context.Context, lo, hi int) error { sizes.Store(hi-lo, true); return nil }
		return e, nil
	}
	mustRun(t, o)
	sizes.Range(func(n, _ any) bool {
		if n.(int) > first {
			t.Errorf("a later worker scored %v images at once, and the job's batch is %d", n, first)
		}
		return true
	})
	if now := record(t, out).Batch; now != first {
		t.Errorf("the record has batches of %d, want %d as before", now, first)
	}
}

// TestTuningDoesNotChangeTheRows: ranks that tune, all at once, write the same rows as
// one rank that is given their batch size.
func TestTuningDoesNotChangeTheRows(t *testing.T) {
	images, out := collection(t, 60), new(mem.Store)
	var wg sync.WaitGroup
	for rank := range 3 {
		o := tuned(t, images, out)
		o.World = shard.World{Rank: rank, Size: 3, LocalSize: 1}
		wg.Go(func() {
			if _, err := Run(context.Background(), o); err != nil {
				t.Errorf("rank %d: %v", rank, err)
			}
		})
	}
	wg.Wait()
	alone := new(mem.Store)
	o := options(t, images, alone)
	o.Job.Batch = record(t, out).Batch
	mustRun(t, o)
	if mergedText(t, out) != mergedText(t, alone) {
		t.Error("the rows differ")
	}
}

// TestTuningSaysWhatAndWhy checks the log. The second run uses the cache, and the
// third, on another processor, does not.
func TestTuningSaysWhatAndWhy(t *testing.T) {
	images := collection(t, 20)
	cache := filepath.Join(t.TempDir(), "cache")
	for i, processor := range []string{"this", "this", "that"} {
		kept := i == 1
		var log bytes.Buffer
		o := tuned(t, images, new(mem.Store))
		o.Log = zerolog.New(&log)
		o.Tune.Cache, o.Tune.Processor = cache, processor
		mustRun(t, o)
		for _, want := range []string{`"batch":`, `"sessions":`, `"threads":"1 a session`, `"measured":"batch 1: `, fmt.Sprintf(`"from_cache":%v`, kept),
			`"decoders":`, `"fetchers":`, `"read_ahead_mb":`, `"limit_images_per_s":`} {
			if !strings.Contains(log.String(), want) {
				t.Errorf("the log lacks %s:\n%s", want, &log)
			}
		}
	}
}

// TestGivenNumbersAreKept: tuning does not change the numbers that the user gives.
func TestGivenNumbersAreKept(t *testing.T) {
	images, out := collection(t, 20), new(mem.Store)
	var log bytes.Buffer
	o := tuned(t, images, out)
	o.Log = zerolog.New(&log)
	o.Job.Batch, o.Sessions, o.Decoders, o.Fetchers = 3, 2, 5, 7
	mustRun(t, o)
	if j := record(t, out); j.Batch != 3 {
		t.Errorf("the record has batches of %d, want 3", j.Batch)
	}
	for _, want := range []string{`"batch":3,"batch_is":"given","sessions":2`, `"decoders":5,"fetchers":7`} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("the log lacks %s:\n%s", want, &log)
		}
	}
}

// TestTuningLeavesOutWhatDoesNotFit has a device with memory for 2 images.
func TestTuningLeavesOutWhatDoesNotFit(t *testing.T) {
	out := new(mem.Store)
	o := tuned(t, collection(t, 20), out)
	o.Tune.Budget = 100 * time.Millisecond // enough to reach batches that do not fit
	o.OpenEngine = func() (Engine, error) {
		e := newFakeEngine()
		e.score = func(_ context.Context, lo, hi int) error {
			if hi-lo > 2 {
				return fmt.Errorf("8 GB: %w", models.ErrOutOfMemory)
			}
			return nil
		}
		return e, nil
	}
	mustRun(t, o)
	if j := record(t, out); j.Batch > 2 {
		t.Errorf("the record has batches of %d, want at most 2", j.Batch)
	}
}

// unreadable is a store whose objects cannot be read while the worker tunes.
type unreadable struct {
	store.Store
	left int
}

func (u *unreadable) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	if u.left > 0 {
		u.left--
		return nil, store.Object{}, store.ErrUnreadable
	}
	return u.Store.Open(ctx, name, etag)
}

func TestTuningWithoutImages(t *testing.T) {
	images := &unreadable{collection(t, 20), tuneImages}
	if s := mustRun(t, tuned(t, images, new(mem.Store))); s.Statuses[row.StatusOK] != 20 {
		t.Errorf("statuses %v, want 20 ok", s.Statuses)
	}
}

// TestDecodersAreCounted: opening the engine may change how many there should be.
func TestDecodersAreCounted(t *testing.T) {
	o := options(t, collection(t, 20), new(mem.Store))
	opened, counted := false, 0
	o.OpenEngine = func() (Engine, error) {
		opened = true
		return newFakeEngine(), nil
	}
	o.CountDecoders = func() int {
		if counted++; !opened {
			t.Error("the decoders were counted before the engine was open")
		}
		return 3
	}
	mustRun(t, o)
	if counted != 1 {
		t.Errorf("the decoders were counted %d times, want once", counted)
	}
	o = options(t, collection(t, 20), new(mem.Store))
	o.Decoders = 2
	o.CountDecoders = func() int {
		t.Error("the decoders were counted although their number was given")
		return 3
	}
	mustRun(t, o)
}
