package lanes

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"testing"
	"testing/synctest"

	"github.com/batchscore/batchscore/models"
)

// room is the memory of a device. A run needs as much as it has images, and may leave
// memory that other runs cannot use until it is reclaimed.
type room struct {
	mu               sync.Mutex
	size, used, left int
	runs, most       int // at the moment, and at most
	reclaimed        int
}

// score returns a run that, once it has its memory, lasts until end is closed.
func (r *room) score(n int, end <-chan struct{}) func(context.Context) error {
	return func(context.Context) error {
		r.mu.Lock()
		if n > r.size-r.used-r.left {
			defer r.mu.Unlock()
			return fmt.Errorf("%w: %d images", models.ErrOutOfMemory, n)
		}
		r.used, r.runs = r.used+n, r.runs+1
		r.most = max(r.most, r.runs)
		r.mu.Unlock()
		if end != nil {
			<-end
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		r.used, r.runs = r.used-n, r.runs-1
		return nil
	}
}

func (r *room) reclaim() error {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.runs > 0 {
		return errors.New("memory was reclaimed during a run")
	}
	r.left = 0
	r.reclaimed++
	return nil
}

// funcs is a Call.
type funcs struct {
	score   func(context.Context) error
	reclaim func() error
}

func (f funcs) Score(ctx context.Context) error { return f.score(ctx) }
func (f funcs) Reclaim() error                  { return f.reclaim() }

func quietLanes(n int) *Lanes { return New(n, func(int) {}) }

// A lane that finds too little memory while another one runs waits for it and then has what it needs.
func TestLanesWaitForMemory(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, r := quietLanes(2), &room{size: 10}
		end := make(chan struct{})
		results := make(chan error, 2)
		go func() { results <- l.Run(t.Context(), 8, funcs{r.score(8, end), r.reclaim}) }()
		synctest.Wait()
		go func() { results <- l.Run(t.Context(), 8, funcs{r.score(8, nil), r.reclaim}) }()
		synctest.Wait()
		select {
		case err := <-results:
			t.Fatalf("a run ended with %v while the device was occupied", err)
		default:
		}
		close(end)
		for range 2 {
			if err := <-results; err != nil {
				t.Error(err)
			}
		}
		if r.most != 1 || r.reclaimed != 1 {
			t.Errorf("%d runs at a time and reclaimed %d times, want 1 and 1", r.most, r.reclaimed)
		}
	})
}

func TestLanesReclaimMemory(t *testing.T) {
	l, r := quietLanes(1), &room{size: 10, left: 5}
	if err := l.Run(t.Context(), 8, funcs{r.score(8, nil), r.reclaim}); err != nil {
		t.Errorf("memory that nothing used was not given back: %v", err)
	}
	r.left = 5
	if err := l.Run(t.Context(), 11, funcs{r.score(11, nil), r.reclaim}); !errors.Is(err, models.ErrOutOfMemory) {
		t.Errorf("11 images in memory for 10: %v", err)
	}
	if r.left != 0 {
		t.Error("memory was kept after images that did not fit")
	}
}

// Batches that twice fitted only alone run one at a time, smaller ones do not.
func TestCrowdedLanesRunOneAtATime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var told []int
		r, l := &room{size: 10}, New(2, func(n int) { told = append(told, n) })
		pair := func(n int) (most int) {
			r.most = 0
			end := make(chan struct{})
			var g sync.WaitGroup
			for range 2 {
				g.Go(func() {
					if err := l.Run(t.Context(), n, funcs{r.score(n, end), r.reclaim}); err != nil {
						t.Error(err)
					}
				})
			}
			synctest.Wait()
			close(end)
			g.Wait()
			return r.most
		}
		pair(8)
		if len(told) != 0 {
			t.Errorf("lanes were given up for %v after the first time", told)
		}
		pair(8)
		failures := r.reclaimed
		if most := pair(8); most != 1 || r.reclaimed != failures {
			t.Errorf("%d runs at a time, %d failed, want 1 and 0", most, r.reclaimed-failures)
		}
		if most := pair(9); most != 1 || r.reclaimed != failures {
			t.Errorf("9 images: %d runs at a time, %d failed, want 1 and 0", most, r.reclaimed-failures)
		}
		if most := pair(5); most != 2 || r.reclaimed != failures {
			t.Errorf("5 images: %d runs at a time, %d failed, want 2 and 0", most, r.reclaimed-failures)
		}
		if fmt.Sprint(told) != "[8]" {
			t.Errorf("told of %v, want 8 once", told)
		}
	})
}

