package embedding

import (
	"cmp"
	"context"
	"errors"
	"io"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"testing"
)

// clustered returns vectors around some centers, as those of networks are, with exact copies
// and vectors without direction among them.
func clustered(rows, dims, centers int, noise float64, seed uint64) []float32 {
	r := rand.New(rand.NewPCG(seed, 7))
	middle := make([]float64, centers*dims)
	for i := range middle {
		middle[i] = max(r.NormFloat64(), 0)
	}
	all := make([]float32, 0, rows*dims)
	for range rows {
		c := r.IntN(centers) * dims
		for k := range dims {
			all = append(all, float32(middle[c+k]+noise*r.NormFloat64()))
		}
	}
	return all
}

// TestFindDuplicates compares all pairs with those of a plain loop.
func TestFindDuplicates(t *testing.T) {
	const rows, dims = 1800, 24
	vectors := clustered(rows, dims, 40, 0.25, 3)
	copy(vectors[7*dims:8*dims], vectors[1700*dims:])
	clear(vectors[9*dims : 10*dims])
	vectors[11*dims] = float32(math.NaN())
	var want []RowPair
	for a := range rows {
		for b := a + 1; b < rows; b++ {
			if c := cosine(vectors[a*dims:(a+1)*dims], vectors[b*dims:(b+1)*dims]); c >= 0.97 {
				want = append(want, RowPair{A: a, B: b, Similarity: c})
			}
		}
	}
	slices.SortFunc(want, func(a, b RowPair) int {
		return cmp.Or(cmp.Compare(b.Similarity, a.Similarity), cmp.Compare(a.A, b.A), cmp.Compare(a.B, b.B))
	})
	if len(want) < 50 {
		t.Fatalf("%d pairs to find: the test shows nothing", len(want))
	}
	parts := 0
	got, err := FindDuplicates(t.Context(), open(t, npy(t, dims, vectors)), Options{
		Similar: 0.97, Duplicates: rows * rows, Workers: 1, Progress: func(float64) { parts++ },
	})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Listed, want) || got.Pairs != len(want) || got.LeftOut != 2 || got.Compared != rows-2 || got.Crowded != 0 {
		t.Errorf("%d pairs listed, %d counted of %d, %d left out, %d crowded; want %d pairs",
			len(got.Listed), got.Pairs, got.Compared, got.LeftOut, got.Crowded, len(want))
	}
	if parts != (rows-2+tileRows-1)/tileRows {
		t.Errorf("%d parts told, want one for each %d rows", parts, tileRows)
	}
	two, err := FindDuplicates(t.Context(), open(t, npy(t, dims, vectors)), Options{Similar: 0.97, Duplicates: 3, Workers: 4})
	if err != nil || !slices.Equal(two.Listed, want[:3]) || two.Pairs != got.Pairs {
		t.Errorf("with four workers: %+v, %v", two, err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := FindDuplicates(ctx, open(t, npy(t, dims, vectors)), Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after a stop: %v", err)
	}
}

// TestNearest compares neighbours with those of a plain loop.
func TestNearest(t *testing.T) {
	const rows, dims = 3000, 12
	vectors := clustered(rows, dims, 30, 0.3, 5)
	clear(vectors[4*dims : 5*dims])
	copy(vectors[20*dims:21*dims], vectors[10*dims:11*dims])
	v := open(t, npy(t, dims, vectors))
	queries := [][]float32{vectors[10*dims : 11*dims], vectors[99*dims : 100*dims]}
	got, err := Nearest(t.Context(), v, nil, queries, 5, 3)
	if err != nil {
		t.Fatal(err)
	}
	for i, q := range queries {
		var want []Neighbour
		for row := range rows {
			if row != 4 {
				want = append(want, Neighbour{Row: row, Similarity: cosine(q, vectors[row*dims:(row+1)*dims])})
			}
		}
		slices.SortStableFunc(want, func(a, b Neighbour) int { return cmp.Compare(b.Similarity, a.Similarity) })
		for k := range 5 {
			if got[i][k].Row != want[k].Row || math.Abs(got[i][k].Similarity-want[k].Similarity) > 1e-12 {
				t.Errorf("query %d: neighbour %d is %+v, want %+v", i, k, got[i][k], want[k])
			}
		}
	}
	if _, err := Nearest(t.Context(), v, nil, [][]float32{make([]float32, dims)}, 5, 1); !errors.Is(err, ErrQuery) {
		t.Errorf("a vector of zeros: %v", err)
	}
	if _, err := Nearest(t.Context(), v, nil, [][]float32{make([]float32, dims+1)}, 5, 1); err == nil {
		t.Error("a query of another size is taken")
	}
}

// TestNearestOfAll: more neighbours than there are give every row that can be compared once, in order,
// those that are equally similar by their number, however many workers and queries there are.
func TestNearestOfAll(t *testing.T) {
	const rows, dims, broken = 1500, 300, 3 // several blocks
	vectors := clustered(rows, dims, 20, 0.2, 8)
	copy(vectors[700*dims:701*dims], vectors[40*dims:])
	clear(vectors[4*dims : 5*dims])
	vectors[900*dims+7], vectors[901*dims] = float32(math.NaN()), float32(math.Inf(-1))
	v := open(t, npy(t, dims, vectors))
	if v.perBlock() >= rows {
		t.Fatalf("%d rows are one block", rows)
	}
	e, err := NewEvening(t.Context(), v, 1)
	if err != nil || e == nil {
		t.Fatalf("no evening: %v", err)
	}
	var queries [][]float32
	for row := range 250 {
		if row != 4 {
			queries = append(queries, vectors[row*dims:(row+1)*dims])
		}
	}
	for name, e := range map[string]*Evening{"plain": nil, "evened out": e} {
		t.Run(name, func(t *testing.T) {
			find := func(queries [][]float32, n, workers int) [][]Neighbour {
				all, err := Nearest(t.Context(), v, e, queries, n, workers)
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
			all := find(queries, 0, 4)
			for i, near := range all {
				if len(near) != rows-broken {
					t.Fatalf("query %d: %d neighbours of %d rows, want all but %d", i, len(near), rows, broken)
				}
				for k, one := range near {
					if k > 0 && (near[k-1].Similarity < one.Similarity || near[k-1].Similarity == one.Similarity && near[k-1].Row > one.Row) {
						t.Fatalf("query %d: %+v before %+v", i, near[k-1], one)
					}
					if one.Row == 4 || one.Row == 900 || one.Row == 901 || one.Similarity < -1 || one.Similarity > 1 {
						t.Fatalf("query %d: %+v is found", i, one)
					}
				}
			}
			if near := all[39]; near[0].Row != 40 || near[1].Row != 700 { // row 40: there is none of row 4
				t.Errorf("row 40 finds %+v and %+v, want itself and then its copy", near[0], near[1])
			}
			for i := range all {
				all[i] = all[i][:7]
			}
			if some := find(queries, 7, 1); !reflect.DeepEqual(some, all) {
				t.Error("7 neighbours are not the first of all")
			}
			for _, i := range []int{0, 100, 248} {
				if one := find(queries[i:i+1], 7, 2); !reflect.DeepEqual(one[0], all[i]) {
					t.Errorf("query %d alone finds %+v, want %+v", i, one[0], all[i])
				}
			}
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, err := Nearest(ctx, v, e, queries, 7, 2); !errors.Is(err, context.Canceled) {
		t.Errorf("after a stop: %v", err)
	}
	short := open(t, npy(t, dims, vectors))
	short.rows++ // behind the end of the file
	if _, err := Nearest(t.Context(), short, e, queries[:1], 7, 2); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("a file that has become shorter: %v", err)
	}
}

// TestNearestOfUnlike: what is not like the query has a negative similarity, and order too.
func TestNearestOfUnlike(t *testing.T) {
	const rows, dims, n = 6000, 100, 4500
	random := rand.New(rand.NewPCG(1, 2))
	vectors := make([]float32, rows*dims)
	for i := range vectors {
		vectors[i] = float32(random.NormFloat64() * float64(1+i%dims))
	}
	v := open(t, npy(t, dims, vectors))
	e, err := NewEvening(t.Context(), v, 1)
	if err != nil || e == nil || v.perBlock() > rows/2 {
		t.Fatalf("no evening, or one block: %v", err)
	}
	for row := range 10 {
		query := [][]float32{vectors[row*dims : (row+1)*dims]}
		all, err := Nearest(t.Context(), v, e, query, 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		some, err := Nearest(t.Context(), v, e, query, n, 3)
		if err != nil {
			t.Fatal(err)
		}
		if all[0][n-1].Similarity > -0.01 {
			t.Fatalf("row %d: the last of %d has a similarity of %v, want a negative one", row, n, all[0][n-1].Similarity)
		}
		if !reflect.DeepEqual(some[0], all[0][:n]) {
			t.Errorf("row %d: %d neighbours are not the first of all", row, n)
		}
	}
}

// TestNearestOfShort: how long a vector is does not matter, by the plain cosine.
func TestNearestOfShort(t *testing.T) {
	v := open(t, npy(t, 2, []float32{1e-11, 1e-11, 1, 0, -1e-12, -1e-12}))
	near, err := Nearest(t.Context(), v, nil, [][]float32{{1e-8, 1e-8}}, 3, 1)
	if err != nil {
		t.Fatal(err)
	}
	for k, want := range []Neighbour{{Row: 0, Similarity: 1}, {Row: 1, Similarity: math.Sqrt2 / 2}, {Row: 2, Similarity: -1}} {
		if got := near[0][k]; got.Row != want.Row || math.Abs(got.Similarity-want.Similarity) > 1e-6 {
			t.Errorf("place %d: %+v, want %+v", k, got, want)
		}
	}
}

// TestEvening: vectors differ most along a few directions, which say nothing. Copies of them with other
// numbers there find their vector once the directions are evened out, as in a plain loop over all.
func TestEvening(t *testing.T) {
	const rows, dims, common = 500, 96, 4
	r := rand.New(rand.NewPCG(5, 8))
	var directions [common][dims]float64
	for i := range directions {
		for k := range dims {
			directions[i][k] = r.NormFloat64()
		}
	}
	vectors, queries := make([]float32, 0, rows*dims), make([][]float32, 0, 60)
	for row := range rows {
		var own [dims]float64
		for k := range own {
			own[k] = 2 + r.NormFloat64()
		}
		of := func() []float32 {
			var by [common]float64
			for i := range by {
				by[i] = 1.5 * r.NormFloat64()
			}
			made := make([]float32, dims)
			for k := range made {
				x := own[k]
				for i := range by {
					x += by[i] * directions[i][k]
				}
				made[k] = float32(x)
			}
			return made
		}
		if vectors = append(vectors, of()...); row < 60 {
			queries = append(queries, of())
		}
	}
	clear(vectors[99*dims : 100*dims])
	v := open(t, npy(t, dims, vectors))
	first := func(e *Evening, workers int) (found int, all [][]Neighbour) {
		all, err := Nearest(t.Context(), v, e, queries, 3, workers)
		if err != nil {
			t.Fatal(err)
		}
		for i := range all {
			if all[i][0].Row == i {
				found++
			}
		}
		return found, all
	}
	e, err := NewEvening(t.Context(), v, 2)
	if err != nil || e == nil {
		t.Fatalf("no evening: %v", err)
	}
	plain, _ := first(nil, 2)
	found, all := first(e, 2)
	if plain > 30 || found < 55 {
		t.Errorf("of 60 queries, %d find theirs by the plain cosine and %d evened out, want at most 30 and at least 55", plain, found)
	}
	other, err := NewEvening(t.Context(), v, 1)
	if err != nil {
		t.Fatal(err)
	}
	if _, same := first(other, 1); !reflect.DeepEqual(all, same) {
		t.Error("one worker finds others than two")
	}
	for i, q := range queries {
		one := e.apply(q, math.Sqrt(dot(q, q)))
		var want []Neighbour
		for row := range rows {
			if row == 99 {
				continue
			}
			vector := vectors[row*dims : (row+1)*dims]
			two := e.apply(vector, math.Sqrt(dot(vector, vector)))
			want = append(want, Neighbour{Row: row, Similarity: product(one, two) / (length(one) * length(two))})
		}
		slices.SortStableFunc(want, func(a, b Neighbour) int { return cmp.Compare(b.Similarity, a.Similarity) })
		for k := range 3 {
			if all[i][k].Row != want[k].Row || math.Abs(all[i][k].Similarity-want[k].Similarity) > 1e-9 {
				t.Fatalf("query %d: neighbour %d is %+v, want %+v", i, k, all[i][k], want[k])
			}
		}
	}
	own, err := Nearest(t.Context(), v, e, [][]float32{vectors[7*dims : 8*dims]}, 1, 0)
	if err != nil || own[0][0].Row != 7 || own[0][0].Similarity < 1-1e-9 {
		t.Errorf("a vector finds %+v, %v, want itself", own, err)
	}
	for name, few := range map[string][]float32{"few": vectors[:15*dims], "all the same": slices.Repeat(vectors[:dims], 40)} {
		if e, err := NewEvening(t.Context(), open(t, npy(t, dims, few)), 1); e != nil || err != nil {
			t.Errorf("%s: %v, %v, want nothing to even out", name, e, err)
		}
	}
}

// BenchmarkFindDuplicates measures how the time grows with the number of rows.
func BenchmarkFindDuplicates(b *testing.B) {
	for _, rows := range []int{20_000, 60_000} {
		b.Run(map[int]string{20_000: "rows=20000", 60_000: "rows=60000"}[rows], func(b *testing.B) {
			v, err := Open(npy(b, 256, clustered(rows, 256, rows/20, 0.35, 1)))
			if err != nil {
				b.Fatal(err)
			}
			defer v.Close()
			for b.Loop() {
				if _, err := FindDuplicates(b.Context(), v, Options{}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
