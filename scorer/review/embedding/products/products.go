// Package products sums the products of vectors in 64 bits, with the vector instructions of
// x86-64 processors where they are there. Sums have the same bits with them and without them, and
// whatever is computed at once.
package products

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape bs_products
// #cgo nocallback bs_products
// #cgo noescape bs_three
// #cgo nocallback bs_three
// #cgo noescape bs_squares
// #cgo nocallback bs_squares
// #include "products.h"
import "C"

import (
	"fmt"
	"unsafe"
)

// best are the vector instructions that are used.
var best = C.bs_best()

// All fills sums [n][queries] with the sum of the products of each row of rows [n][dims] and each
// query of queries [queries][dims]. It panics if the lengths do not fit.
func All(sums, queries []float64, rows []float32, dims int) { all(best, sums, queries, rows, dims) }

func all(isa C.int32_t, sums, queries []float64, rows []float32, dims int) {
	n, q := len(rows)/dims, len(queries)/dims
	if len(rows) != n*dims || len(queries) != q*dims || len(sums) != n*q {
		panic(fmt.Sprintf("%d sums of %d numbers of queries and %d of rows, with %d dimensions", len(sums), len(queries), len(rows), dims))
	}
	if len(sums) > 0 {
		C.bs_products(isa, (*C.double)(unsafe.SliceData(queries)), C.int64_t(q), floats(rows), C.int64_t(n), C.int64_t(dims),
			(*C.double)(unsafe.SliceData(sums)))
	}
}

// Three returns the sums of the products of a with a, of a with b, and of b with b. It panics if
// their lengths differ.
func Three(a, b []float32) (aa, ab, bb float64) { return three(best, a, b) }

func three(isa C.int32_t, a, b []float32) (aa, ab, bb float64) {
	if len(a) != len(b) {
		panic(fmt.Sprintf("vectors of %d and %d numbers", len(a), len(b)))
	}
	var sums [3]float64
	C.bs_three(isa, floats(a), floats(b), C.int64_t(len(a)), (*C.double)(&sums[0]))
	return sums[0], sums[1], sums[2]
}

// Squares fills sums [n] with the sum of the squares of each row of rows [n][dims]. It panics if
// the lengths do not fit.
func Squares(sums []float64, rows []float32, dims int) { squares(best, sums, rows, dims) }

func squares(isa C.int32_t, sums []float64, rows []float32, dims int) {
	if len(rows) != len(sums)*dims {
		panic(fmt.Sprintf("%d sums of %d numbers, with %d dimensions", len(sums), len(rows), dims))
	}
	if len(sums) > 0 {
		C.bs_squares(isa, floats(rows), C.int64_t(len(sums)), C.int64_t(dims), (*C.double)(unsafe.SliceData(sums)))
	}
}

func floats(s []float32) *C.float { return (*C.float)(unsafe.SliceData(s)) }

// usable lists the sets of vector instructions that this processor has, for the tests, which
// cannot use cgo.
func usable() (all []int32) {
	for isa := range best + 1 {
		all = append(all, int32(isa))
	}
	return all
}

// twin is the three functions with a set of vector instructions.
type twin struct{ isa int32 }

func (t twin) all(sums, queries []float64, rows []float32, dims int) {
	all(C.int32_t(t.isa), sums, queries, rows, dims)
}

func (t twin) three(a, b []float32) [3]float64 {
	aa, ab, bb := three(C.int32_t(t.isa), a, b)
	return [3]float64{aa, ab, bb}
}

func (t twin) squares(sums []float64, rows []float32, dims int) {
	squares(C.int32_t(t.isa), sums, rows, dims)
}
