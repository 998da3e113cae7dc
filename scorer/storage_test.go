package scorer

import (
	"context"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/patient"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestFault11_ThrottlingIsCounted throttles the store of the images, but not that of
// the result. The summary of the worker, _SUCCESS and the progress must show it.
func TestFault11_ThrottlingIsCounted(t *testing.T) {
	const every, images = 5, 50
	refused := int64(0)
	busy := &storetest.Faulty{Store: collection(t, images), BeforeOpen: func(_ context.Context, n int, _ string) error {
		if n%every != 0 {
			return nil
		}
		refused++
		return &store.Transient{Throttled: true, Err: errors.New("503")}
	}}
	place := new(mem.Store)
	out := patient.New(place, patient.Options{})
	o := options(t, patient.New(busy, patient.Options{First: time.Millisecond, Longest: time.Millisecond}), out)
	o.Fetchers = 1
	s := mustRun(t, o)
	verified(t, place)

	if refused < images/every {
		t.Fatalf("%d calls were refused, want at least %d", refused, images/every)
	}
	workers, err := output.ReadSummaries(t.Context(), place)
	if err != nil || len(workers) != 1 {
		t.Fatalf("ReadSummaries() = %d summaries, %v, want 1", len(workers), err)
	}
	have := workers[0].Storage
	if i := have["images"]; i.Throttled != refused || i.Retries != refused || i.Calls < images+refused || i.PausedSeconds <= 0 {
		t.Errorf("the images' store: %+v, want %d throttled", i, refused)
	}
	if r := have["out"]; r.Calls == 0 || r.Trouble() {
		t.Errorf("the store of the result: %+v, want calls without trouble", r)
	}
	if s.Storage == nil || s.Storage.Throttled != refused || s.Storage.Calls != have["images"].Calls+have["out"].Calls {
		t.Errorf("_SUCCESS has storage %+v, want the sums of %+v", s.Storage, have)
	}
	p, err := output.Observe(place).Look(t.Context())
	if err != nil || p.Storage == nil || *p.Storage != *s.Storage {
		t.Errorf("the progress has storage %+v, %v, want %+v", p.Storage, err, s.Storage)
	}
}

// TestLocalStoresAreNotCounted: local stores keep no statistics.
func TestLocalStoresAreNotCounted(t *testing.T) {
	out := new(mem.Store)
	s := mustRun(t, options(t, collection(t, 3), out))
	workers, err := output.ReadSummaries(t.Context(), out)
	if err != nil || len(workers) != 1 || workers[0].Storage != nil || s.Storage != nil {
		t.Errorf("summaries %+v, %v, _SUCCESS with storage %+v: want no storage", workers, err, s.Storage)
	}
}

// crashed is a store that records which objects a crash of the machine may remove.
type crashed struct {
	*mem.Store
	mu       sync.Mutex
	volatile []string
}

func (c *crashed) CreateVolatile(ctx context.Context, name string, body []byte) (store.Object, error) {
	c.mu.Lock()
	c.volatile = append(c.volatile, name)
	c.mu.Unlock()
	return c.Create(ctx, name, body)
}

// TestOnlyClaimsMayBeLost: every object of the result survives a crash.
func TestOnlyClaimsMayBeLost(t *testing.T) {
	out := &crashed{Store: new(mem.Store)}
	mustRun(t, options(t, collection(t, 50), out))
	verified(t, out)
	if len(out.volatile) < 5 {
		t.Errorf("volatile: %q, want a claim for each of 5 chunks", out.volatile)
	}
	for _, name := range out.volatile {
		if !strings.HasPrefix(name, "_batchscore/claims/") && !strings.HasPrefix(name, "_batchscore/clock/") {
			t.Errorf("%s may be lost in a crash", name)
		}
	}
}
