package products

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"
)

// sum is the definition of all sums: 8 parts, and their sum in one order.
func sum(n int, product func(i int) float64) float64 {
	var s [8]float64
	for i := range n {
		s[i%8] += product(i)
	}
	return ((s[0] + s[4]) + (s[2] + s[6])) + ((s[1] + s[5]) + (s[3] + s[7]))
}

func bits(x []float64) []uint64 {
	all := make([]uint64, len(x))
	for i := range x {
		if all[i] = math.Float64bits(x[i]); x[i] != x[i] {
			all[i] = 0x7ff8 << 48 // whichever it is
		}
	}
	return all
}

// TestKernelTwin compares the bits of all sums with those of plain loops, for all vector instructions of
// this processor, numbers of queries and rows, and lengths, and with infinities and NaN among the numbers.
func TestKernelTwin(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 9))
	if len(usable()) == 0 || usable()[0] != 0 {
		t.Fatalf("usable() = %v: the plain code is missing", usable())
	}
	for _, dims := range []int{1, 2, 3, 5, 7, 8, 9, 12, 15, 16, 31, 64, 100, 515} {
		for _, size := range [][2]int{{1, 1}, {1, 2}, {2, 1}, {3, 3}, {4, 4}, {5, 6}, {8, 9}, {9, 7}, {0, 3}, {3, 0}} {
			queries, rows := make([]float64, size[0]*dims), make([]float32, size[1]*dims)
			for i := range queries {
				queries[i] = r.NormFloat64() * math.Exp(8*r.NormFloat64())
			}
			for i := range rows {
				rows[i] = float32(r.NormFloat64() * math.Exp(8*r.NormFloat64()))
			}
			for i, odd := range []float64{math.Inf(1), math.NaN(), math.Copysign(0, -1), 1e-42} {
				if size[1] > 4 {
					rows[i*dims+r.IntN(dims)] = float32(odd)
				}
			}
			var want, squares []float64
			for row := range size[1] {
				x := rows[row*dims : (row+1)*dims]
				for q := range size[0] {
					want = append(want, sum(dims, func(i int) float64 { return float64(queries[q*dims+i] * float64(x[i])) }))
				}
				squares = append(squares, sum(dims, func(i int) float64 { return float64(x[i]) * float64(x[i]) }))
			}
			for _, isa := range usable() {
				k := twin{isa}
				got := make([]float64, len(want))
				if k.all(got, queries, rows, dims); !slices.Equal(bits(got), bits(want)) {
					t.Fatalf("instructions %d: %d queries and %d rows of %d numbers: %v, want %v", isa, size[0], size[1], dims, got, want)
				}
				got = make([]float64, size[1])
				if k.squares(got, rows, dims); !slices.Equal(bits(got), bits(squares)) {
					t.Fatalf("instructions %d: squares of %d rows of %d numbers: %v, want %v", isa, size[1], dims, got, squares)
				}
				for row := range max(size[1]-1, 0) {
					a, b := rows[row*dims:(row+1)*dims], rows[(row+1)*dims:(row+2)*dims]
					ab := sum(dims, func(i int) float64 { return float64(a[i]) * float64(b[i]) })
					got := k.three(a, b)
					if want := []float64{squares[row], ab, squares[row+1]}; !slices.Equal(bits(got[:]), bits(want)) {
						t.Fatalf("instructions %d: two rows of %d numbers: %v, want %v", isa, dims, got, want)
					}
				}
			}
		}
	}
}

// TestLengths: lengths that do not fit are not handed to C, which would read behind them.
func TestLengths(t *testing.T) {
	for name, do := range map[string]func(){
		"sums":    func() { All(make([]float64, 3), make([]float64, 8), make([]float32, 8), 4) },
		"queries": func() { All(make([]float64, 4), make([]float64, 9), make([]float32, 8), 4) },
		"rows":    func() { All(make([]float64, 4), make([]float64, 8), make([]float32, 9), 4) },
		"squares": func() { Squares(make([]float64, 2), make([]float32, 9), 4) },
		"two":     func() { Three(make([]float32, 4), make([]float32, 5)) },
	} {
		t.Run(name, func(t *testing.T) {
			defer func() {
				if recover() == nil {
					t.Error("lengths that do not fit are taken")
				}
			}()
			do()
		})
	}
	aa, ab, bb := Three([]float32{1, 2}, []float32{3, 4})
	if aa != 5 || ab != 11 || bb != 25 {
		t.Errorf("Three() = %v, %v, %v; want 5, 11, 25", aa, ab, bb)
	}
}

// BenchmarkAll multiplies 16 queries with 128 rows.
func BenchmarkAll(b *testing.B) {
	const dims, queries, rows = 2048, 16, 128
	by, vectors, sums := make([]float64, queries*dims), make([]float32, rows*dims), make([]float64, queries*rows)
	for _, isa := range usable() {
		b.Run([]string{"instructions=plain", "instructions=AVX2", "instructions=AVX-512"}[isa], func(b *testing.B) {
			for b.Loop() {
				twin{isa}.all(sums, by, vectors, dims)
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N)/(dims*queries*rows), "ns/product")
		})
	}
}
