package claim

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
)

// Sign is when a worker showed that it was at work, by the store's clock.
type Sign struct {
	Worker      Worker
	First, Last time.Time
}

// Signs returns the workers that claimed chunks, sorted by their IDs. If all is set, it
// reads a claim on every chunk. If not, it reads those only that were renewed or taken over:
// a worker that died left one, and those that did not say more of themselves.
func Signs(ctx context.Context, st store.Store, names Names, all bool) ([]Sign, error) {
	c := chains{st, names}
	ends, err := c.ends(ctx, names.chunkNames())
	if err != nil {
		return nil, err
	}
	var mu sync.Mutex
	signs := map[string]*Sign{}
	note := func(l *link) {
		mu.Lock()
		defer mu.Unlock()
		s := signs[l.Worker.ID]
		if s == nil {
			s = &Sign{Worker: l.Worker, First: l.modified, Last: l.modified}
			signs[l.Worker.ID] = s
		}
		if l.modified.Before(s.First) {
			s.First = l.modified
		}
		if l.modified.After(s.Last) {
			s.Last = l.modified
		}
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for r, end := range ends {
		if _, isChunk := r.Chunk(); !isChunk || end == 0 && !all {
			continue
		}
		g.Go(func() error { return c.readChain(ctx, r, end, note) })
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	var sorted []Sign
	for id, s := range signs {
		if id != "" { // of a claim that cannot be understood
			sorted = append(sorted, *s)
		}
	}
	slices.SortFunc(sorted, func(a, b Sign) int { return strings.Compare(a.Worker.ID, b.Worker.ID) })
	return sorted, nil
}

// readChain calls note for the first and the last link of a chain and, if they are not of the
// same worker, for those between.
func (c chains) readChain(ctx context.Context, r Right, end int, note func(*link)) error {
	owners := map[string]bool{}
	read := func(generation int) error {
		l, err := c.read(ctx, r, generation)
		if errors.Is(err, store.ErrNotExist) { // removed in the meantime
			return nil
		}
		if err != nil {
			return fmt.Errorf("who claimed %s: %w", r, err)
		}
		owners[l.Worker.ID] = true
		note(&l)
		return nil
	}
	if err := read(0); err != nil {
		return err
	}
	if end > 0 {
		if err := read(end); err != nil {
			return err
		}
	}
	for generation := 1; generation < end && len(owners) > 1; generation++ {
		if err := read(generation); err != nil {
			return err
		}
	}
	return nil
}
