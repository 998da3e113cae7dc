package scorer

import (
	"bytes"
	"context"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// paper is a Delivery to memory.
type paper struct {
	holds  bool
	asked  func() // called once the job is complete
	writes atomic.Int32
	err    error
}

func (p *paper) delivery() *Delivery {
	return &Delivery{
		Holds: func(context.Context, *output.Success) (bool, error) {
			if p.asked != nil {
				p.asked()
			}
			return p.holds, nil
		},
		Write: func(context.Context, *output.Success) error {
			p.writes.Add(1)
			return p.err
		},
	}
}

// TestDeliveryWaitsForNobody: a worker on another machine has the claim on the file, for
// an hour. The ranks that may be needed write the file at once, the others leave it.
func TestDeliveryWaitsForNobody(t *testing.T) {
	t.Parallel()
	for name, tt := range map[string]struct {
		before bool // whether the job is complete when this worker starts
		holds  bool // whether the file holds the rows
		writer int  // the rank of the other worker; -1 for none
		world  shard.World
		writes bool
	}{
		"the writer of _SUCCESS": {writer: 1, world: shard.World{Size: 2}, writes: true},
		"rank 0, later":          {before: true, writer: 1, world: shard.World{Size: 2}, writes: true},
		"alone, later":           {before: true, writer: 0, world: shard.World{Size: 1}, writes: true},
		"the same rank, later":   {before: true, writer: 1, world: shard.World{Rank: 1, Size: 2}, writes: true},
		"another rank, later":    {before: true, writer: 0, world: shard.World{Rank: 1, Size: 2}},
		"without rank 0":         {before: true, writer: -1, world: shard.World{Rank: 1, Size: 2}, writes: true},
		"it is written":          {before: true, holds: true, writer: -1, world: shard.World{Size: 1}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			images, out := collection(t, 12), new(mem.Store)
			if tt.before {
				mustRun(t, options(t, images, out))
			}
			file := &paper{holds: tt.holds}
			file.asked = func() {
				if tt.writer < 0 {
					return
				}
				other := claim.ThisProcess(shard.World{Rank: tt.writer, Size: 2})
				other.Host = "elsewhere"
				claims := claim.New(claim.Config{Store: out, Worker: other, Lease: time.Hour})
				if ok, err := claims.TryAcquire(t.Context(), claim.OnDelivery); !ok || err != nil {
					t.Error(ok, err)
				}
			}
			o := options(t, images, out)
			var log bytes.Buffer
			o.World, o.Delivery, o.Lease, o.Log = tt.world, file.delivery(), time.Hour, zerolog.New(&log)
			mustRun(t, o)
			if got := file.writes.Load() > 0; got != tt.writes {
				t.Errorf("it writes the file: %v, want %v", got, tt.writes)
			}
			if told := bytes.Contains(log.Bytes(), []byte(`"host":"elsewhere"`)); told == (tt.writes || tt.holds) {
				t.Errorf("it names the worker that writes the file: %v in\n%s", told, log.String())
			}
		})
	}
}

// TestDeliveryGivesItsClaimUp: whether the file was written or not, the next worker need
// not wait for the lease to end.
func TestDeliveryGivesItsClaimUp(t *testing.T) {
	t.Parallel()
	for name, failure := range map[string]error{"written": nil, "failed": store.ErrDenied} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			out := new(mem.Store)
			o := options(t, collection(t, 12), out)
			o.Lease, o.Delivery = time.Hour, (&paper{err: failure}).delivery()
			if _, err := Run(t.Context(), o); (err == nil) != (failure == nil) {
				t.Fatalf("Run() = %v", err)
			}
			other := claim.ThisProcess(shard.World{Rank: 1, Size: 2})
			other.Host = "elsewhere"
			claims := claim.New(claim.Config{Store: out, Worker: other, Lease: time.Hour})
			if ok, err := claims.TryAcquire(t.Context(), claim.OnDelivery); !ok || err != nil {
				t.Errorf("TryAcquire() = %v, %v, want the right", ok, err)
			}
		})
	}
}
