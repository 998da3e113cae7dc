package claim

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/scorer/store"
)

// A Link is one claim in the chain of a right.
type Link struct {
	Worker   Worker    // its ID is empty if the claim cannot be understood
	At       time.Time // by the store's clock
	Released bool      // it gives the right up
	Leaving  bool      // the worker had been asked to end
}

// A History is who claimed a chunk.
type History struct {
	Chunk int
	// Links are in order. If one worker alone claimed the chunk, they are its first and its
	// last.
	Links []Link
	// Race is the claim of the worker that began the chunk while another one held it; nil if
	// there was none.
	Race *Link
}

// Ledger is which rights of a job were claimed, at the time at which it was listed. It reads
// only.
type Ledger struct {
	chains
	ends map[Right]int
}

// ReadLedger lists the claims of a job, and reads none.
func ReadLedger(ctx context.Context, st store.Store, names Names) (*Ledger, error) {
	c := chains{st, names}
	ends, err := c.ends(ctx, "")
	return &Ledger{c, ends}, err
}

// Chunks returns the chunks that were claimed, in order.
func (l *Ledger) Chunks() []int {
	var chunks []int
	for r := range maps.Keys(l.ends) {
		if chunk, ok := r.Chunk(); ok {
			chunks = append(chunks, chunk)
		}
	}
	slices.Sort(chunks)
	return chunks
}

// Plain reports whether the chunk was claimed once: neither renewed, nor taken over, nor
// raced for.
func (l *Ledger) Plain(chunk int) bool {
	_, raced := l.ends[OnDouble(chunk)]
	return !raced && l.ends[OnChunk(chunk)] == 0
}

// Histories calls fn with the history of each of these chunks, one call at a time and in no
// order. A chunk whose claims were removed in the meantime is left out.
func (l *Ledger) Histories(ctx context.Context, chunks []int, fn func(History)) error {
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(readers)
	for _, chunk := range chunks {
		g.Go(func() error {
			h, err := l.history(ctx, chunk)
			if err != nil || len(h.Links) == 0 {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			fn(h)
			return nil
		})
	}
	return g.Wait()
}

func (l *Ledger) history(ctx context.Context, chunk int) (History, error) {
	h := History{Chunk: chunk}
	var links []link
	note := func(one *link) { links = append(links, *one) }
	if err := l.readChain(ctx, OnChunk(chunk), l.ends[OnChunk(chunk)], note); err != nil {
		return h, err
	}
	slices.SortFunc(links, func(a, b link) int { return a.Generation - b.Generation })
	for i := range links {
		if i == 0 || links[i].Generation > links[i-1].Generation {
			h.Links = append(h.Links, shown(&links[i]))
		}
	}
	var err error
	h.Race, err = l.Last(ctx, OnDouble(chunk))
	return h, err
}

// Last returns the last claim on a right; nil if there is none.
func (l *Ledger) Last(ctx context.Context, r Right) (*Link, error) {
	generation, ok := l.ends[r]
	if !ok {
		return nil, nil
	}
	last, err := l.read(ctx, r, generation)
	if errors.Is(err, store.ErrNotExist) { // removed in the meantime
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("who claimed %s: %w", r, err)
	}
	one := shown(&last)
	return &one, nil
}

func shown(l *link) Link {
	return Link{Worker: l.Worker, At: l.modified, Released: l.Released, Leaving: l.Leaving}
}
