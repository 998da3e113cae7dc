package scorer

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// slowToList is a store whose first listing is slow. It closes second at the start of
// the second one.
type slowToList struct {
	store.Store
	lists  atomic.Int32
	second chan struct{}
}

func (s *slowToList) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	switch s.lists.Add(1) {
	case 1:
		time.Sleep(longListing)
	case 2:
		close(s.second)
	}
	return s.Store.List(ctx, prefix, fn)
}

// holdBack returns the options of a job of 40 chunks, whose last 80 images are scored
// only once the second listing has begun. Then it calls meanwhile. It counts what was
// scored, for commits may lag far behind.
func holdBack(t *testing.T, out store.Store, meanwhile func()) (Options, *slowToList) {
	images := &slowToList{Store: collection(t, 400), second: make(chan struct{})}
	o := options(t, images, out)
	o.Fetchers = 1 // so that few batches are ahead
	engine := newFakeEngine()
	o.OpenEngine = func() (Engine, error) { return engine, nil }
	var scored atomic.Int64
	engine.score = func(ctx context.Context, lo, hi int) error {
		if scored.Add(int64(hi-lo)) < 320 {
			return nil
		}
		select {
		case <-images.second:
			meanwhile()
			return nil
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return o, images
}

func TestLongListingIsRepeatedBeforeTheEnd(t *testing.T) {
	out := new(mem.Store)
	o, images := holdBack(t, out, func() {})
	s := mustRun(t, o)
	verified(t, out)
	if n := images.lists.Load(); n != 2 || s.Drift == nil || *s.Drift != (output.Drift{}) {
		t.Errorf("drift %+v after %d listings, want none after 2", s.Drift, n)
	}
}

// TestRightToFinishIsGivenUp: a worker that has claimed the end of the job, but stops
// before, releases that claim.
func TestRightToFinishIsGivenUp(t *testing.T) {
	out, stop, noticed := new(mem.Store), make(chan struct{}), make(chan struct{})
	o, images := holdBack(t, out, sync.OnceFunc(func() {
		close(stop)
		<-noticed // otherwise the job might be done before
	}))
	o.Stop, o.Grace = stop, time.Hour
	say := sync.OnceFunc(func() { close(noticed) })
	o.Log = o.Log.Hook(zerolog.HookFunc(func(_ *zerolog.Event, _ zerolog.Level, message string) {
		if strings.HasPrefix(message, "asked to stop") {
			say()
		}
	}))
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrStopped) {
		t.Fatalf("Run() = %v, want ErrStopped", err)
	}
	mustRun(t, options(t, images, out)) // whose lease is an hour
	verified(t, out)
}
