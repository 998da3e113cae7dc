package embedding

import (
	"context"
	"math"
	"math/rand/v2"
	"slices"
)

// Evening evens out the directions in which all vectors of a collection differ most. Networks
// give vectors that differ most in a few directions, such as whether there is a person, and a
// plain cosine then says that all portraits are the same. After Jégou and Chum, "Negative
// evidences and co-occurrences in image retrieval: the benefit of PCA and whitening" (2012).
//
// A vector of length one minus the mean is scaled by sqrt(r/(v+r)) along each of up to 64 axes,
// where v is the variance along it, and r is evened times the mean variance of all directions.
// Directions of little variance stay as they are, so that what is only noise does not grow.
type Evening struct {
	mean   []float64
	square float64     // of the length of mean
	axes   [][]float64 // of length one, at right angles to each other
	along  []float64   // where mean is along each axis
	scales []float64   // along each axis, above 0 and below 1
	least  float64     // of scales
}

const (
	evened       = 0.3 // chosen with crops of 795 pictures of other sources than the photographs of the tests
	fewestEvened = 16  // of fewer vectors, no direction is known to be common
	evenRounds   = 5
)

// NewEvening returns the evening of a collection, from at most 2,000 vectors at regular intervals;
// nil if it has too few for that, or all are the same. It does not depend on workers.
func NewEvening(ctx context.Context, v *Vectors, workers int) (*Evening, error) {
	f := &finder{j: newJudgement(v, Options{Workers: workers})}
	n := min(v.rows, mostSample, max(mostAxes, mostRead/v.dims))
	r := reader{v: v}
	var sample [][]float64
	e := &Evening{mean: make([]float64, v.dims)}
	for i := range n {
		vector, err := r.read(int(int64(i)*int64(v.rows)/int64(n)), 1)
		if err != nil {
			return nil, err
		}
		long := math.Sqrt(dot(vector, vector))
		if !(long > 0) || math.IsInf(long, 0) {
			continue
		}
		one := make([]float64, v.dims)
		for k, x := range vector {
			one[k] = float64(x) / long
			e.mean[k] += one[k]
		}
		sample = append(sample, one)
	}
	if len(sample) < fewestEvened {
		return nil, ctx.Err()
	}
	for k := range e.mean {
		e.mean[k] /= float64(len(sample))
	}
	variance := 0.0
	for _, one := range sample {
		for k := range one {
			one[k] -= e.mean[k]
			variance += one[k] * one[k] / float64(len(sample))
		}
	}
	if !(variance > 1e-9) { // what rounding leaves
		return nil, ctx.Err()
	}
	random := rand.New(rand.NewPCG(3, 4)) // any numbers, the same each time
	basis := make([][]float64, min(mostAxes, v.dims, len(sample)-1))
	for i := range basis {
		basis[i] = make([]float64, v.dims)
		for k := range basis[i] {
			basis[i][k] = random.NormFloat64()
		}
	}
	basis = rightAngles(basis)
	for range evenRounds {
		next := make([][]float64, len(basis))
		f.spread(len(basis), 1, func(i int) { next[i] = timesCovariance(sample, basis[i]) })
		if basis = rightAngles(next); ctx.Err() != nil {
			return nil, ctx.Err()
		}
	}
	e.axes, e.least = basis, 1
	e.scales, e.along = make([]float64, len(basis)), make([]float64, len(basis))
	rest := evened * variance / float64(min(len(sample)-1, v.dims))
	f.spread(len(basis), 1, func(i int) {
		e.scales[i] = math.Sqrt(rest / (product(timesCovariance(sample, basis[i]), basis[i]) + rest))
		e.along[i] = product(basis[i], e.mean)
	})
	for _, s := range e.scales {
		e.least = min(e.least, s)
	}
	e.square = product(e.mean, e.mean)
	return e, nil
}

