package embedding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/review/embedding/products"
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
// first, and of equally similar ones the lower row; 0 are all. e evens them and the queries out;
// nil is the plain cosine. It reads the file once. For each query it needs 8 bytes for each number
// and 16 for each of the n rows.
func Nearest(ctx context.Context, v *Vectors, e *Evening, queries [][]float32, n, workers int) ([][]Neighbour, error) {
	s := search{v: v, e: e, n: n, asks: make([]asked, len(queries)), best: make([]choose.First[Neighbour], len(queries))}
	s.by = make([]float64, 0, len(queries)*v.dims)
	for i, q := range queries {
		if len(q) != v.dims {
			return nil, fmt.Errorf("a query of %d numbers, and vectors of %d", len(q), v.dims)
		}
		long := math.Sqrt(dot(q, q))
		if !(long > 0) || math.IsInf(long, 0) {
			return nil, ErrQuery
		}
		var by []float64
		by, s.asks[i] = e.ask(q, long)
		s.by = append(s.by, by...)
		s.best[i] = choose.First[Neighbour]{N: n, Less: func(a, b Neighbour) bool {
			return cmp.Or(cmp.Compare(b.Similarity, a.Similarity), cmp.Compare(a.Row, b.Row)) < 0
		}}
	}
	s.some = max(4, queryBytes/(8*v.dims))
	s.busy = make([]sync.Mutex, (len(queries)+s.some-1)/s.some)
	if err := s.all(ctx, workers); err != nil {
		return nil, err
	}
	all := make([][]Neighbour, len(queries))
	for i := range s.best {
		all[i] = s.best[i].Sorted()
	}
	return all, nil
}

// queryBytes is about how much of the queries is multiplied with a block of vectors at once, so
// that both stay in the caches.
const queryBytes = 256 << 10

// search is the state of Nearest.
type search struct {
	v    *Vectors
	e    *Evening
	n    int
	by   []float64 // of the queries, one after another
	asks []asked
	some int          // queries are taken together
	busy []sync.Mutex // guard best, each that of some queries
	best []choose.First[Neighbour]
}

// all compares all queries with all vectors. Each worker reads blocks of its own.
func (s *search) all(ctx context.Context, workers int) error {
	per := s.v.perBlock()
	blocks := (s.v.rows + per - 1) / per
	readers := sync.Pool{New: func() any { return &reader{v: s.v} }}
	var failed atomic.Pointer[error]
	f := &finder{j: newJudgement(s.v, Options{Workers: workers})}
	f.spread(blocks, 1, func(i int) {
		if failed.Load() != nil || ctx.Err() != nil {
			return
		}
		r := readers.Get().(*reader)
		defer readers.Put(r)
		vectors, err := r.read(i*per, min(per, s.v.rows-i*per))
		if err != nil {
			failed.Store(&err)
			return
		}
		s.block(i*per, vectors)
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	return ctx.Err()
}

// block compares all queries with some vectors.
func (s *search) block(first int, vectors []float32) {
	rows := make([]compared, len(vectors)/s.v.dims)
	s.e.others(rows, vectors)
	sums := make([]float64, s.some*len(rows))
	least := make([]float64, s.some) // similarities below which nothing is wanted
	type hit struct {
		query int
		is    Neighbour
	}
	var hits []hit
	for g := range s.busy {
		from, to := g*s.some, min((g+1)*s.some, len(s.asks))
		n := to - from
		s.busy[g].Lock()
		for q := range n {
			if least[q] = math.Inf(-1); s.n > 0 && len(s.best[from+q].Items) == s.n {
				least[q] = s.best[from+q].Items[0].Similarity
			}
		}
		s.busy[g].Unlock()
		products.All(sums[:n*len(rows)], s.by[from*s.v.dims:to*s.v.dims], vectors, s.v.dims)
		hits = hits[:0]
		for i := range rows {
			for q := range n {
				similarity := rows[i].similarity(&s.asks[from+q], sums[i*n+q], least[q])
				if similarity >= max(least[q], -1) { // less is a vector that cannot be compared
					hits = append(hits, hit{from + q, Neighbour{Row: first + i, Similarity: similarity}})
				}
			}
		}
		s.busy[g].Lock()
		for _, h := range hits {
			s.best[h.query].Add(h.is)
		}
		s.busy[g].Unlock()
	}
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
