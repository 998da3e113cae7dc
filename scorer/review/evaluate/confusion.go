package evaluate

import (
	"cmp"
	"slices"
)

// cells returns the pairs, with most images first.
func cells(labels []string, p *pairs) []Cell {
	all := make([]Cell, 0, len(p.counts))
	for pair, n := range p.counts {
		all = append(all, Cell{Truth: labels[pair[0]], Predicted: labels[pair[1]], Images: n})
	}
	slices.SortFunc(all, func(a, b Cell) int {
		return cmp.Or(cmp.Compare(b.Images, a.Images), cmp.Compare(a.Truth, b.Truth), cmp.Compare(a.Predicted, b.Predicted))
	})
	return all
}

// matrix returns the counts of the largest labels: those in most pairs, whichever side.
func matrix(labels []string, p *pairs) Matrix {
	type total struct {
		number int32
		images int
	}
	totals := make([]total, len(labels))
	for i := range totals {
		totals[i].number = int32(i)
	}
	for pair, n := range p.counts {
		totals[pair[0]].images += n
		totals[pair[1]].images += n
	}
	totals = slices.DeleteFunc(totals, func(t total) bool { return t.images == 0 })
	slices.SortFunc(totals, func(a, b total) int {
		return cmp.Or(cmp.Compare(b.images, a.images), cmp.Compare(labels[a.number], labels[b.number]))
	})
	m := Matrix{Labels: []string{}, Others: max(0, len(totals)-MatrixLabels)}
	at := map[int32]int{}
	for i, t := range totals[:len(totals)-m.Others] {
		at[t.number] = i
		m.Labels = append(m.Labels, labels[t.number])
	}
	side := len(m.Labels)
	if m.Others > 0 {
		side++
	}
	m.Counts = make([][]int, side)
	for i := range m.Counts {
		m.Counts[i] = make([]int, side)
	}
	place := func(number int32) int {
		if i, ok := at[number]; ok {
			return i
		}
		return side - 1
	}
	for pair, n := range p.counts {
		m.Counts[place(pair[0])][place(pair[1])] += n
	}
	return m
}
