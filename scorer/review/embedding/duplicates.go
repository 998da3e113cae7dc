package embedding

import (
	"cmp"
	"context"
	"math"
	"slices"
	"sort"
	"sync"
	"sync/atomic"

	"github.com/batchscore/batchscore/scorer/review/choose"
)

const (
	// exactRows is how many images are all compared with each other, which makes 5*10^9
	// pairs. Of more, a sample is compared with all, of up to as many pairs as mostPairs.
	exactRows = 60_000
	mostPairs = 1_000_000_000
	mostFound = 200     // near duplicates of one image that are counted
	mostKept  = 1 << 24 // numbers of the vectors of a sample
)

// rounding is more than what float32 loses of the squared distance of two vectors.
const rounding = 1e-4

// pair is two rows, the lower one first.
type pair struct {
	a, b       int
	similarity float64
}

// duplicates are the near duplicates that were found.
type duplicates struct {
	compared, with, pairs, crowded int
	listed                         []pair
	groups                         []group
}

// duplicates compares images with each other.
func (j *judgement) duplicates(ctx context.Context) (*duplicates, error) {
	rows := j.comparable()
	if len(rows) < 2 {
		return &duplicates{compared: len(rows)}, nil
	}
	axes, err := j.findAxes(rows)
	if err != nil {
		return nil, err
	}
	f := &finder{j: j, axes: axes, bound: float32(2*(1-j.similar) + rounding), connected: newConnected(j.v.rows)}
	if f.wanted = rows; len(rows) > j.exact {
		f.wanted = f.wanted[:0:0]
		for _, s := range j.sample.Sorted() {
			if j.inverse[s.row] > 0 {
				f.wanted = append(f.wanted, int32(s.row))
			}
		}
	}
	if err := f.index(ctx); err != nil {
		return nil, err
	}
	if len(f.wanted) == len(rows) {
		err = f.allPairs(ctx)
	} else {
		err = f.againstAll(ctx)
	}
	if err != nil {
		return nil, err
	}
	return f.found(), nil
}

// sampleSize is how many images are compared with all if there are too many.
func (j *judgement) sampleSize() int {
	return max(1, min(mostPairs/max(j.v.rows, 1), mostKept/j.v.dims))
}

// finder finds near duplicates of the wanted rows.
type finder struct {
	j      *judgement
	axes   axes
	bound  float32 // of the squared distance along the axes
	wanted []int32 // rows, in the order of where they are along the first axis
	where  []float32
	heads  [][headAxes]float32 // the first of where, next to each other

	mu        sync.Mutex
	connected *connected
	pairs     int
	crowded   int
	listed    choose.First[pair]
}

// headAxes are the axes along which most rows are already too far from each other.
const headAxes = 8

// at returns where a wanted row is along the axes.
func (f *finder) at(i int) []float32 { return f.where[i*f.axes.n : (i+1)*f.axes.n] }

// index sorts the wanted rows along the first axis.
func (f *finder) index(ctx context.Context) error {
	slices.Sort(f.wanted)
	along := make([]float32, len(f.wanted))
	err := f.vectors(ctx, func(i int, vector []float32) {
		f.axes.first().project(along[i:i+1], vector, f.j.inverse[f.wanted[i]])
	})
	if err != nil {
		return err
	}
	order := make([]int32, len(f.wanted))
	for i := range order {
		order[i] = int32(i)
	}
	slices.SortStableFunc(order, func(a, b int32) int { return cmp.Compare(along[a], along[b]) })
	sorted, place := make([]int32, len(order)), make([]int32, len(order))
	for i, from := range order {
		sorted[i], place[from] = f.wanted[from], int32(i)
	}
	f.where = make([]float32, len(f.wanted)*f.axes.n)
	err = f.vectors(ctx, func(i int, vector []float32) {
		f.axes.project(f.at(int(place[i])), vector, f.j.inverse[f.wanted[i]])
	})
	f.wanted = sorted
	f.heads = make([][headAxes]float32, len(f.wanted))
	for i := range f.heads {
		copy(f.heads[i][:], f.at(i))
	}
	f.listed = first(f.j.o.Duplicates)
	return err
}

