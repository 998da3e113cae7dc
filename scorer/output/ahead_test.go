package output

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"
)

// TestInOrderReadsAhead lets no read end before as many have begun as are allowed, and
// each only after the next one.
func TestInOrderReadsAhead(t *testing.T) {
	const n = 3 * partsAhead
	ended := make([]chan struct{}, n+1)
	for i := range ended {
		ended[i] = make(chan struct{})
	}
	var used []int
	err := inOrder(t.Context(), n, func(_ context.Context, i int) (int, error) {
		if last := (i+1)%partsAhead == 0; !last {
			<-ended[i+1]
		}
		close(ended[i])
		return 2 * i, nil
	}, func(i, v int) error {
		if i != len(used) {
			t.Errorf("use(%d) after %d others, want %d", i, len(used), i)
		}
		used = append(used, v)
		return nil
	})
	if err != nil || len(used) != n || !slices.IsSorted(used) || used[n-1] != 2*(n-1) {
		t.Errorf("inOrder() = %v and used %v", err, used)
	}
}

func TestInOrderEndsAtTheFirstError(t *testing.T) {
	first, second := errors.New("first"), errors.New("second")
	failed := make(chan struct{})
	var mu sync.Mutex
	begun, used := 0, 0
	err := inOrder(t.Context(), 1000, func(_ context.Context, i int) (int, error) {
		mu.Lock()
		begun++
		mu.Unlock()
		switch i {
		case 5:
			<-failed // the later one is there before
			return 0, first
		case 6:
			defer close(failed)
			return 0, second
		}
		return i, nil
	}, func(int, int) error { used++; return nil })
	if !errors.Is(err, first) || used != 5 || begun > 5+partsAhead {
		t.Errorf("inOrder() = %v after %d uses of %d reads", err, used, begun)
	}
	if err := inOrder(t.Context(), 3, func(context.Context, int) (int, error) { return 0, nil },
		func(i, _ int) error {
			if i == 1 {
				return second
			}
			return nil
		}); !errors.Is(err, second) {
		t.Error(err)
	}
}

func TestInOrderEndsWithItsContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	err := inOrder(ctx, 100, func(ctx context.Context, i int) (int, error) {
		if i == partsAhead {
			cancel()
		}
		if i >= partsAhead {
			<-ctx.Done()
		}
		return i, ctx.Err()
	}, func(int, int) error { return nil })
	if !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
}
