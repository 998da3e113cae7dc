package embedding

import (
	"cmp"
	"context"
	"math"
	"slices"

	"github.com/batchscore/batchscore/scorer/review/choose"
)

const (
	leastImages = 3       // with a label: of fewer, the mean says nothing
	mostSums    = 1 << 24 // numbers of all means
)

// outlier is a row and its distance from the mean of its label.
type outlier struct {
	row      int
	distance float64
}

// outliers returns the rows that are farthest from the mean of their label. Labels with fewer
// than three images have none, and if the means of all labels need too much memory, those
// with most images have some.
func (j *judgement) outliers(ctx context.Context) ([]outlier, error) {
	var judged []int // labels
	for label, n := range j.counts {
		if n >= leastImages {
			judged = append(judged, label)
		}
	}
	slices.SortStableFunc(judged, func(a, b int) int { return cmp.Compare(j.counts[b], j.counts[a]) })
	judged = judged[:min(len(judged), max(1, mostSums/j.v.dims))]
	means := make([][]float64, len(j.names))
	for _, label := range judged {
		means[label] = make([]float64, j.v.dims)
	}
	each := func(fn func(row int, vector []float32, mean []float64)) error {
		return j.v.blocks(func(first int, vectors []float32) error {
			for i := range len(vectors) / j.v.dims {
				if row := first + i; j.inverse[row] > 0 && means[j.labels[row]] != nil {
					fn(row, vectors[i*j.v.dims:(i+1)*j.v.dims], means[j.labels[row]])
				}
			}
			return ctx.Err()
		})
	}
	err := each(func(_ int, vector []float32, mean []float64) {
		long := math.Sqrt(dot(vector, vector))
		for i, x := range vector {
			mean[i] += float64(x) / long
		}
	})
	if err != nil {
		return nil, err
	}
	// The direction of the mean is that of the sum.
	for _, mean := range means {
		scale(mean)
	}
	farthest := choose.First[outlier]{N: j.o.Outliers, Less: func(a, b outlier) bool {
		return a.distance > b.distance || a.distance == b.distance && a.row < b.row
	}}
	err = each(func(row int, vector []float32, mean []float64) {
		sum, long := 0.0, math.Sqrt(dot(vector, vector))
		for i, x := range vector {
			sum += float64(x) * mean[i]
		}
		farthest.Add(outlier{row, 1 - min(max(sum/long, -1), 1)})
	})
	return farthest.Sorted(), err
}

// scale gives a vector the length one, unless it is zero: then its cosine with all others
// counts as zero.
func scale(vector []float64) {
	sum := 0.0
	for _, x := range vector {
		sum += x * x
	}
	if sum == 0 {
		return
	}
	for i := range vector {
		vector[i] /= math.Sqrt(sum)
	}
}
