package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"testing"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// errKilled is the error of a simulated process that is killed.
var errKilled = errors.New("killed")

// lifetime lets a process make some creates and then kills it, before the
// create takes effect or after it.
func lifetime(inner store.Store, creates int, after bool) *storetest.Faulty {
	f := &storetest.Faulty{Store: inner}
	f.BeforeCreate = func(_ context.Context, n int, _ string, _ []byte) error {
		if n > creates || n == creates && !after {
			return errKilled
		}
		return nil
	}
	f.AfterCreate = func(n int, _ store.Object, err error) error {
		if n == creates {
			return errKilled
		}
		return err
	}
	return f
}

// process runs one rank. It returns nil only if the job is complete.
func process(ctx context.Context, st store.Store, w claim.Worker, clk *clock, want Job, m *shard.Manifest) error {
	j, _, err := Join(ctx, st, want)
	if err != nil {
		return err
	}
	if m, err = Freeze(ctx, st, freeze(m)); err != nil {
		return err
	}
	c := j.Chunks(m.Len())
	done, err := Done(ctx, st, &j, c)
	if err != nil {
		return err
	}
	claims := claimsOf(st, w, clk)
	for chunk := range c.StealOrder(w.Rank, w.World) {
		if done.Has(chunk) {
			continue
		}
		ok, err := claims.TryAcquire(ctx, claim.OnChunk(chunk))
		if err != nil {
			return err
		}
		if !ok {
			continue
		}
		if _, err := Commit(ctx, st, &j, m, chunk, rowsOf(m, c, chunk)); err != nil {
			return err
		}
	}
	_, err = Finish(ctx, st, j, m, FinishOptions{})
	return err
}

// TestFault06_KilledAndResized: processes are killed before or after any create, and the job is started
// again with another number of ranks, over and over. In the end the rows equal the
// manifest, and the merged bytes are those of one undisturbed rank.
func TestFault06_KilledAndResized(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		names := numbered(rapid.IntRange(0, 60).Draw(rt, "images"))
		want := testJob(rapid.SampledFrom(formats).Draw(rt, "format"))
		alone := new(mem.Store)
		calm := &clock{newClock().now}
		if err := process(t.Context(), alone, claim.Worker{ID: "alone", World: 1}, calm, want, manifestOf(t, names)); err != nil {
			rt.Fatal(err)
		}

		clk := newClock()
		st := clk.store()
		worker := 0
		for range rapid.IntRange(1, 5).Draw(rt, "runs") {
			world := rapid.SampledFrom([]int{1, 3, 4, 7, 32}).Draw(rt, "world")
			for rank := range world {
				life := rapid.IntRange(0, 12).Draw(rt, "life")
				worker++
				w := elsewhere(worker)
				w.Rank, w.World = rank, world
				f := lifetime(st, life, rapid.Bool().Draw(rt, "after"))
				err := process(t.Context(), f, w, clk, want, manifestOf(t, names))
				if err != nil && !errors.Is(err, errKilled) && !errors.Is(err, ErrIncomplete) {
					rt.Fatalf("rank %d of %d: %v", rank, world, err)
				}
			}
			clk.now = clk.now.Add(2 * lease)
		}
		// The rerun that nobody disturbs.
		last := claim.Worker{ID: fmt.Sprint("last", worker), World: 1}
		if err := process(t.Context(), st, last, clk, want, manifestOf(t, names)); err != nil {
			rt.Fatal(err)
		}
		checkRows(t, st, names)
		var got, expected bytes.Buffer
		if err := errors.Join(Merge(t.Context(), st, &got, MergeOptions{}), Merge(t.Context(), alone, &expected, MergeOptions{})); err != nil {
			rt.Fatal(err)
		}
		if !bytes.Equal(got.Bytes(), expected.Bytes()) {
			rt.Fatalf("Merge() wrote %d bytes, want the %d of one rank", got.Len(), expected.Len())
		}
	})
}
