package scorer

import (
	"context"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestACommitDoesNotHoldTheDevice has the first part stay under way until the
// only lane has scored four batches: both of its chunk, the first of the second
// chunk, and, since that is not to be finished yet, the first of the third.
func TestACommitDoesNotHoldTheDevice(t *testing.T) {
	const batches = 4
	engine := newFakeEngine()
	engine.lanes = 1
	var scored, parts atomic.Int32
	enough := make(chan struct{})
	engine.score = func(context.Context, int, int) error {
		if scored.Add(1) == batches {
			close(enough)
		}
		return nil
	}
	place := new(mem.Store)
	out := &storetest.Faulty{Store: place, BeforeCreate: func(ctx context.Context, _ int, name string, _ []byte) error {
		if strings.HasPrefix(name, "part-") && parts.Add(1) == 1 {
			select {
			case <-enough:
			case <-ctx.Done():
				return ctx.Err()
			}
			// The last batch of the second chunk waits for this part.
			if n := scored.Load(); n != batches {
				t.Errorf("%d batches were scored before the first part stood", n)
			}
		}
		return nil
	}}
	o := options(t, collection(t, 40), out)
	o.Job.Chunk, o.Job.Batch = 8, 4
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	if s := mustRun(t, o); s.Statuses[output.StatusOK] != 40 {
		t.Errorf("_SUCCESS says %+v", s)
	}
	verified(t, place)
}