// A single lane has always been alone, so there is nothing to tell.
func TestOneLaneIsNotCrowded(t *testing.T) {
	l, r := New(1, func(n int) { t.Errorf("told of %d", n) }), &room{size: 10}
	for range 3 {
		r.left = 5
		if err := l.Run(t.Context(), 8, funcs{r.score(8, nil), r.reclaim}); err != nil {
			t.Error(err)
		}
	}
}

func TestWaitingForMemoryEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l, r := quietLanes(2), &room{size: 10}
		end := make(chan struct{})
		first, second := make(chan error, 1), make(chan error, 1)
		go func() { first <- l.Run(t.Context(), 8, funcs{r.score(8, end), r.reclaim}) }()
		synctest.Wait()
		ctx, cancel := context.WithCancel(t.Context())
		go func() { second <- l.Run(ctx, 8, funcs{r.score(8, nil), r.reclaim}) }()
		synctest.Wait()
		cancel()
		if err := <-second; !errors.Is(err, context.Canceled) {
			t.Errorf("the waiting run ended with %v, want the context's error", err)
		}
		// The lane that it left is free.
		if err := l.Run(t.Context(), 2, funcs{r.score(2, nil), r.reclaim}); err != nil {
			t.Error(err)
		}
		close(end)
		if err := <-first; err != nil {
			t.Error(err)
		}
		if r.reclaimed != 0 {
			t.Error("memory was reclaimed for a run that nobody waited for")
		}
	})
}

func TestErrorsOfTheSecondTry(t *testing.T) {
	broken, stuck := errors.New("broken"), errors.New("stuck")
	memory := fmt.Errorf("%w: 2 GB", models.ErrOutOfMemory)
	nothing := func() error { return nil }
	for _, c := range []struct {
		name    string
		tries   []error
		reclaim func() error
		want    []error
	}{
		{name: "another error", tries: []error{broken}, reclaim: nothing, want: []error{broken}},
		{name: "another error the second time", tries: []error{memory, broken}, reclaim: nothing, want: []error{broken}},
		{name: "no memory twice", tries: []error{memory, memory}, reclaim: nothing, want: []error{models.ErrOutOfMemory}},
		{name: "no memory and no way to reclaim it", tries: []error{memory, memory}, reclaim: func() error { return stuck },
			want: []error{models.ErrOutOfMemory, stuck}},
		{name: "enough although nothing was reclaimed", tries: []error{memory, nil}, reclaim: func() error { return stuck }},
	} {
		l, tries := quietLanes(2), c.tries
		err := l.Run(t.Context(), 4, funcs{func(context.Context) error {
			err := tries[0]
			tries = tries[1:]
			return err
		}, c.reclaim})
		if len(c.want) == 0 && err != nil || len(tries) > 0 {
			t.Errorf("%s: got %v, with %d tries left", c.name, err, len(tries))
		}
		for _, want := range c.want {
			if !errors.Is(err, want) {
				t.Errorf("%s: got %v, want %v", c.name, err, want)
			}
		}
	}
}

// An error that may be about memory is taken for that, however often the batch must be
// halved, until the smallest fails in the same way: then the device is at fault.
func TestUnclearErrors(t *testing.T) {
	fault := error(&UnclearError{errors.New("it did not work")})
	for _, least := range []int{0, 4} {
		l := quietLanes(2)
		l.Least = least
		fail := func(n int) error {
			return l.Run(t.Context(), n, funcs{func(context.Context) error { return fault }, func() error { return nil }})
		}
		for _, n := range []int{32, 32, 16, 8} { // two lanes find it first
			if err := fail(n); !errors.Is(err, models.ErrOutOfMemory) || errors.Is(err, ErrSmallest) {
				t.Errorf("%d images: %v, want ErrOutOfMemory", n, err)
			}
		}
		if err := fail(max(least, 1)); !errors.Is(err, ErrSmallest) || errors.Is(err, models.ErrOutOfMemory) {
			t.Errorf("%d images: %v, want ErrSmallest", max(least, 1), err)
		}
	}
}
