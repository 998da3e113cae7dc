package scorer

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// unhurried is a store that fails the test if a call has a deadline.
type unhurried struct {
	store.Store
	t *testing.T
}

func (u unhurried) check(ctx context.Context, call, name string) {
	if at, ok := ctx.Deadline(); ok {
		u.t.Errorf("%s(%q) has to end within %v, want no deadline", call, name, time.Until(at))
	}
}

func (u unhurried) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	u.check(ctx, "list", prefix)
	return u.Store.List(ctx, prefix, fn)
}

func (u unhurried) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	u.check(ctx, "create", name)
	return u.Store.Create(ctx, name, body)
}

// TestASlowStoreDoesNotFailAWorkerThatIsDone: unless a worker is asked to stop, it
// waits for the store however long that takes, also in its last calls.
func TestASlowStoreDoesNotFailAWorkerThatIsDone(t *testing.T) {
	out := new(mem.Store)
	mustRun(t, options(t, collection(t, 25), unhurried{out, t}))
}

// endless is a store whose listing ends only with its context.
type endless struct{ store.Store }

func (endless) List(ctx context.Context, _ string, _ func(store.Object) error) error {
	<-ctx.Done()
	return ctx.Err()
}

// TestStopEndsAListing: a worker that is asked to stop ends within the grace,
// whatever it is doing.
func TestStopEndsAListing(t *testing.T) {
	stop := make(chan struct{})
	close(stop)
	o := options(t, endless{new(mem.Store)}, new(mem.Store))
	o.Stop, o.Grace = stop, time.Millisecond
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrStopped) {
		t.Errorf("Run() = %v, want ErrStopped", err)
	}
}
