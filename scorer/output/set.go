package output

import (
	"context"
	"errors"
	"fmt"
	"math/bits"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// Set is a set of the numbers 0 <= i < Len(), a bit each. It is for one
// goroutine.
type Set struct {
	words []uint64
	n     int
}

// NewSet returns an empty set of the numbers below n.
func NewSet(n int) *Set { return &Set{words: make([]uint64, (n+63)/64), n: n} }

// Len is how many numbers could be in the set.
func (s *Set) Len() int { return s.n }

// Has reports whether i is in the set.
func (s *Set) Has(i int) bool { return s.words[i/64]&(1<<(i%64)) != 0 }

// Add puts i into the set and says whether it was missing.
func (s *Set) Add(i int) bool {
	if i < 0 || i >= s.n {
		panic(fmt.Sprintf("output: %d is not below %d", i, s.n))
	}
	missing := !s.Has(i)
	s.words[i/64] |= 1 << (i % 64)
	return missing
}

// Count is how many numbers are in the set.
func (s *Set) Count() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// All reports whether every number is in the set.
func (s *Set) All() bool { return s.Count() == s.n }

// Done lists the output and returns which chunks have their part.
func Done(ctx context.Context, st store.Store, c shard.Chunks, f row.Format) (*Set, error) {
	done := NewSet(c.Count())
	err := store.Names(ctx, st, partPrefix, func(name string) error {
		if i, ok := partChunk(name, f); ok && i < done.n {
			done.Add(i)
		}
		return nil
	})
	if err != nil && !errors.Is(err, store.ErrNotExist) {
		return nil, fmt.Errorf("list the parts: %w", err)
	}
	return done, nil
}
