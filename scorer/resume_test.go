package scorer

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// verified fails the test unless the output proves to be complete.
func verified(t *testing.T, out store.Store) {
	t.Helper()
	report, err := output.Verify(t.Context(), out)
	if err != nil || report.Err() != nil || !report.Complete {
		t.Fatalf("%v\n%s", err, report.String())
	}
}

// undisturbed returns the merged rows that one rank makes of a collection.
func undisturbed(t *testing.T, images store.Store) string {
	t.Helper()
	out := new(mem.Store)
	mustRun(t, options(t, images, out))
	return mergedText(t, out)
}

func TestFault02_EveryAnswerOfACreateIsLost(t *testing.T) {
	images, out := collection(t, 35), new(mem.Store)
	lossy := &storetest.Faulty{Store: out, AfterCreate: func(_ int, o store.Object, err error) error {
		if err == nil {
			return fmt.Errorf("the answer for %s was lost: %w", o.Name, store.ErrUnavailable)
		}
		return err
	}}
	// The clock cannot be read either, so the worker may end with an error.
	o := options(t, images, lossy)
	if _, err := Run(t.Context(), o); err != nil && !errors.Is(err, store.ErrUnavailable) {
		t.Fatal(err)
	}
	mustRun(t, options(t, images, out))
	verified(t, out)
	if mergedText(t, out) != undisturbed(t, images) {
		t.Error("the merged rows differ from those of an undisturbed run")
	}
}

func TestFault02_LostAnswerOfAPart(t *testing.T) {
	images, out := collection(t, 35), new(mem.Store)
	lost := 0
	lossy := &storetest.Faulty{Store: out, AfterCreate: func(_ int, o store.Object, err error) error {
		if err == nil && strings.HasPrefix(o.Name, "part-") {
			lost++
			return fmt.Errorf("the answer was lost: %w", store.ErrUnavailable)
		}
		return err
	}}
	mustRun(t, options(t, images, lossy))
	if lost != 4 {
		t.Errorf("%d answers were lost, want 4", lost)
	}
	verified(t, out)
}

// TestFault03_StopDrains asks a worker to stop while it scores, and expects it
// to commit what it has in hand and say that it is not done.
func TestFault03_StopDrains(t *testing.T) {
	images, out := collection(t, 100), new(mem.Store)
	stop := make(chan struct{})
	var once sync.Once
	o := options(t, images, out)
	o.Stop = stop
	o.hook = func(point string, _ int) {
		if point == "after-commit" {
			once.Do(func() { close(stop) })
		}
	}
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrStopped) {
		t.Fatalf("Run() = %v, want ErrStopped", err)
	}
	claims, err := claim.New(claim.Config{Store: out, Worker: claim.ThisProcess(o.World), Lease: o.Lease}).Scan(t.Context(), nil)
	if err != nil {
		t.Fatal(err)
	}
	done, err := output.Done(t.Context(), out, &output.Job{Format: row.JSONL}, shard.Chunks{Entries: 100, Size: 10})
	if err != nil {
		t.Fatal(err)
	}
	if n := done.Count(); n == 0 || n == 10 {
		t.Errorf("%d of 10 chunks are committed: want some, not all", n)
	}
	for chunk, c := range claims {
		if c.Live && !done.Has(chunk) {
			t.Errorf("chunk %d was claimed and neither committed nor released", chunk)
		}
	}
	mustRun(t, options(t, images, out))
	verified(t, out)
	if mergedText(t, out) != undisturbed(t, images) {
		t.Error("the merged rows differ from those of an undisturbed run")
	}
}

// TestFault03_GraceEnds has an engine that runs until it is cancelled: the
// worker drops the chunk when the grace is over.
func TestFault03_GraceEnds(t *testing.T) {
	images, out := collection(t, 30), new(mem.Store)
	stop := make(chan struct{})
	engine := newFakeEngine()
	var once sync.Once
	var inside atomic.Int32
	engine.score = func(ctx context.Context, _, _ int) error {
		inside.Add(1)
		defer inside.Add(-1)
		once.Do(func() { close(stop) })
		<-ctx.Done()
		return ctx.Err()
	}
	o := options(t, images, out)
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	o.Stop, o.Grace = stop, time.Millisecond
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrStopped) {
		t.Fatalf("Run() = %v, want ErrStopped", err)
	}
	if inside.Load() != 0 || !engine.closed.Load() {
		t.Error("the worker left before the engine did")
	}
	mustRun(t, options(t, images, out))
	verified(t, out)
}

