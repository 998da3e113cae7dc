package weights

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash/fnv"
)

// Uniform describes a tensor of random numbers within Mean ± Bound.
type Uniform struct {
	Name        string
	Shape       []int64
	Mean, Bound float64
}

// random generates its tensors when they are read.
type random struct {
	seed  uint64
	list  []Tensor
	index map[string]Uniform
}

// Random returns a source of these tensors. Each depends only on the seed and its own
// name, shape and bounds.
//
// Element i is Mean + Bound*(2u-1), where u is 24 bits, as a fraction of 1, of
// the i-th output of a SplitMix64 that starts at seed XOR the 64-bit FNV-1a of the name.
// Doubles are rounded to float32 once, at the end.
func Random(seed uint64, tensors []Uniform) Source {
	r := &random{seed: seed, index: map[string]Uniform{}}
	for _, t := range tensors {
		r.list = append(r.list, Tensor{t.Name, t.Shape, Float32})
		r.index[t.Name] = t
	}
	return r
}

// Tensors implements Source.
func (r *random) Tensors() []Tensor { return r.list }

// Read implements Source.
func (r *random) Read(name string, dst []float32) error {
	t, ok := r.index[name]
	if !ok {
		return bad("there is no tensor %q", name)
	}
	if err := fits(Tensor{Name: t.Name, Shape: t.Shape}, len(dst)); err != nil {
		return err
	}
	h := fnv.New64a()
	h.Write([]byte(name))
	t.fill(dst, r.seed^h.Sum64())
	return nil
}

// fill computes the elements from the state of the generator. The race detector does not look at
// each of them, which takes ten times as long as computing them.
//
//go:norace
//go:nocheckptr
func (t *Uniform) fill(dst []float32, state uint64) {
	for i := range dst {
		state += 0x9e3779b97f4a7c15
		z := state
		z = (z ^ z>>30) * 0xbf58476d1ce4e5b9
		z = (z ^ z>>27) * 0x94d049bb133111eb
		z ^= z >> 31
		u := float64(z>>40) / (1 << 24)
		// The conversion forbids a fused multiply-add, whose bits would differ.
		dst[i] = float32(t.Mean + float64(t.Bound*(2*u-1)))
	}
}

// Digest implements Source. It covers the seed and the tensors' descriptions.
func (r *random) Digest() (string, error) {
	sum := sha256.New()
	fmt.Fprintf(sum, "random %d\n", r.seed)
	for _, t := range r.list {
		u := r.index[t.Name]
		fmt.Fprintf(sum, "%q %v %v %v\n", u.Name, u.Shape, u.Mean, u.Bound)
	}
	return "sha256:" + hex.EncodeToString(sum.Sum(nil)), nil
}

// Close implements Source.
func (r *random) Close() error { return nil }
