package review

import (
	"cmp"
	"maps"
	"math"
	"math/bits"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/review/evaluate"
	"github.com/batchscore/batchscore/scorer/row"
)

const (
	// MostLabels is how many labels Findings list.
	MostLabels = 1000
	// countedLabels is how many distinct labels are counted; images of others are counted
	// together. No model has so many: it bounds the memory.
	countedLabels = 200_000
	// listedRows is in how many answers the lists of best classes are looked at for labels that
	// no image has.
	listedRows = 10_000
)

// add counts a value. What is not a number counts as 0: no row that this program wrote has it.
func (h *Histogram) add(value float32) {
	v := float64(value)
	if math.IsNaN(v) || math.IsInf(v, 0) {
		v = 0
	}
	if h.N == 0 {
		h.Least, h.Most = v, v
	}
	h.N++
	h.Mean += (v - h.Mean) / float64(h.N)
	h.Least, h.Most = min(h.Least, v), max(h.Most, v)
	switch {
	case v < 0:
		h.Below++
	case v > 1:
		h.Above++
	default:
		h.Counts[evaluate.BinOf(float32(v), Bins)]++
	}
}

// AtLeast returns about how many values are v or more, v being the edge of a bin: i/Bins.
func (h *Histogram) AtLeast(v float64) int {
	n := h.Above
	for i := int(math.Round(v * Bins)); i < Bins; i++ {
		n += h.Counts[i]
	}
	return n
}

// tally counts rows.
type tally struct {
	statuses        map[string]int
	images          int
	bytes           int64
	labels          map[string]*labelTally
	listed          map[string]bool // labels in lists of best classes, at most MostLabels
	other           int             // images of labels beyond countedLabels
	scores, margins Histogram
	sizes           [64]int // by the number of bits of the size
}

type labelTally struct {
	scores, margins Histogram
}

func newTally() *tally {
	return &tally{statuses: map[string]int{}, labels: map[string]*labelTally{}, listed: map[string]bool{}}
}

// add counts a row. a is its answer, nil if the image has none.
func (t *tally) add(r *row.Row, a *row.Classification) {
	t.images++
	t.bytes += r.Size
	t.sizes[bits.Len64(uint64(max(r.Size, 0)))&63]++
	if n, ok := t.statuses[r.Status]; ok {
		t.statuses[r.Status] = n + 1
	} else {
		t.statuses[strings.Clone(r.Status)] = 1
	}
	if a == nil {
		return
	}
	l := t.labels[a.Label]
	if l == nil && len(t.labels) < countedLabels {
		l = &labelTally{}
		t.labels[strings.Clone(a.Label)] = l
	}
	if t.scores.N < listedRows {
		t.list(a)
	}
	t.scores.add(a.Score)
	margin, known := a.Margin()
	if known {
		t.margins.add(margin)
	}
	if l == nil {
		t.other++
		return
	}
	l.scores.add(a.Score)
	if known {
		l.margins.add(margin)
	}
}

// list notes which labels an answer names.
func (t *tally) list(a *row.Classification) {
	for _, c := range a.TopK {
		if len(t.listed) < MostLabels && !t.listed[c.Label] {
			t.listed[strings.Clone(c.Label)] = true
		}
	}
}

// put sets the fields of Findings that the tally knows.
func (t *tally) put(f *Findings) {
	f.Images, f.Bytes, f.Statuses = t.images, t.bytes, t.statuses
	f.OK, f.Failed = t.statuses[row.StatusOK], row.Failed(t.statuses)
	if t.scores.N > 0 {
		f.Scores = &t.scores
	}
	if t.margins.N > 0 {
		f.Margins = &t.margins
	}
	f.OtherImages = t.other
	names := slices.SortedFunc(maps.Keys(t.labels), func(a, b string) int {
		return cmp.Or(t.labels[b].scores.N-t.labels[a].scores.N, strings.Compare(a, b))
	})
	for i, name := range names {
		l := t.labels[name]
		if i >= MostLabels {
			f.OtherLabels++
			f.OtherImages += l.scores.N
			continue
		}
		one := Label{Label: name, Images: l.scores.N, Share: float64(l.scores.N) / float64(f.OK), Scores: l.scores, MeanScore: l.scores.Mean}
		if l.margins.N > 0 {
			one.Margins, one.MeanMargin = &l.margins, l.margins.Mean
		}
		f.Labels = append(f.Labels, one)
	}
	for _, name := range slices.Sorted(maps.Keys(t.listed)) {
		if t.labels[name] == nil {
			f.UnusedLabels = append(f.UnusedLabels, name)
		}
	}
	f.Sizes = t.buckets()
}

// buckets returns the sizes from the smallest to the largest that images have, in powers of two.
func (t *tally) buckets() []Bucket {
	var all []Bucket
	for n, images := range t.sizes {
		if images == 0 && len(all) == 0 {
			continue
		}
		from := int64(0)
		if n > 0 {
			from = 1 << (n - 1)
		}
		all = append(all, Bucket{From: from, To: 1 << n, Images: images})
	}
	for len(all) > 0 && all[len(all)-1].Images == 0 {
		all = all[:len(all)-1]
	}
	return all
}