// TestFault06_WorldChangesAcrossRestarts stops 4 ranks, then 3, then lets 7
// finish.
func TestFault06_WorldChangesAcrossRestarts(t *testing.T) {
	images, out := collection(t, 201), new(mem.Store)
	for _, world := range []int{4, 3, 7} {
		stop := make(chan struct{})
		var once sync.Once
		var commits atomic.Int32
		var wg sync.WaitGroup
		for rank := range world {
			o := options(t, images, out)
			o.World = shard.World{Rank: rank, Size: world, LocalSize: 1}
			if world != 7 {
				o.Stop = stop
			}
			o.hook = func(point string, _ int) {
				if point == "after-commit" && commits.Add(1) == 5 {
					once.Do(func() { close(stop) })
				}
			}
			wg.Go(func() {
				if _, err := Run(context.Background(), o); err != nil && !errors.Is(err, ErrStopped) {
					t.Errorf("rank %d of %d: %v", rank, world, err)
				}
			})
		}
		wg.Wait()
	}
	verified(t, out)
	if mergedText(t, out) != undisturbed(t, images) {
		t.Error("the merged rows differ from those of one rank")
	}
}

// TestResumeKeepsTheChunks: a job continues with the chunks that it was begun with,
// whatever this version would choose.
func TestResumeKeepsTheChunks(t *testing.T) {
	images := collection(t, 35)
	for _, tt := range []struct{ recorded, want int }{
		{recorded: 0, want: shard.DefaultChunk(35, newFakeEngine().DefaultBatch())}, // the first worker chooses
		{recorded: 7, want: 7}, // chosen before, by another rule
	} {
		out := new(mem.Store)
		o := options(t, images, out)
		o.Job.Chunk = tt.recorded
		o.Budget = 1
		if _, err := Run(t.Context(), o); !errors.Is(err, ErrPaused) {
			t.Fatal(err)
		}
		if job, err := output.ReadJob(t.Context(), out); err != nil || job.Chunk != tt.want {
			t.Errorf("the record has chunks of %d, %v, want %d", job.Chunk, err, tt.want)
		}
		again := options(t, images, out)
		again.Job.Chunk = 0
		if s := mustRun(t, again); s.ChunkSize != tt.want {
			t.Errorf("the job continued with chunks of %d, want %d", s.ChunkSize, tt.want)
		}
		verified(t, out)
	}
}

// TestFault09_TwoLiveRanksOnOneChunk lets the claims of a slow worker expire. Another
// worker scores its chunks, and the slow one discards what it has.
func TestFault09_TwoLiveRanksOnOneChunk(t *testing.T) {
	images := collection(t, 25)
	var now atomic.Int64
	now.Store(time.Now().UnixNano())
	out := &mem.Store{Now: func() time.Time { return time.Unix(0, now.Load()) }}

	slow := options(t, images, out)
	engine := newFakeEngine()
	started, resume := make(chan struct{}), make(chan struct{})
	var once sync.Once
	engine.score = func(context.Context, int, int) error {
		once.Do(func() { close(started) })
		<-resume
		return nil
	}
	slow.OpenEngine = func() (Engine, error) { return engine, nil }
	slowEnded := make(chan error)
	go func() {
		_, err := Run(context.Background(), slow)
		slowEnded <- err
	}()
	<-started
	now.Add(int64(2 * slow.Lease))
	mustRun(t, options(t, images, out))
	close(resume)
	if err := <-slowEnded; err != nil {
		t.Errorf("the slow worker: %v", err)
	}
	verified(t, out)
	if mergedText(t, out) != undisturbed(t, images) {
		t.Error("the merged rows differ from those of an undisturbed run")
	}
}

// TestFault54_NoNumbersAtAll: a model that computes NaN for all images leaves rows that say so, and a
// job that failed.
func TestFault54_NoNumbersAtAll(t *testing.T) {
	images, out := collection(t, 10), new(mem.Store)
	o := options(t, images, out)
	o.OpenEngine = func() (Engine, error) { return nanEngine{newFakeEngine()}, nil }
	_, err := Run(t.Context(), o)
	if !errors.Is(err, ErrTooManyFailed) || !strings.Contains(err.Error(), "10 of 10 (not_finite 10)") {
		t.Errorf("Run() = %v, want ErrTooManyFailed", err)
	}
	if n := strings.Count(mergedText(t, out), `"not_finite"`); n != 10 {
		t.Errorf("%d rows are not_finite, want 10", n)
	}
}

type nanEngine struct{ *fakeEngine }

func (e nanEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	err := e.fakeEngine.Score(ctx, b, lo, hi)
	zero := float32(0)
	for i := range b.Scores {
		b.Scores[i] = zero / zero
	}
	return err
}

