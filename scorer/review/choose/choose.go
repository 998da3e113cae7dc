// Package choose picks a few of many: those that come first in an order, and fair samples.
package choose

import (
	"container/heap"
	"crypto/sha256"
	"encoding/binary"
	"slices"
)

// First keeps the N elements that come first in an order, and no others in memory.
type First[T any] struct {
	N    int // 0 keeps all
	Less func(a, b T) bool
	// Items are the elements in no order: a heap with the last of them on top, unless N is 0.
	Items []T
}

// Takes reports whether an element is among the first of those so far.
func (f *First[T]) Takes(item T) bool {
	return f.N == 0 || len(f.Items) < f.N || f.Less(item, f.Items[0])
}

// Add adds an element unless N others come before it.
func (f *First[T]) Add(item T) {
	switch h := (lastOnTop[T]{f}); {
	case f.N == 0:
		f.Items = append(f.Items, item)
	case len(f.Items) < f.N:
		heap.Push(h, item)
	case f.Less(item, f.Items[0]):
		f.Items[0] = item
		heap.Fix(h, 0)
	}
}

// Sorted returns the elements in order.
func (f *First[T]) Sorted() []T {
	slices.SortFunc(f.Items, func(a, b T) int {
		switch {
		case f.Less(a, b):
			return -1
		case f.Less(b, a):
			return 1
		}
		return 0
	})
	return f.Items
}

// lastOnTop is the heap of a First.
type lastOnTop[T any] struct{ f *First[T] }

func (h lastOnTop[T]) Len() int           { return len(h.f.Items) }
func (h lastOnTop[T]) Less(i, j int) bool { return h.f.Less(h.f.Items[j], h.f.Items[i]) }
func (h lastOnTop[T]) Swap(i, j int)      { h.f.Items[i], h.f.Items[j] = h.f.Items[j], h.f.Items[i] }
func (h lastOnTop[T]) Push(item any)      { h.f.Items = append(h.f.Items, item.(T)) }
func (h lastOnTop[T]) Pop() any {
	last := h.f.Items[len(h.f.Items)-1]
	h.f.Items = h.f.Items[:len(h.f.Items)-1]
	return last
}

// Hash returns the key by which fair samples are chosen, lowest first. It depends on the exact
// bytes of the name and on the seed alone, so that a sample is the same whatever else there is.
func Hash(name string, seed uint64) [sha256.Size]byte {
	return sha256.Sum256(append(binary.BigEndian.AppendUint64(nil, seed), name...))
}
