package scorer

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// round is one start of a world of ranks, and the faults that it meets.
type round struct {
	// another is true if another job is started instead, on the same output.
	another bool
	ranks   int
	// crash is the call of its stores at which the whole world dies; 0 is none.
	crash int
	// Shares of the calls that meet a fault.
	lost, throttled, broken float64
	seed                    uint64
}

// drawRounds draws the history of a job.
func drawRounds(rt *rapid.T) []round {
	return rapid.SliceOfN(rapid.Custom(func(rt *rapid.T) round {
		r := round{ranks: rapid.IntRange(1, 5).Draw(rt, "ranks"), seed: rapid.Uint64().Draw(rt, "seed")}
		share := rapid.Float64Range(0, 0.3)
		switch step := rapid.SampledFrom([]string{"quiet", "faulty", "crash", "another"}).Draw(rt, "step"); step {
		case "faulty", "crash":
			r.lost, r.throttled, r.broken = share.Draw(rt, "lost"), share.Draw(rt, "throttled"), share.Draw(rt, "broken")
			if step == "crash" {
				r.crash = rapid.IntRange(1, 200).Draw(rt, "call")
			}
		case "another":
			r.another = true
		}
		return r
	}), 0, 5).Draw(rt, "rounds")
}

// TestPropertyRowsEqualTheManifest drives jobs through random histories of crashes,
// retries, other numbers of ranks, other jobs on the same output, lost answers,
// throttling and broken bodies. After each round, no image has two rows, and every
// row is of an image in the manifest. After a round that succeeded, every image has
// one row.
func TestPropertyRowsEqualTheManifest(t *testing.T) {
	all := pictures(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := &history{
			images: new(mem.Store), out: new(mem.Store),
			count: rapid.IntRange(1, len(all)).Draw(rt, "images"),
			chunk: rapid.IntRange(1, 12).Draw(rt, "chunk"),
		}
		// Whatever happens, a rerun completes the job.
		plan := append(drawRounds(rt), round{ranks: 1})
		var err error
		// In the bubble's clock, pauses and leases end at once.
		synctest.Test(t, func(*testing.T) {
			for i := range h.count {
				h.images.Put(pictureName(i), all[i])
			}
			err = h.play(plan)
		})
		if err != nil {
			rt.Fatal(err)
		}
	})
}

// history is a job and its state so far.
type history struct {
	images *mem.Store
	out    *mem.Store
	count  int // images
	chunk  int
	done   bool // a round succeeded
}

func (h *history) play(plan []round) error {
	for i, r := range plan {
		err := h.run(r)
		if err == nil {
			err = h.check()
		}
		if err != nil {
			return fmt.Errorf("round %d: %w", i, err)
		}
	}
	if !h.done {
		return errors.New("a quiet rerun did not complete the job")
	}
	return nil
}

// pictures returns the bodies of the images.
func pictures(t *testing.T) (all [][]byte) {
	for i := range 40 {
		all = append(all, picture(t, i))
	}
	return all
}

func (h *history) options(images, out store.Store) Options {
	o := options(nil, images, out)
	o.Job.Chunk = h.chunk
	o.Lease = time.Minute
	o.Decoders, o.Fetchers = 1, 4
	return o
}

// run starts a world and waits until all its ranks have ended.
func (h *history) run(r round) error {
	if r.another {
		return h.another()
	}
	ctx, crash := context.WithCancel(context.Background())
	defer crash()
	w := &weather{round: r, crash: crash, crashed: ctx.Err, rng: rand.New(rand.NewPCG(r.seed, 1))}
	patience := patient.Options{First: time.Microsecond, Longest: 10 * time.Microsecond}
	errs := make([]error, r.ranks)
	var world sync.WaitGroup
	for rank := range r.ranks {
		o := h.options(patient.New(w.over(h.images), patience), patient.New(w.over(h.out), patience))
		o.World = shard.World{Rank: rank, Size: r.ranks, LocalSize: 1}
		world.Go(func() { _, errs[rank] = Run(ctx, o) })
	}
	world.Wait()
	for rank, err := range errs {
		if err == nil {
			h.done = true
		} else if ctx.Err() == nil {
			return fmt.Errorf("rank %d of %d: %w", rank, r.ranks, err)
		}
	}
	return nil
}

