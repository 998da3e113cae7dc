package embedding

import (
	"cmp"

	"github.com/batchscore/batchscore/scorer/review/choose"
)

// mostPaths is how many images of a group are listed.
const mostPaths = 20

// group is rows that near duplicates connect.
type group struct {
	images int
	rows   []int // the first of them
}

// connected knows which rows near duplicates connect.
type connected struct {
	parent []int32 // of rows; the lowest row of a group is its root, and its own parent
	size   []int32 // of the groups of roots
}

func newConnected(rows int) *connected {
	c := &connected{parent: make([]int32, rows), size: make([]int32, rows)}
	for i := range c.parent {
		c.parent[i], c.size[i] = int32(i), 1
	}
	return c
}

func (c *connected) root(row int32) int32 {
	for c.parent[row] != row {
		c.parent[row] = c.parent[c.parent[row]]
		row = c.parent[row]
	}
	return row
}

func (c *connected) join(a, b int32) {
	a, b = c.root(a), c.root(b)
	if a == b {
		return
	}
	a, b = min(a, b), max(a, b)
	c.parent[b] = a
	c.size[a] += c.size[b]
}

// largest returns the n largest groups, with their first rows.
func (c *connected) largest(n int) []group {
	type root struct{ row, size int32 }
	f := choose.First[root]{N: n, Less: func(a, b root) bool {
		return cmp.Or(cmp.Compare(b.size, a.size), cmp.Compare(a.row, b.row)) < 0
	}}
	for row, parent := range c.parent {
		if int(parent) == row && c.size[row] > 1 {
			f.Add(root{int32(row), c.size[row]})
		}
	}
	var groups []group
	number := map[int32]int{}
	for i, r := range f.Sorted() {
		number[r.row] = i
		groups = append(groups, group{images: int(r.size)})
	}
	if len(groups) == 0 {
		return nil
	}
	for row := range c.parent {
		if i, ok := number[c.root(int32(row))]; ok && len(groups[i].rows) < mostPaths {
			groups[i].rows = append(groups[i].rows, row)
		}
	}
	return groups
}
