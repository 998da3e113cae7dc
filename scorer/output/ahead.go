package output

import (
	"context"
	"sync"
)

// partsAhead is how many parts or claims are read at once where all are, so that
// a job of many does not wait for a distant store once for each.
const partsAhead = 16

// inOrder reads n things, some of them at once, and calls use with each, in
// order and one at a time. Of several errors it returns the one that comes
// first in that order.
func inOrder[T any](ctx context.Context, n int, read func(context.Context, int) (T, error), use func(int, T) error) error {
	type result struct {
		value T
		err   error
	}
	ctx, cancel := context.WithCancel(ctx)
	var reading sync.WaitGroup
	defer reading.Wait()
	defer cancel()
	var ahead []chan result
	for i, next := 0, 0; i < n; i++ {
		for ; next < min(n, i+partsAhead); next++ {
			at, c := next, make(chan result, 1)
			ahead = append(ahead, c)
			reading.Go(func() {
				v, err := read(ctx, at)
				c <- result{v, err}
			})
		}
		r := <-ahead[0]
		ahead = ahead[1:]
		if r.err != nil {
			return r.err
		}
		if err := use(i, r.value); err != nil {
			return err
		}
	}
	return nil
}
