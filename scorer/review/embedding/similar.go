package embedding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/batchscore/batchscore/scorer/review/choose"
)

// ErrQuery is the error about a vector that nothing can be compared with: its length is zero,
// or it holds infinities or no numbers.
var ErrQuery = errors.New("a vector without direction")

// RowPair is two rows that are near duplicates, by their numbers. A is below B.
type RowPair struct {
	A, B       int
	Similarity float64
}

// RowGroup is rows that near duplicates connect.
type RowGroup struct {
	Images int
	Rows   []int // the first of them, at most 20
}

// Duplicates are the near duplicates among all rows.
type Duplicates struct {
	Compared int // rows with a vector that can be compared
	LeftOut  int // the others
	// WithDuplicate, Pairs and Crowded are those of Result.
	WithDuplicate, Pairs, Crowded int

	Listed []RowPair  // the most similar first, as many as Options.Duplicates
	Groups []RowGroup // the largest first, as many as Options.Groups
}

// FindDuplicates compares all rows with each other, however many there are. It keeps 64 numbers
// of each row in memory, and reads vectors from the file where these numbers cannot tell that
// two rows differ.
func FindDuplicates(ctx context.Context, v *Vectors, o Options) (*Duplicates, error) {
	j := newJudgement(v, o)
	if !(j.similar > 0 && j.similar <= 1) {
		return nil, fmt.Errorf("near duplicates with a similarity of %v: want above 0, and 1 at most", j.similar)
	}
	j.exact, j.names, j.labels = math.MaxInt, []string{""}, make([]int32, v.rows)
	if err := j.measure(ctx); err != nil {
		return nil, err
	}
	found, err := j.duplicates(ctx)
	if err != nil {
		return nil, err
	}
	d := &Duplicates{
		Compared: j.images, LeftOut: v.rows - j.images,
		WithDuplicate: found.with, Pairs: found.pairs, Crowded: found.crowded,
	}
	for _, p := range found.listed {
		d.Listed = append(d.Listed, RowPair{A: p.a, B: p.b, Similarity: p.similarity})
	}
	for _, g := range found.groups {
		d.Groups = append(d.Groups, RowGroup{Images: g.images, Rows: g.rows})
	}
	return d, nil
}

// Neighbour is a row and how similar it is to a query, from -1 to 1.
type Neighbour struct {
	Row        int
	Similarity float64
}

// Nearest returns the n rows that are most similar to each of the queries, the most similar
// first, and of equally similar ones the lower row. e evens them and the queries out; nil is the
// plain cosine. It reads the file once.
func Nearest(ctx context.Context, v *Vectors, e *Evening, queries [][]float32, n, workers int) ([][]Neighbour, error) {
	asks := make([]asked, len(queries))
	best := make([]choose.First[Neighbour], len(queries))
	for i, q := range queries {
		if len(q) != v.dims {
			return nil, fmt.Errorf("a query of %d numbers, and vectors of %d", len(q), v.dims)
		}
		long := math.Sqrt(dot(q, q))
		if !(long > 0) || math.IsInf(long, 0) {
			return nil, ErrQuery
		}
		asks[i] = e.ask(q, long)
		best[i] = choose.First[Neighbour]{N: n, Less: func(a, b Neighbour) bool {
			return cmp.Or(cmp.Compare(b.Similarity, a.Similarity), cmp.Compare(a.Row, b.Row)) < 0
		}}
	}
	var mu sync.Mutex
	f := &finder{j: newJudgement(v, Options{Workers: workers})}
	err := v.blocks(func(first int, vectors []float32) error {
		rows := len(vectors) / v.dims
		const some = 128
		f.spread((rows+some-1)/some, 1, func(k int) {
			least := make([]float64, len(queries)) // similarities below which nothing is wanted
			mu.Lock()
			for i := range best {
				if least[i] = math.Inf(-1); n > 0 && len(best[i].Items) == n {
					least[i] = best[i].Items[0].Similarity
				}
			}
			mu.Unlock()
			near := make([][]Neighbour, len(queries))
			for row := k * some; row < min((k+1)*some, rows); row++ {
				c := e.other(vectors[row*v.dims : (row+1)*v.dims])
				for i := range asks {
					if similarity := c.similarity(&asks[i], least[i]); similarity >= least[i] {
						near[i] = append(near[i], Neighbour{Row: first + row, Similarity: similarity})
					}
				}
			}
			mu.Lock()
			defer mu.Unlock()
			for i := range near {
				for _, one := range near[i] {
					best[i].Add(one)
				}
			}
		})
		return ctx.Err()
	})
	if err != nil {
		return nil, err
	}
	all := make([][]Neighbour, len(queries))
	for i := range best {
		all[i] = best[i].Sorted()
	}
	return all, nil
}

// Comparable reports whether a vector can be compared with others: whether it has a direction.
func Comparable(vector []float32) bool {
	long := math.Sqrt(dot(vector, vector))
	return long > 0 && !math.IsInf(long, 0)
}

// Vector returns the vector of a row.
func (v *Vectors) Vector(row int) ([]float32, error) {
	r := reader{v: v}
	return r.read(row, 1)
}
