package embedding

import (
	"math"
	"math/rand/v2"
	"slices"

	"github.com/batchscore/batchscore/scorer/review/embedding/products"
)

const (
	mostAxes   = 64
	mostSample = 2000    // rows that the axes are found from
	mostRead   = 1 << 23 // numbers of these rows
)

// axes are directions at right angles to each other along which the vectors differ most, the
// first one most of all. The distance of two vectors along them is a lower bound for their
// whole distance, whatever the directions are: better ones only save time.
type axes struct {
	numbers []float64 // one axis after another
	n, dims int
}

// first returns the first axis alone.
func (a axes) first() axes { return axes{a.numbers[:a.dims], 1, a.dims} }

// findAxes finds directions from vectors of length one at regular intervals, by repeated
// multiplication with their covariance.
func (j *judgement) findAxes(rows []int32) (axes, error) {
	n := min(len(rows), mostSample, max(mostAxes, mostRead/j.v.dims))
	r := reader{v: j.v}
	sample, mean := make([][]float64, n), make([]float64, j.v.dims)
	for i := range sample {
		row := int(rows[i*len(rows)/n])
		vector, err := r.read(row, 1)
		if err != nil {
			return axes{}, err
		}
		sample[i] = make([]float64, j.v.dims)
		for k, x := range vector {
			sample[i][k] = float64(x) * float64(j.inverse[row])
			mean[k] += sample[i][k] / float64(n)
		}
	}
	for _, vector := range sample {
		for k := range vector {
			vector[k] -= mean[k]
		}
	}
	random := rand.New(rand.NewPCG(1, 2)) // any numbers, the same each time
	basis := make([][]float64, min(mostAxes, j.v.dims))
	for i := range basis {
		basis[i] = make([]float64, j.v.dims)
		for k := range basis[i] {
			basis[i][k] = random.NormFloat64()
		}
	}
	basis = rightAngles(basis)
	for range 3 {
		for i, axis := range basis {
			next := make([]float64, j.v.dims)
			for _, vector := range sample {
				along := 0.0
				for k, x := range vector {
					along += x * axis[k]
				}
				for k, x := range vector {
					next[k] += along * x
				}
			}
			basis[i] = next
		}
		basis = rightAngles(basis)
	}
	if len(basis) == 0 { // all vectors of the sample are the same
		basis = [][]float64{make([]float64, j.v.dims)}
		basis[0][0] = 1
	}
	return axes{slices.Concat(basis...), len(basis), j.v.dims}, nil
}

// rightAngles makes directions of length one at right angles to each other from vectors, and
// leaves out those that have no part of their own.
func rightAngles(vectors [][]float64) (kept [][]float64) {
	for _, v := range vectors {
		before := length(v)
		for range 2 { // once more, for what rounding leaves
			for _, k := range kept {
				along := 0.0
				for i, x := range v {
					along += x * k[i]
				}
				for i := range v {
					v[i] -= along * k[i]
				}
			}
		}
		after := length(v)
		if after == 0 || after < 1e-9*before {
			continue
		}
		for i := range v {
			v[i] /= after
		}
		kept = append(kept, v)
	}
	return kept
}

func length(v []float64) float64 {
	sum := 0.0
	for _, x := range v {
		sum += x * x
	}
	return math.Sqrt(sum)
}

// project writes where a vector of length one is along each axis.
func (a axes) project(to []float32, vector []float32, inverse float32) {
	var sums [mostAxes]float64
	products.All(sums[:a.n], a.numbers, vector, a.dims)
	for i, sum := range sums[:a.n] {
		to[i] = float32(sum * float64(inverse))
	}
}