func TestFault22_AnotherModelOnResume(t *testing.T) {
	images, out := collection(t, 10), new(mem.Store)
	mustRun(t, options(t, images, out))
	o := options(t, images, out)
	o.Job.ModelDigest = "sha256:other"
	if _, err := Run(t.Context(), o); !errors.Is(err, output.ErrMismatch) {
		t.Errorf("Run() = %v, want ErrMismatch", err)
	}
}

// TestFault32_OutOfMemoryHalvesTheBatch runs an engine with memory for 3 images.
func TestFault32_OutOfMemoryHalvesTheBatch(t *testing.T) {
	images, out := collection(t, 40), new(mem.Store)
	engine := newFakeEngine()
	var most atomic.Int64
	engine.score = func(_ context.Context, lo, hi int) error {
		if hi-lo > 3 {
			return fmt.Errorf("%d images: %w", hi-lo, models.ErrOutOfMemory)
		}
		most.Store(max(most.Load(), int64(hi-lo)))
		return nil
	}
	var log strings.Builder
	o := options(t, images, out)
	o.Log = o.Log.Output(&log)
	o.Job.Batch = 10
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	mustRun(t, o)
	verified(t, out)
	if most.Load() != 2 { // 10, 5, 2
		t.Errorf("batches of %d were run, want 2", most.Load())
	}
	if n := strings.Count(log.String(), "batch halved"); n != 2 || strings.Count(log.String(), "last digits") != 1 {
		t.Errorf("the log does not report each time, and once what it means:\n%s", log.String())
	}
	all, err := output.ReadSummaries(t.Context(), out)
	if err != nil || len(all) != 1 || all[0].BatchHalved != 2 {
		t.Errorf("the summaries are %+v, %v, want one with the batch halved twice", all, err)
	}
}

// TestFault32_LastBatchDoesNotFit has an engine that computes whole batches, however few
// images it is given, and runs out of memory only near the end. A failure then says
// nothing about the few images of the last batch.
func TestFault32_LastBatchDoesNotFit(t *testing.T) {
	images, out := collection(t, 21), new(mem.Store)
	engine := newFakeEngine()
	var sizes []int
	engine.score = func(_ context.Context, lo, hi int) error {
		sizes = append(sizes, hi-lo)
		if last := slices.Index(sizes, 5); last >= 0 && last >= len(sizes)-2 { // with the last batch, and once more
			return fmt.Errorf("%d images: %w", hi-lo, models.ErrOutOfMemory)
		}
		return nil
	}
	o := options(t, images, out)
	o.Sessions, o.Job.Chunk, o.Job.Batch = 1, 21, 8
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	mustRun(t, o)
	verified(t, out)
	after := sizes[slices.Index(sizes, 5)+1:]
	if after[0] != 4 || slices.Max(after[1:]) != 2 {
		t.Errorf("%v images were scored at a time, want 4 after 5, and then at most 2", sizes)
	}
}

// TestFault32_NothingFits has an engine that knows that no batch fits.
func TestFault32_NothingFits(t *testing.T) {
	images, out := collection(t, 10), new(mem.Store)
	engine := newFakeEngine()
	var runs atomic.Int64
	engine.score = func(context.Context, int, int) error {
		runs.Add(1)
		return fmt.Errorf("%w: %w", models.ErrNothingFits, models.ErrOutOfMemory)
	}
	o := options(t, images, out)
	o.Sessions, o.Job.Batch = 1, 8
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	if _, err := Run(t.Context(), o); !errors.Is(err, models.ErrNothingFits) || runs.Load() != 1 {
		t.Errorf("Run() = %v after %d attempts, want ErrNothingFits after 1", err, runs.Load())
	}
}

func TestOutOfMemoryOnASingleImageIsAnError(t *testing.T) {
	images, out := collection(t, 10), new(mem.Store)
	engine := newFakeEngine()
	engine.score = func(context.Context, int, int) error { return models.ErrOutOfMemory }
	o := options(t, images, out)
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	if _, err := Run(t.Context(), o); !errors.Is(err, models.ErrOutOfMemory) {
		t.Errorf("Run() = %v, want ErrOutOfMemory", err)
	}
}

// TestCompleteJobNeedsNoModel runs a finished job again.
func TestCompleteJobNeedsNoModel(t *testing.T) {
	images, out := collection(t, 10), new(mem.Store)
	first := mustRun(t, options(t, images, out))
	o := options(t, images, out)
	o.OpenEngine = func() (Engine, error) { return nil, errors.New("the model was loaded") }
	if again := mustRun(t, o); again.Checksum != first.Checksum {
		t.Error("_SUCCESS was written again")
	}
}
