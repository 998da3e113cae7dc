package main

import (
	"container/heap"
	"slices"
)

// firstN keeps the n elements that come first in an order, and no others in memory.
type firstN[T any] struct {
	n     int // 0 keeps all
	less  func(a, b T) bool
	items []T // a heap with the last of them on top, unless n is 0
}

// takes reports whether an element is among the first of those so far.
func (f *firstN[T]) takes(item T) bool {
	return f.n == 0 || len(f.items) < f.n || f.less(item, f.items[0])
}

// add adds an element unless n others come before it.
func (f *firstN[T]) add(item T) {
	switch h := (*lastOnTop[T])(f); {
	case f.n == 0:
		f.items = append(f.items, item)
	case len(f.items) < f.n:
		heap.Push(h, item)
	case f.less(item, f.items[0]):
		f.items[0] = item
		heap.Fix(h, 0)
	}
}

// sorted returns the elements in order.
func (f *firstN[T]) sorted() []T {
	slices.SortFunc(f.items, func(a, b T) int {
		switch {
		case f.less(a, b):
			return -1
		case f.less(b, a):
			return 1
		}
		return 0
	})
	return f.items
}

// lastOnTop is the heap of a firstN.
type lastOnTop[T any] firstN[T]

func (h *lastOnTop[T]) Len() int           { return len(h.items) }
func (h *lastOnTop[T]) Less(i, j int) bool { return h.less(h.items[j], h.items[i]) }
func (h *lastOnTop[T]) Swap(i, j int)      { h.items[i], h.items[j] = h.items[j], h.items[i] }
func (h *lastOnTop[T]) Push(item any)      { h.items = append(h.items, item.(T)) }
func (h *lastOnTop[T]) Pop() any {
	last := h.items[len(h.items)-1]
	h.items = h.items[:len(h.items)-1]
	return last
}
