package scorer

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestACommitDoesNotHoldTheDevice delays the first part until the only lane has
// scored four batches: both of its chunk, and others. Of no other chunk may both be
// scored until then.
func TestACommitDoesNotHoldTheDevice(t *testing.T) {
	const batches = 4
	engine := newFakeEngine()
	engine.lanes = 1
	var mu sync.Mutex
	scored, total := map[int]int{}, 0 // batches by chunk, and of all
	enough := make(chan struct{})
	var parts atomic.Int32
	place := new(mem.Store)
	out := &storetest.Faulty{Store: place, BeforeCreate: func(ctx context.Context, _ int, name string, _ []byte) error {
		if strings.HasPrefix(name, "part-") && parts.Add(1) == 1 {
			select {
			case <-enough:
			case <-ctx.Done():
				return ctx.Err()
			}
			mu.Lock()
			defer mu.Unlock()
			for chunk, n := range scored {
				if mine := name == fmt.Sprintf("part-%05d.jsonl", chunk); (n == 2) != mine {
					t.Errorf("%d batches of chunk %d were scored before %s", n, chunk, name)
				}
			}
		}
		return nil
	}}
	o := options(t, collection(t, 40), out)
	o.Job.Chunk, o.Job.Batch = 8, 4
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	o.hook = func(point string, chunk int) {
		if point != "after-infer" {
			return
		}
		mu.Lock()
		defer mu.Unlock()
		scored[chunk]++
		if total++; total == batches {
			close(enough)
		}
	}
	if s := mustRun(t, o); s.Statuses[row.StatusOK] != 40 {
		t.Errorf("_SUCCESS is %+v, want 40 ok", s)
	}
	verified(t, place)
}

// TestHeldBackBatchesGoInTurn: the last batch of a chunk goes to the device when it
// is its turn, whichever lane held it back and whichever asks next.
func TestHeldBackBatchesGoInTurn(t *testing.T) {
	gate, ready := newGate(2, 2), make(chan *batch, 2)
	batchOf := func(chunkIndex int, unstarted int32) *batch {
		c := &chunk{index: chunkIndex}
		c.unstarted.Store(unstarted)
		return &batch{chunk: c}
	}
	a, b := &laneQueue{gate: gate, ready: ready}, &laneQueue{gate: gate, ready: ready}
	next := func(q *laneQueue, want int) {
		t.Helper()
		if b, err := q.next(t.Context()); err != nil || b.chunk.index != want {
			t.Fatalf("next() = %+v, %v, want a batch of chunk %d", b, err, want)
		}
	}
	if err := gate.enter(t.Context()); err != nil { // a commit is under way
		t.Fatal(err)
	}
	ready <- batchOf(1, 1)
	ready <- batchOf(2, 2)
	next(a, 2)
	ready <- batchOf(2, 1)
	ready <- batchOf(3, 2)
	next(b, 3)
	go func() {
		if err := gate.releaseHeld(t.Context()); err != nil {
			t.Error(err)
		}
	}()
	gate.leave() // the commit is done
	next(b, 1)   // which a held back
	gate.leave()
	next(a, 2)
	close(ready)
	ended := make(chan *batch, 2)
	for _, q := range []*laneQueue{a, b} {
		go func() {
			b, err := q.next(t.Context())
			if err != nil {
				t.Error(err)
			}
			ended <- b
		}()
	}
	for range 2 {
		if b := <-ended; b != nil {
			t.Errorf("after the end: next() = %+v, want nil", b)
		}
	}
}

// boldEngine gives bright pictures numbers that no float16 holds.
type boldEngine struct{ *fakeEngine }

func (e boldEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if err := e.fakeEngine.Score(ctx, b, lo, hi); err != nil {
		return err
	}
	stride := e.spec.RowBytes()
	for i := lo; i < hi; i++ {
		if b.Pixels[i*stride] > 128 {
			b.Scores[i*e.classes] = 1e6
		}
	}
	return nil
}

// TestOutOfRangeIsARow: an image whose vector float16 cannot hold has a row that says so, the same
// in batches of any size, and the job is complete.
func TestOutOfRangeIsARow(t *testing.T) {
	t.Parallel()
	images := new(mem.Store)
	for i := range 12 {
		if _, err := images.Create(t.Context(), pictureName(i), picture(t, i)); err != nil {
			t.Fatal(err)
		}
	}
	var texts []string
	for _, batch := range []int{1, 5} {
		out := new(mem.Store)
		o := options(t, images, out)
		o.Contract.Task, o.Contract.Settings = models.Embed, models.Settings{Element: models.ElementFloat16}
		o.Contract.Output, o.Contract.Labels = "", nil
		o.Job.Batch, o.Job.LabelsDigest = batch, o.Contract.LabelsDigest()
		o.OpenEngine = func() (Engine, error) { return boldEngine{newFakeEngine()}, nil }
		s := mustRun(t, o)
		if n := s.Statuses[row.StatusOutOfRange]; n == 0 || n+s.Statuses[row.StatusOK] != 12 {
			t.Errorf("batches of %d: %v", batch, s.Statuses)
		}
		texts = append(texts, mergedText(t, out))
	}
	if texts[0] != texts[1] || !strings.Contains(texts[0], "too large for float16") {
		t.Errorf("rows are\n%s\nand in larger batches\n%s", texts[0], texts[1])
	}
}