// timesCovariance returns the product of the covariance of vectors whose mean is 0 and a vector.
func timesCovariance(sample [][]float64, axis []float64) []float64 {
	next := make([]float64, len(axis))
	for _, one := range sample {
		along := product(one, axis) / float64(len(sample))
		for k, x := range one {
			next[k] += along * x
		}
	}
	return next
}

// product returns the sum of products.
func product[A, B float32 | float64](a []A, b []B) float64 {
	b = b[:len(a)]
	var s0, s1, s2, s3 float64
	i := 0
	for ; i+4 <= len(a); i += 4 {
		s0 += float64(a[i]) * float64(b[i])
		s1 += float64(a[i+1]) * float64(b[i+1])
		s2 += float64(a[i+2]) * float64(b[i+2])
		s3 += float64(a[i+3]) * float64(b[i+3])
	}
	for ; i < len(a); i++ {
		s0 += float64(a[i]) * float64(b[i])
	}
	return s0 + s1 + s2 + s3
}

// scale scales a vector along the axes.
func (e *Evening) scale(vector []float64) []float64 {
	to := slices.Clone(vector)
	for i, axis := range e.axes {
		less := (1 - e.scales[i]) * product(axis, vector)
		for k, x := range axis {
			to[k] -= less * x
		}
	}
	return to
}

// apply returns a vector evened out. long is its length.
func (e *Evening) apply(vector []float32, long float64) []float64 {
	one := make([]float64, len(vector))
	for k, x := range vector {
		one[k] = float64(x)/long - e.mean[k]
	}
	return e.scale(one)
}

// asked is a query that vectors are compared with.
type asked struct {
	by     []float64 // the product with a vector of length one, minus less, is that of the two that are compared
	less   float64
	length float64 // of the query
}

// ask returns a query. e is nil for the plain cosine.
func (e *Evening) ask(query []float32, long float64) asked {
	if e == nil {
		by := make([]float64, len(query))
		for k, x := range query {
			by[k] = float64(x)
		}
		return asked{by: by, length: long}
	}
	one := e.apply(query, long)
	by := e.scale(one) // the other vector is scaled by this
	return asked{by: by, less: product(by, e.mean), length: length(one)}
}

// compared is a vector that queries are compared with.
type compared struct {
	e      *Evening
	vector []float32
	long   float64 // its length; 0 if nothing can be compared with it
	square float64 // of the length of the one that has length one, less the mean
	length float64 // once it is evened out; 0 as long as nobody asked
}

func (e *Evening) other(vector []float32) compared {
	c := compared{e: e, vector: vector, long: math.Sqrt(dot(vector, vector)), length: 1}
	if !(c.long > 0) || math.IsInf(c.long, 0) {
		c.long = 0
	} else if e != nil {
		c.square, c.length = max(1-2*product(e.mean, vector)/c.long+e.square, 0), 0
	}
	return c
}

// similarity returns the similarity of a query, from -1 to 1, or less than that if it is below
// least.
func (c *compared) similarity(q *asked, least float64) float64 {
	if c.long == 0 {
		return math.Inf(-1)
	}
	both := product(q.by, c.vector)/c.long - q.less
	if c.length == 0 {
		// No axis shortens it more than the one that does most.
		if shortest := c.e.least * math.Sqrt(c.square); both < (least-1e-6)*q.length*shortest {
			return math.Inf(-1)
		}
		c.length = c.evenedLength()
	}
	if q.length*c.length < 1e-9 { // one is the mean: it has no direction
		return -1
	}
	return min(max(both/(q.length*c.length), -1), 1)
}

func (c *compared) evenedLength() float64 {
	square := c.square
	for i, axis := range c.e.axes {
		along := product(axis, c.vector)/c.long - c.e.along[i]
		square -= (1 - c.e.scales[i]*c.e.scales[i]) * along * along
	}
	return max(math.Sqrt(max(square, 0)), 1e-12)
}
