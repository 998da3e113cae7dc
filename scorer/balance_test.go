package scorer

import (
	"context"
	"errors"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// static returns the options of one of two static ranks.
func static(t *testing.T, images, out store.Store, rank int) Options {
	t.Helper()
	before := staticWait
	staticWait = 100 * time.Millisecond
	t.Cleanup(func() { staticWait = before })
	o := options(t, images, out)
	o.World = shard.World{Rank: rank, Size: 2, LocalSize: 1}
	o.Static = true
	return o
}

func TestStaticRankKeepsToItsShare(t *testing.T) {
	images, out := collection(t, 100), new(mem.Store)
	for rank := range 2 {
		o := static(t, images, out, rank)
		s, err := Run(t.Context(), o)
		switch {
		case rank == 0 && (!errors.Is(err, output.ErrIncomplete) || !strings.Contains(err.Error(), "50 of 100 images have no row: 5 chunks of rank 1;")):
			t.Errorf("alone: %v", err)
		case rank == 1 && (err != nil || s.Images != 100):
			t.Errorf("the last: %v, _SUCCESS for %d images", err, s.Images)
		}
		if c := o.Counters.Snapshot().Counts; c[telemetry.Stolen] != 0 || c[telemetry.Chunks] != 5 {
			t.Errorf("rank %d did %d chunks, %d of them stolen: want its own 5", rank, c[telemetry.Chunks], c[telemetry.Stolen])
		}
	}
	verified(t, out)
}

// TestStaticRankWaitsForOthers has one rank finish long before the other, which holds
// its only chunk all the time.
func TestStaticRankWaitsForOthers(t *testing.T) {
	images, out := collection(t, 20), new(mem.Store)
	late := static(t, images, out, 1)
	engine, first, working := newFakeEngine(), make(chan struct{}), make(chan struct{})
	var once sync.Once
	engine.score = func(ctx context.Context, _, _ int) error {
		once.Do(func() {
			close(working)
			<-first
			time.Sleep(4 * staticWait)
		})
		return ctx.Err()
	}
	late.OpenEngine = func() (Engine, error) { return engine, nil }
	var ranks sync.WaitGroup
	ranks.Go(func() {
		if s, err := Run(t.Context(), late); err != nil || s.Images != 20 {
			t.Errorf("rank 1: %v", err)
		}
	})
	o := static(t, images, out, 0)
	early := newFakeEngine()
	early.score = func(ctx context.Context, _, _ int) error {
		<-working
		return ctx.Err()
	}
	o.OpenEngine = func() (Engine, error) { return early, nil }
	o.Progress = &telemetry.Progress{Lines: &telemetry.Lines{W: writerFunc(func(p []byte) {
		if strings.Contains(string(p), "took") {
			close(first)
		}
	})}}
	if s, err := Run(t.Context(), o); err != nil || s.Images != 20 {
		t.Errorf("rank 0: %v", err)
	}
	ranks.Wait()
	verified(t, out)
}

type writerFunc func(p []byte)

func (f writerFunc) Write(p []byte) (int, error) {
	f(p)
	return len(p), nil
}

func TestBudgetPausesAndResumes(t *testing.T) {
	images, out := collection(t, 100), new(mem.Store)
	runs := 0
	for {
		o := options(t, images, out)
		o.Budget = 25 // taken by whole chunks of 10
		_, err := Run(t.Context(), o)
		runs++
		if err == nil {
			break
		}
		if !errors.Is(err, ErrPaused) {
			t.Fatal(err)
		}
		if n := o.Counters.Snapshot().Counts[telemetry.Images]; n != 30 {
			t.Errorf("run %d scored %d images for a budget of 25 in chunks of 10, want 30", runs, n)
		}
	}
	if runs != 4 {
		t.Errorf("%d runs for 100 images, want 4", runs)
	}
	verified(t, out)
}

func TestDeadlinePauses(t *testing.T) {
	images, out := collection(t, 100), new(mem.Store)
	engine := newFakeEngine()
	over := make(chan struct{})
	engine.score = func(ctx context.Context, _, _ int) error {
		select {
		case <-over: // longer than the deadline
		case <-ctx.Done():
		}
		return ctx.Err()
	}
	o := options(t, images, out)
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	o.Deadline, o.Grace = time.Millisecond, time.Millisecond
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrPaused) {
		t.Fatalf("Run() = %v, want ErrPaused", err)
	}
	close(over)
	mustRun(t, options(t, images, out))
	verified(t, out)
}