// brokenEngine gives bright pictures no numbers: the first once times, or always if once is nil.
type brokenEngine struct {
	*fakeEngine
	once *atomic.Int32
}

func (e brokenEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if err := e.fakeEngine.Score(ctx, b, lo, hi); err != nil {
		return err
	}
	for i := lo; i < hi; i++ {
		if b.Pixels[i*e.spec.RowBytes()] > 128 && (e.once == nil || e.once.Add(-1) >= 0) {
			b.Scores[(i+1)*e.classes-1] = float32(math.NaN())
		}
	}
	return nil
}

// losingEngine is a brokenEngine that gives a batch with bright pictures no numbers at all when it is
// asked again.
type losingEngine struct {
	brokenEngine
	asked sync.Map // first pixels of batches
}

func (e *losingEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	if err := e.brokenEngine.Score(ctx, b, lo, hi); err != nil {
		return err
	}
	if _, again := e.asked.LoadOrStore(string(b.Pixels), true); again {
		for i := range b.Scores {
			b.Scores[i] = float32(math.NaN())
		}
	}
	return nil
}

// TestFault54_NoNumbers: an image for which the model computes NaN has a row that says so, the same
// in batches of any size, in every task, and the rows of the others are as they are without it. A
// device that computes numbers when it is asked again is not trusted, and writes nothing.
func TestFault54_NoNumbers(t *testing.T) {
	t.Parallel()
	for _, task := range []string{models.Classify, models.MultiLabel, models.Embed, models.Raw} {
		t.Run(task, func(t *testing.T) {
			t.Parallel()
			images := new(mem.Store)
			for i := range 12 {
				if _, err := images.Create(t.Context(), pictureName(i), picture(t, i)); err != nil {
					t.Fatal(err)
				}
			}
			begin := func(batch int, open func() Engine) (Options, *mem.Store) {
				out := new(mem.Store)
				o := options(t, images, out)
				o.Contract.Task = task
				switch task {
				case models.MultiLabel:
					o.Contract.Output, o.Contract.Settings = models.Independent, models.Settings{Threshold: 0.5}
				case models.Raw:
					o.Contract.Settings.Columns = o.Contract.Labels
					o.Contract.Output, o.Contract.Labels = "", nil
				case models.Embed:
					o.Contract.Output, o.Contract.Labels = "", nil
				}
				o.MaxErrors = judge.None
				o.Job.Batch, o.Job.LabelsDigest = batch, o.Contract.LabelsDigest()
				o.OpenEngine = func() (Engine, error) { return open(), nil }
				return o, out
			}
			o, out := begin(5, func() Engine { return newFakeEngine() })
			mustRun(t, o)
			healthy := strings.Split(mergedText(t, out), "\n")
			for _, batch := range []int{1, 5} {
				o, out := begin(batch, func() Engine { return brokenEngine{newFakeEngine(), nil} })
				s := mustRun(t, o)
				if n := s.Statuses[row.StatusNotFinite]; n == 0 || n == 12 || n+s.Statuses[row.StatusOK] != 12 {
					t.Errorf("batches of %d: %v", batch, s.Statuses)
				}
				broken := 0
				for i, line := range strings.Split(mergedText(t, out), "\n") {
					switch failed := strings.Contains(line, "the model's output for it contains NaN or infinity"); {
					case failed:
						broken++
					case line != healthy[i]:
						t.Errorf("batches of %d: the row of an image with numbers is %s, and without the others %s", batch, line, healthy[i])
					}
				}
				if broken != s.Statuses[row.StatusNotFinite] {
					t.Errorf("batches of %d: %d rows say why, want %v", batch, broken, s.Statuses)
				}
			}
			losing := &losingEngine{brokenEngine: brokenEngine{newFakeEngine(), nil}}
			o, _ = begin(5, func() Engine { return losing })
			if _, err := Run(t.Context(), o); !errors.Is(err, models.ErrDevice) || !strings.Contains(err.Error(), "NaN or infinity when asked again") {
				t.Errorf("a device that loses numbers when asked again: %v, want an error of the device", err)
			}
			var once atomic.Int32
			once.Store(1)
			o, out = begin(5, func() Engine { return brokenEngine{newFakeEngine(), &once} })
			_, err := Run(t.Context(), o)
			if !errors.Is(err, models.ErrDevice) || !strings.Contains(err.Error(), "numbers when asked again") {
				t.Errorf("a device that gave NaN once: %v, want an error of the device", err)
			}
			if _, err := output.ReadSuccess(t.Context(), out); err == nil {
				t.Error("a device that gave NaN once completed the job")
			}
		})
	}
}
