package shard

import (
	"fmt"
	"math/bits"
)

// Set is a set of numbers 0 <= i < Len(), stored as bits. It must be used by one
// goroutine only.
type Set struct {
	words []uint64
	n     int
}

// NewSet returns an empty set of the numbers below n.
func NewSet(n int) *Set { return &Set{words: make([]uint64, (n+63)/64), n: n} }

// Len returns how many numbers the set can have.
func (s *Set) Len() int { return s.n }

// Has reports whether i is in the set.
func (s *Set) Has(i int) bool { return s.words[i/64]&(1<<(i%64)) != 0 }

// Add puts i into the set and reports whether it was missing.
func (s *Set) Add(i int) bool {
	if i < 0 || i >= s.n {
		panic(fmt.Sprintf("shard: %d is not below %d", i, s.n))
	}
	missing := !s.Has(i)
	s.words[i/64] |= 1 << (i % 64)
	return missing
}

// Count returns how many numbers are in the set.
func (s *Set) Count() int {
	n := 0
	for _, w := range s.words {
		n += bits.OnesCount64(w)
	}
	return n
}

// All reports whether every number is in the set.
func (s *Set) All() bool { return s.Count() == s.n }