// weather is the faults that a world of ranks meets at its stores.
type weather struct {
	round
	crash   func()
	crashed func() error // returns an error after the crash
	calls   atomic.Int64
	mu      sync.Mutex
	rng     *rand.Rand
}

func (w *weather) chance(share float64) bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.rng.Float64() < share
}

// before returns the fault that a call meets on its way to the store. After the
// crash no call reaches it.
func (w *weather) before() error {
	if n := int(w.calls.Add(1)); w.round.crash > 0 && n >= w.round.crash {
		w.crash()
	}
	if err := w.crashed(); err != nil {
		return err
	}
	if w.chance(w.throttled) {
		return &store.Transient{Throttled: true, Err: errors.New("busy")}
	}
	return nil
}

// over returns a store with the faults on top of another.
func (w *weather) over(st store.Store) store.Store {
	return &storetest.Faulty{
		Store:        st,
		BeforeCreate: func(context.Context, int, string, []byte) error { return w.before() },
		BeforeOpen:   func(context.Context, int, string) error { return w.before() },
		AfterCreate: func(_ int, _ store.Object, err error) error {
			if err == nil && w.chance(w.lost) {
				return &store.Transient{Err: errors.New("connection reset")}
			}
			return err
		},
		Body: func(_ store.Object, r io.ReadCloser) io.ReadCloser {
			if w.chance(w.broken) {
				return nopCloser{io.LimitReader(r, 100)}
			}
			return r
		},
		Listed: func(int, store.Object) (int, error) {
			if w.chance(w.throttled / 10) {
				return 0, &store.Transient{Throttled: true, Err: errors.New("busy")}
			}
			return 1, nil
		},
	}
}

// another starts a job with another model on the same output. If there is a job, it
// must change nothing and end with an error.
func (h *history) another() error {
	_, err := output.ReadJob(context.Background(), h.out)
	if errors.Is(err, store.ErrNotExist) {
		return nil
	}
	before, err := h.listing()
	if err != nil {
		return err
	}
	o := h.options(h.images, h.out)
	o.Job.ModelDigest = "sha256:another"
	if _, err := Run(context.Background(), o); !errors.Is(err, output.ErrMismatch) && !errors.Is(err, output.ErrOtherJob) {
		return fmt.Errorf("a job with another model: %w, want ErrMismatch or ErrOtherJob", err)
	}
	after, err := h.listing()
	if err == nil && after != before {
		err = fmt.Errorf("a job with another model changed the output:\n%s\nwas\n%s", after, before)
	}
	return err
}

// listing returns the names and versions of all objects of the output.
func (h *history) listing() (text string, err error) {
	err = h.out.List(context.Background(), "", func(o store.Object) error {
		text += fmt.Sprintf("%s %s\n", o.Name, o.ETag)
		return nil
	})
	return text, err
}

// check counts the rows of the output.
func (h *history) check() error {
	ctx := context.Background()
	frozen, err := output.Frozen(ctx, h.out)
	if err != nil || !frozen {
		if h.done {
			err = errors.Join(err, errors.New("the job succeeded without a manifest"))
		}
		return err
	}
	rows := map[string]int{}
	if err := output.Rows(ctx, h.out, func(r row.Row) error {
		name, err := r.Name()
		rows[name]++
		if r.Status != row.StatusOK {
			return fmt.Errorf("%s has the status %s: %s", name, r.Status, r.Error)
		}
		return err
	}); err != nil {
		return err
	}
	for i := range h.count {
		name := pictureName(i)
		if n := rows[name]; n > 1 || h.done && n == 0 {
			return fmt.Errorf("%d rows for %s", n, name)
		}
		delete(rows, name)
	}
	if len(rows) > 0 {
		return fmt.Errorf("rows of unknown images: %v", rows)
	}
	if !h.done {
		return nil
	}
	report, err := output.Verify(ctx, h.out)
	if err == nil {
		err = report.Err()
	}
	if err != nil || !report.Complete {
		return fmt.Errorf("verify: %w\n%s", err, report.String())
	}
	return nil
}
