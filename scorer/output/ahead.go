package output

import (
	"context"
	"sync"
)

// partsAhead is how many objects are read at once when all of many are read, so that
// each does not cost a round trip to a distant store.
const partsAhead = 16

// inOrder calls read for 0 <= i < n, several at once, and use with each result, in
// order and one at a time. It stops at the first error in that order and returns it
// when every read has returned.
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