// TestIdleRankDoublesWhatASlowOneHas holds one rank up in the middle of a chunk,
// without an end. The other rank scores what the slow one has in hand as well, and the
// slow one drops that when it continues. In both forms of claims.
func TestIdleRankDoublesWhatASlowOneHas(t *testing.T) {
	for _, form := range claimForms {
		t.Run(form.name, func(t *testing.T) {
			images, out := collection(t, 100), new(mem.Store)
			engine := newFakeEngine()
			started, resume := make(chan struct{}), make(chan struct{})
			var once sync.Once
			engine.score = func(context.Context, int, int) error {
				once.Do(func() { close(started) })
				<-resume
				return nil
			}
			slow := options(t, images, out)
			if form.begin != nil {
				form.begin(t, slow)
			}
			slow.World = shard.World{Rank: 0, Size: 2, LocalSize: 1}
			slow.OpenEngine = func() (Engine, error) { return engine, nil }
			ended := make(chan error)
			go func() {
				_, err := Run(context.Background(), slow)
				ended <- err
			}()
			<-started
			quick := options(t, images, out)
			quick.World = shard.World{Rank: 1, Size: 2, LocalSize: 1}
			if s := mustRun(t, quick); s.Images != 100 {
				t.Errorf("_SUCCESS is for %d images, want 100", s.Images)
			}
			close(resume)
			if err := <-ended; err != nil {
				t.Errorf("the slow rank: %v", err)
			}
			if c := slow.Counters.Snapshot().Counts; c[telemetry.Chunks] != 0 || c[telemetry.Lost] == 0 {
				t.Errorf("the slow rank committed %d chunks and lost %d: want none and some", c[telemetry.Chunks], c[telemetry.Lost])
			}
			verified(t, out)
			if mergedText(t, out) != undisturbed(t, images) {
				t.Error("the merged rows differ from those of one rank")
			}
			if n := len(rows(t, out)); n != 100 {
				t.Errorf("%d rows, want 100", n)
			}

			names := claimNames(t, out)
			for _, name := range names {
				if !form.claims.MatchString(name) {
					t.Errorf("a claim is named %q, want a match of %s", name, form.claims)
				}
			}
			if !slices.ContainsFunc(names, form.races.MatchString) || !slices.Contains(names, form.end) {
				t.Errorf("the claims are %q, want a match of %s and %s among them", names, form.races, form.end)
			}
			workers, err := output.ReadSummaries(t.Context(), out)
			if err != nil || len(workers) != 2 {
				t.Fatalf("%d summaries, %v, want 2", len(workers), err)
			}
			job, err := output.ReadJob(t.Context(), out)
			if err != nil {
				t.Fatal(err)
			}
			for _, w := range workers {
				if raced := w.Raced > 0; raced != (w.Worker.Rank == 1 && !job.Older()) {
					t.Errorf("rank %d began %d chunks that another one held", w.Worker.Rank, w.Raced)
				}
				s := w.Stages
				if (s == nil) != job.Older() || s != nil && (s.Seconds <= 0 || s.BusySeconds["infer"] <= 0 || s.Decoders < 1 || s.Lanes < 1) {
					t.Errorf("rank %d says %+v of its stages", w.Worker.Rank, s)
				}
			}
		})
	}
}

// TestDroppedChunkLeavesTheDevice has a rank whose device runs until it is cancelled.
// It is cancelled once another rank has committed the chunk.
func TestDroppedChunkLeavesTheDevice(t *testing.T) {
	images, out := collection(t, 100), new(mem.Store)
	engine := newFakeEngine()
	started := make(chan struct{})
	var once sync.Once
	engine.score = func(ctx context.Context, _, _ int) error {
		once.Do(func() { close(started) })
		<-ctx.Done()
		return ctx.Err()
	}
	stuck := options(t, images, out)
	stuck.Lease = time.Second // it looks after half of that
	stuck.World = shard.World{Rank: 0, Size: 2, LocalSize: 1}
	stuck.OpenEngine = func() (Engine, error) { return engine, nil }
	ended := make(chan error)
	go func() {
		_, err := Run(context.Background(), stuck)
		ended <- err
	}()
	<-started
	quick := options(t, images, out)
	quick.World = shard.World{Rank: 1, Size: 2, LocalSize: 1}
	mustRun(t, quick)
	if err := <-ended; err != nil {
		t.Errorf("the stuck rank: %v", err)
	}
	if c := stuck.Counters.Snapshot().Counts; c[telemetry.Chunks] != 0 || c[telemetry.Images] != 0 {
		t.Errorf("the stuck rank committed %d chunks and counts %d images as scored", c[telemetry.Chunks], c[telemetry.Images])
	}
	verified(t, out)
}
