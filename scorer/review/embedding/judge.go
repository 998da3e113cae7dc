package embedding

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/review/embedding/products"
)

// ErrRows is the error about a file with more or fewer vectors than there are images.
var ErrRows = errors.New("the vectors are not those of the images")

// Judge looks for near duplicates and outliers among the vectors of an output's rows.
func Judge(ctx context.Context, v *Vectors, rows Rows, o Options) (*Result, error) {
	return newJudgement(v, o).judge(ctx, rows)
}

func newJudgement(v *Vectors, o Options) *judgement {
	o.Similar = cmp.Or(o.Similar, 0.95)
	o.Duplicates, o.Groups, o.Outliers = cmp.Or(o.Duplicates, 200), cmp.Or(o.Groups, 50), cmp.Or(o.Outliers, 100)
	o.Workers = cmp.Or(o.Workers, runtime.GOMAXPROCS(0))
	j := &judgement{v: v, o: o, similar: o.Similar, exact: exactRows}
	j.sample = choose.First[sampled]{N: j.sampleSize(), Less: func(a, b sampled) bool { return string(a.key[:]) < string(b.key[:]) }}
	return j
}

func (j *judgement) judge(ctx context.Context, rows Rows) (*Result, error) {
	if !(j.similar > 0 && j.similar <= 1) {
		return nil, fmt.Errorf("near duplicates with a similarity of %v: want above 0, and 1 at most", j.similar)
	}
	if err := j.readLabels(ctx, rows); err != nil {
		return nil, err
	}
	if err := j.measure(ctx); err != nil {
		return nil, err
	}
	far, err := j.outliers(ctx)
	if err != nil {
		return nil, err
	}
	near, err := j.duplicates(ctx)
	if err != nil {
		return nil, err
	}
	return j.name(ctx, rows, far, near)
}

// judgement is what Judge knows of the vectors. Rows are numbers.
type judgement struct {
	v       *Vectors
	o       Options
	similar float64
	exact   int // up to how many rows all are compared with each other

	names   []string  // of labels
	labels  []int32   // of rows; -1 for none
	inverse []float32 // of the length of each vector; 0 for those that are left out
	counts  []int     // of such rows, by label
	images  int
	sample  choose.First[sampled]
}

// sampled is a row that may be compared, with the key by which a sample is chosen.
type sampled struct {
	key [32]byte
	row int
}

// readLabels reads the labels of all rows.
func (j *judgement) readLabels(ctx context.Context, rows Rows) error {
	numbers := map[string]int32{}
	j.labels = make([]int32, 0, j.v.rows)
	err := rows(func(path, label string) error {
		row := len(j.labels)
		if row == j.v.rows {
			return fmt.Errorf("%w: there are more images than the %d vectors", ErrRows, row)
		}
		if row%4096 == 0 && ctx.Err() != nil {
			return ctx.Err()
		}
		number := int32(-1)
		if label != "" {
			var known bool
			if number, known = numbers[label]; !known {
				label = strings.Clone(label)
				number = int32(len(j.names))
				numbers[label], j.names = number, append(j.names, label)
			}
			if j.v.rows > j.exact {
				j.sample.Add(sampled{choose.Hash(path, j.o.Seed), row})
			}
		}
		j.labels = append(j.labels, number)
		return nil
	})
	if err == nil && len(j.labels) != j.v.rows {
		err = fmt.Errorf("%w: %d vectors, and %d images", ErrRows, j.v.rows, len(j.labels))
	}
	return err
}

// measure measures the lengths of all vectors.
func (j *judgement) measure(ctx context.Context) error {
	j.inverse, j.counts = make([]float32, j.v.rows), make([]int, len(j.names))
	squares := make([]float64, j.v.perBlock())
	return j.v.blocks(func(first int, vectors []float32) error {
		squares = squares[:len(vectors)/j.v.dims]
		products.Squares(squares, vectors, j.v.dims)
		for i, square := range squares {
			row, long := first+i, math.Sqrt(square)
			if j.labels[row] < 0 || !(long > 0) || math.IsInf(long, 0) || math.IsInf(1/long, 0) || float32(1/long) == 0 {
				continue
			}
			j.inverse[row] = float32(1 / long)
			j.counts[j.labels[row]]++
			j.images++
		}
		return ctx.Err()
	})
}

// dot returns the sum of products.
func dot(a, b []float32) float64 {
	_, ab, _ := products.Three(a, b)
	return ab
}

// cosine returns the cosine of the angle between two vectors.
func cosine(a, b []float32) float64 {
	aa, ab, bb := products.Three(a, b)
	return min(max(ab/(math.Sqrt(aa)*math.Sqrt(bb)), -1), 1)
}

// name returns the result with the paths of the rows in it.
func (j *judgement) name(ctx context.Context, rows Rows, far []outlier, near *duplicates) (*Result, error) {
	r := &Result{
		Images: j.images, Dimensions: j.v.dims, LeftOut: j.v.rows - j.images, Similar: j.similar,
		Compared: near.compared, WithDuplicate: near.with, Pairs: near.pairs, Crowded: near.crowded,
	}
	paths := map[int]string{}
	for _, o := range far {
		paths[o.row] = ""
	}
	for _, p := range near.listed {
		paths[p.a], paths[p.b] = "", ""
	}
	for _, g := range near.groups {
		for _, row := range g.rows {
			paths[row] = ""
		}
	}
	row := 0
	err := rows(func(path, _ string) error {
		if _, wanted := paths[row]; wanted {
			paths[row] = strings.Clone(path)
		}
		row++
		if row%4096 == 0 {
			return ctx.Err()
		}
		return nil
	})
	if err == nil && row != j.v.rows {
		err = fmt.Errorf("%w: %d vectors, and now %d images", ErrRows, j.v.rows, row)
	}
	if err != nil {
		return nil, err
	}
	for _, o := range far {
		r.Outliers = append(r.Outliers, Outlier{Path: paths[o.row], Label: j.names[j.labels[o.row]], Distance: o.distance})
	}
	for _, p := range near.listed {
		r.Duplicates = append(r.Duplicates, Pair{A: paths[p.a], B: paths[p.b], Similarity: p.similarity})
	}
	for _, g := range near.groups {
		named := Group{Images: g.images}
		for _, row := range g.rows {
			named.Paths = append(named.Paths, paths[row])
		}
		r.Groups = append(r.Groups, named)
	}
	return r, nil
}

// comparable returns the rows that can be compared, in order.
func (j *judgement) comparable() []int32 {
	rows := make([]int32, 0, j.images)
	for row, inverse := range j.inverse {
		if inverse > 0 {
			rows = append(rows, int32(row))
		}
	}
	return slices.Clip(rows)
}