// vectors calls fn for the vectors of all wanted rows, which are in order, many at once.
func (f *finder) vectors(ctx context.Context, fn func(i int, vector []float32)) error {
	next := 0
	return f.j.v.blocks(func(first int, vectors []float32) error {
		from, rows := next, len(vectors)/f.j.v.dims
		for next < len(f.wanted) && int(f.wanted[next]) < first+rows {
			next++
		}
		f.each(next-from, func(i int) {
			row := int(f.wanted[from+i]) - first
			fn(from+i, vectors[row*f.j.v.dims:(row+1)*f.j.v.dims])
		})
		return ctx.Err()
	})
}

// first keeps the most similar pairs.
func first(n int) choose.First[pair] {
	return choose.First[pair]{N: n, Less: func(a, b pair) bool {
		return cmp.Or(cmp.Compare(b.similarity, a.similarity), cmp.Compare(a.a, b.a), cmp.Compare(a.b, b.b)) < 0
	}}
}

// near reports whether two rows may be near duplicates.
func (f *finder) near(a, b []float32) bool {
	var sum float32
	b = b[:len(a)]
	for len(a) >= 8 {
		x, y := a[:8], b[:8]
		d0, d1, d2, d3 := x[0]-y[0], x[1]-y[1], x[2]-y[2], x[3]-y[3]
		d4, d5, d6, d7 := x[4]-y[4], x[5]-y[5], x[6]-y[6], x[7]-y[7]
		sum += (d0*d0 + d1*d1) + (d2*d2 + d3*d3) + (d4*d4 + d5*d5) + (d6*d6 + d7*d7)
		if sum > f.bound {
			return false
		}
		a, b = a[8:], b[8:]
	}
	for i := range a {
		d := a[i] - b[i]
		sum += d * d
	}
	return sum <= f.bound
}

// tileRows is how many rows are compared with as many others at a time, so that where both
// are stays in the caches.
const tileRows = 512

// allPairs compares all wanted rows with each other, each with those behind it in the order
// along the first axis that are near enough on it.
func (f *finder) allPairs(ctx context.Context) error {
	readers := sync.Pool{New: func() any { return &[2]reader{{v: f.j.v}, {v: f.j.v}} }}
	var failed atomic.Pointer[error]
	tiles := (len(f.wanted) + tileRows - 1) / tileRows
	var done atomic.Int64
	f.spread(tiles, 1, func(t int) {
		if failed.Load() != nil {
			return
		}
		r := readers.Get().(*[2]reader)
		if err := f.tile(ctx, t*tileRows, min((t+1)*tileRows, len(f.wanted)), r); err != nil {
			failed.Store(&err)
		}
		readers.Put(r)
		if f.j.o.Progress != nil {
			f.j.o.Progress(float64(done.Add(1)) / float64(tiles))
		}
	})
	if err := failed.Load(); err != nil {
		return *err
	}
	return nil
}

// candidates are the near duplicates of a row among those behind it.
type candidates struct {
	found   []pair
	crowded bool
	over    bool // no row further behind is near enough
}

// tile compares the wanted rows from lo to hi with those behind them.
func (f *finder) tile(ctx context.Context, lo, hi int, r *[2]reader) error {
	far := float32(math.Sqrt(float64(f.bound)))
	all := make([]candidates, hi-lo)
	for from := lo; from < len(f.wanted); from += tileRows {
		if err := ctx.Err(); err != nil {
			return err
		}
		to, open := min(from+tileRows, len(f.wanted)), false
		for i := lo; i < hi; i++ {
			c := &all[i-lo]
			if !c.over {
				if err := f.behind(i, max(from, i+1), to, far, c, r); err != nil {
					return err
				}
				open = open || !c.over
			}
		}
		if !open {
			break
		}
	}
	for i := range all {
		f.add(all[i].found, all[i].crowded)
	}
	return nil
}

// behind compares a wanted row with those from one behind it to another.
func (f *finder) behind(i, from, to int, far float32, c *candidates, r *[2]reader) error {
	head, bound := f.heads[i], f.bound
	var vector []float32
	for k := from; k < to; k++ {
		there := &f.heads[k]
		d0, d1, d2, d3 := there[0]-head[0], there[1]-head[1], there[2]-head[2], there[3]-head[3]
		if d0 > far {
			c.over = true
			return nil
		}
		if (d0*d0+d1*d1)+(d2*d2+d3*d3) > bound {
			continue
		}
		d4, d5, d6, d7 := there[4]-head[4], there[5]-head[5], there[6]-head[6], there[7]-head[7]
		if (d0*d0+d1*d1)+(d2*d2+d3*d3)+(d4*d4+d5*d5)+(d6*d6+d7*d7) > bound || !f.near(f.at(i), f.at(k)) {
			continue
		}
		var err error
		if vector == nil {
			if vector, err = r[0].read(int(f.wanted[i]), 1); err != nil {
				return err
			}
		}
		v, err := r[1].read(int(f.wanted[k]), 1)
		if err != nil {
			return err
		}
		if similarity := cosine(vector, v); similarity >= f.j.similar {
			if len(c.found) == mostFound {
				c.crowded, c.over = true, true
				return nil
			}
			c.found = append(c.found, f.pair(f.wanted[i], f.wanted[k], similarity))
		}
	}
	return nil
}

