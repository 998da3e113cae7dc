package rowcheck

import (
	"cmp"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// DependentError means that the row of an image depends on more than the image.
// It wraps models.ErrModel.
type DependentError struct {
	Path, Device string
	// Chance reports whether the same batch gives other rows the second time, even
	// if it is a single image. Otherwise rows change with the other images of the
	// batch, or with the place in it.
	Chance bool
	// Images is the sizes of the two batches whose rows differ most. Largest is that
	// difference, divided by the range of a row's scores.
	Images  [2]int
	Largest float64
	// Operators are the causes that the graph shows.
	Operators []onnxfile.Dependence
}

// Error says what changes, the likely cause and what to do.
func (e *DependentError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%v: %s on %s: ", models.ErrModel, e.Path, e.Device)
	if e.Chance {
		b.WriteString("the same image in the same batch gets other scores the second time")
	} else {
		b.WriteString("the scores of an image depend on the other images of its batch, or on its place among them")
	}
	if !math.IsInf(e.Largest, 0) {
		fmt.Fprintf(&b, ", by %.2g of their range", e.Largest)
	}
	switch {
	case e.Chance:
	case e.Images[0] == e.Images[1]:
		fmt.Fprintf(&b, ", in two batches of %d", e.Images[0])
	default:
		fmt.Fprintf(&b, ", in a batch of %d and one of %d", e.Images[0], e.Images[1])
	}
	b.WriteString("; ")
	b.WriteString(e.Cause())
	if !e.Chance {
		b.WriteString("; or score every image by itself, with \"batchscore run --batch 1\"")
	}
	b.WriteString("; or have \"batchscore run --allow-dependent-rows\" accept such rows and say so in the output")
	return b.String()
}

// Unwrap returns models.ErrModel.
func (e *DependentError) Unwrap() error { return models.ErrModel }

// Cause names the operators and says how to make a model without them.
func (e *DependentError) Cause() string {
	// A normalisation in training mode may also remember earlier batches.
	if text := cmp.Or(DescribeOperators(e.Operators, e.Chance), DescribeOperators(e.Operators, false)); text != "" {
		return text
	}
	if e.Chance {
		return "the graph shows no random operator: look for one, or for Dropout in training mode, in its functions and branches;" +
			" export the model in evaluation mode"
	}
	return "the graph does not show the operator: look for statistics over the batch, training mode, and shapes that fold the batch" +
		" into other axes; export the model in evaluation mode"
}

// DescribeOperators names the operators that make rows depend on chance, or on
// one another if chance is false, and says what to do. It returns "" if there are
// none.
func DescribeOperators(operators []onnxfile.Dependence, chance bool) string {
	var named, remedies []string
	for _, o := range operators {
		if o.Chance != chance {
			continue
		}
		text := fmt.Sprintf("%s at %q", o.Operator, o.Node)
		if o.Count > 1 {
			text = fmt.Sprintf("%d times %s, first at %q", o.Count, o.Operator, o.Node)
		}
		named = append(named, text)
		if !slices.Contains(remedies, o.Remedy) {
			remedies = append(remedies, o.Remedy)
		}
	}
	if named == nil {
		return ""
	}
	return "the graph contains " + strings.Join(named, ", ") + ": " + strings.Join(remedies, ", and ")
}

// scale defines what counts as rounding. A change of one score is rounding if it
// is at most spread times the range of its row, plus size times the row's largest
// absolute score. Both apply after values has given large and small scores
// comparable rounding errors.
//
// Measured on the CPU, with batches of 1 to 4: Inception V3 in float32 (with
// and without package winograd), int8 and float16 gives equal bits. VGG-16
// differs by at most 7e-7 of the range, because a product with a single row is
// summed in another order. Inception V3 quantised dynamically differs by 1.6e-3
// to 0.27 of the range.
//
// A row that rounds differently in another batch does no harm: the manifest and
// the job record alone decide which images share a batch, even for the last batch
// of a chunk, so the bytes of the parts do not change.
type scale struct {
	spread, size float64
	least        float64 // smaller probabilities count as this one
	unit         bool    // scores are treated as probabilities
	exact        bool    // the same batch must give equal bits
}

func newScale(subject Subject) scale {
	m, gpu := subject.Model, subject.GPU
	s := scale{spread: 1e-4, size: 1e-5, least: 1e-12, unit: m.Contract.Output != models.Logits}
	mixes := false
	for _, d := range m.Dependences {
		s.exact = s.exact || d.Chance && !d.Unsure || !gpu
		mixes = mixes || !d.Chance
	}
	switch {
	case mixes && !gpu: // even a small change has a known cause
	case m.Int8:
		// A score that is rounded to 8 bits may take the next step.
		s.unit, s.spread, s.size = false, 1e-2, 1e-2
	case m.Half || gpu:
		// float16 rounds to three digits, and a GPU uses other algorithms for other
		// batches.
		s.spread, s.size, s.least = 1e-2, 2e-3, 1e-5
	}
	return s
}

// values returns the form of a row that is compared: log(p / (1-p)) for
// probabilities, and the scores themselves otherwise.
func (s scale) values(row []float32) []float64 {
	unit := s.unit && !slices.ContainsFunc(row, func(p float32) bool { return !(p >= 0 && p <= 1.001) })
	values := make([]float64, len(row))
	for i, score := range row {
		values[i] = float64(score)
		if unit {
			values[i] = math.Log(max(values[i], s.least) / max(1-values[i], 1e-2))
		}
	}
	return values
}

// change returns by how much two rows of one image differ, as a part of the range
// of the first, and whether that is more than rounding.
func (s scale) change(a, b []float32) (part float64, beyond bool) {
	x, y := s.values(a), s.values(b)
	least, most, size, largest := math.Inf(1), math.Inf(-1), 0.0, 0.0
	for i := range x {
		d := math.Abs(x[i] - y[i])
		switch {
		case a[i] == b[i] || math.IsNaN(x[i]) && math.IsNaN(y[i]):
			d = 0 // infinities, too
		case math.IsNaN(d):
			d = math.Inf(1)
		}
		largest = max(largest, d)
		if v := x[i]; !math.IsNaN(v) && !math.IsInf(v, 0) {
			least, most, size = min(least, v), max(most, v), max(size, math.Abs(v))
		}
	}
	if largest == 0 {
		return 0, false
	}
	spread := most - least
	if len(x) == 1 || !(spread > 0) {
		spread = size
	}
	if s.unit {
		size = max(size, 1)
	}
	beyond = !(largest <= s.spread*spread+s.size*size)
	if spread == 0 {
		return math.Inf(1), beyond
	}
	return largest / spread, beyond
}

// worst returns the largest change that the trials show; nil if rows change by
// rounding alone.
func (s *series) worst() *DependentError {
	m := s.subject.Model
	d := &DependentError{Path: m.Path, Device: s.subject.Device, Largest: -1, Operators: m.Dependences}
	for i, a := range s.trials {
		for j, b := range s.trials[:i+1] {
			again := i != j && slices.Equal(a.order, b.order)
			for place, image := range a.order {
				for other, same := range b.order {
					if same != image || i == j && other >= place {
						continue
					}
					part, beyond := s.scale.change(b.scores[other], a.scores[place])
					if again && place == other {
						beyond = beyond || s.scale.exact && part > 0
						d.Chance = d.Chance || beyond
					}
					if beyond && part > d.Largest {
						d.Largest, d.Images = part, [2]int{len(b.order), len(a.order)}
					}
				}
			}
		}
	}
	if d.Largest < 0 {
		return nil
	}
	return d
}