func (f *finder) pair(a, b int32, similarity float64) pair {
	return pair{int(min(a, b)), int(max(a, b)), similarity}
}

// add adds near duplicates. Their order does not matter.
func (f *finder) add(found []pair, crowded bool) {
	if len(found) == 0 && !crowded {
		return
	}
	f.mu.Lock()
	defer f.mu.Unlock()
	f.pairs += len(found)
	if crowded {
		f.crowded++
	}
	for _, p := range found {
		f.listed.Add(p)
		f.connected.join(int32(p.a), int32(p.b))
	}
}

// againstAll compares the wanted rows with all rows, which it reads once.
func (f *finder) againstAll(ctx context.Context) error {
	dims, n := f.j.v.dims, f.axes.n
	kept := make([]float32, len(f.wanted)*dims)
	r := reader{v: f.j.v}
	wanted := map[int32]bool{}
	for i, row := range f.wanted {
		vector, err := r.read(int(row), 1)
		if err != nil {
			return err
		}
		copy(kept[i*dims:], vector)
		wanted[row] = true
	}
	counts := make([]int, len(f.wanted))
	far := float32(math.Sqrt(float64(f.bound)))
	return f.j.v.blocks(func(first int, vectors []float32) error {
		where := make([]float32, len(vectors)/dims*n)
		f.each(len(vectors)/dims, func(i int) {
			f.axes.project(where[i*n:(i+1)*n], vectors[i*dims:(i+1)*dims], f.j.inverse[first+i])
		})
		var order []int // of the rows of the block, along the first axis
		for i := range len(vectors) / dims {
			if f.j.inverse[first+i] > 0 {
				order = append(order, i)
			}
		}
		slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(where[a*n], where[b*n]) })
		f.each(len(f.wanted), func(k int) {
			here := f.at(k)
			from := sort.Search(len(order), func(i int) bool { return where[order[i]*n] >= here[0]-far })
			var found []pair
			crowded := false
			for _, i := range order[from:] {
				if where[i*n] > here[0]+far || counts[k] > mostFound {
					break
				}
				// Two wanted rows meet twice, and count once.
				row := int32(first + i)
				if row == f.wanted[k] || wanted[row] && row < f.wanted[k] || !f.near(here, where[i*n:(i+1)*n]) {
					continue
				}
				if c := cosine(kept[k*dims:(k+1)*dims], vectors[i*dims:(i+1)*dims]); c >= f.j.similar {
					if counts[k]++; counts[k] > mostFound {
						crowded = true
						break
					}
					found = append(found, f.pair(row, f.wanted[k], c))
				}
			}
			f.add(found, crowded)
		})
		return ctx.Err()
	})
}

// each calls fn for the numbers below n, by all workers.
func (f *finder) each(n int, fn func(i int)) { f.spread(n, 64, fn) }

// spread calls fn for the numbers below n, by all workers, each of which takes some at once.
func (f *finder) spread(n, some int, fn func(i int)) {
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(f.j.o.Workers, (n+some-1)/some) {
		workers.Go(func() {
			for from := int(next.Add(int64(some))) - some; from < n; from = int(next.Add(int64(some))) - some {
				for i := from; i < min(from+some, n); i++ {
					fn(i)
				}
			}
		})
	}
	workers.Wait()
}

// found returns what was found.
func (f *finder) found() *duplicates {
	d := &duplicates{compared: len(f.wanted), pairs: f.pairs, crowded: f.crowded, listed: f.listed.Sorted()}
	d.groups = f.connected.largest(f.j.o.Groups)
	for _, row := range f.wanted {
		if f.connected.size[f.connected.root(row)] > 1 {
			d.with++
		}
	}
	return d
}
