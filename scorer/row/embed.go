package row

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/float16"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Embedding is the answer of Embed: a vector.
type Embedding struct {
	// Vector is [numbers]; nil for an image that failed. Its numbers are those of the
	// element: rounded to float16, or integers from -127 to 127.
	Vector []float32
	// Scale is what numbers of int8 are multiplied with; 0 for other elements, and if all
	// numbers are 0.
	Scale float32
}

// Number returns number i of the vector, of any element.
func (a *Embedding) Number(i int) float32 {
	if a.Scale != 0 {
		return a.Vector[i] * a.Scale
	}
	return a.Vector[i]
}

// norm returns the length of the vector.
func (a *Embedding) norm() float64 {
	sum := 0.0
	for i := range a.Vector {
		v := float64(a.Number(i))
		sum += v * v
	}
	return math.Sqrt(sum)
}

// Embed gives an image the numbers of the model as a vector.
var Embed Task = &task[Embedding]{
	name:    models.Embed,
	columns: embedColumns(false),
	derived: []derived[Embedding]{
		{name: "norm", kind: Number, of: func(a *Embedding, _ models.Activation) Value { return Value{Number: a.norm()} }},
	},
	bind: func(t *task[Embedding], s models.Settings, numbers int) {
		t.columns = embedColumns(s.Element == models.ElementInt8)
		t.most = func(int) (int, int) { return numbers, vectorNumberMost }
		t.vectors = &vectors[Embedding]{dims: numbers, element: s.Element, of: func(a *Embedding) []float32 { return a.Vector }}
		t.valid = func(a *Embedding) bool { return len(a.Vector) == numbers }
		t.inRange = func(a *Embedding, _ models.Activation) error { return checkVector(a, s.Element) }
		t.reserve = func(answers []Embedding, _ *binding) {
			all := make([]float32, len(answers)*numbers)
			for i := range answers {
				answers[i].Vector, all = all[:numbers:numbers], all[numbers:]
			}
		}
	},
	fill:     embedded,
	valid:    func(a *Embedding) bool { return len(a.Vector) > 0 },
	describe: func(a *Embedding) string { return fmt.Sprintf("a vector of %d numbers", len(a.Vector)) },
	headings: []string{"VECTOR"},
	cells:    func(a *Embedding) []string { return []string{vectorCell(a.Vector)} },
	caption:  func(*Embedding) string { return "vector" },
}

// vectorNumberMost is how many bytes a number of a vector takes in a file at most.
const vectorNumberMost = 24

func embedColumns(whole bool) []column[Embedding] {
	columns := []column[Embedding]{vectorColumn("vector", whole, func(a *Embedding) *[]float32 { return &a.Vector })}
	if whole {
		columns = append(columns, floatColumn("scale", func(a *Embedding) *float32 { return &a.Scale }))
	}
	return columns
}

// checkVector returns an error if a number of the vector is not one of the element.
func checkVector(a *Embedding, element models.Element) error {
	for i, v := range a.Vector {
		ok := true
		switch element {
		case models.ElementFloat16:
			ok = float16.Value(float16.Bits(v)) == v
		case models.ElementInt8:
			ok = v == float32(int8(v)) && v >= -127
		}
		if !ok {
			return fmt.Errorf("number %d of the vector is %v, which is not %s", i, v, element)
		}
	}
	if a.Scale < 0 || a.Scale != 0 && element != models.ElementInt8 {
		return fmt.Errorf("the scale is %v", a.Scale)
	}
	return nil
}

var errHalf = &Unanswerable{StatusOutOfRange, "has a number that is too large for float16; embed with element float32"}

// embedded takes the numbers as a vector, scaled and rounded as the contract says. Sums are
// taken in float64 and in index order, so that they do not depend on the machine.
func embedded(a *Embedding, b *binding, numbers []float32, _ preprocess.Placement) error {
	s := &b.contract.Settings
	a.Vector = append(a.Vector[:0], numbers...)
	a.Scale = 0
	if norm := a.norm(); s.Normalize && norm > 0 {
		for i, v := range a.Vector {
			a.Vector[i] = float32(float64(v) / norm)
		}
	}
	switch s.Element {
	case models.ElementFloat16:
		for i, v := range a.Vector {
			if v = float16.Value(float16.Bits(v)); !finite(v) {
				return errHalf
			}
			a.Vector[i] = v
		}
	case models.ElementInt8:
		largest := float32(0)
		for _, v := range a.Vector {
			largest = max(largest, v, -v)
		}
		if a.Scale = largest / 127; a.Scale == 0 {
			clear(a.Vector)
			break
		}
		for i, v := range a.Vector {
			a.Vector[i] = float32(int8(min(max(math.RoundToEven(float64(v)/float64(a.Scale)), -127), 127)))
		}
	}
	return nil
}

// VectorOf returns a function that returns the vector of a row of a task: that of Embed, or,
// where rows have several answers, of the one called head, or of the only one that is a vector
// if head is empty. The numbers are those of the model, of any element; nil of an image that
// failed. They are valid until the next call.
func VectorOf(t Task, head string) (func(r *Row) []float32, error) {
	var buf []float32
	numbers := func(a *Embedding) []float32 {
		if a == nil || len(a.Vector) == 0 {
			return nil
		}
		buf = buf[:0]
		for i := range a.Vector {
			buf = append(buf, a.Number(i))
		}
		return buf
	}
	if h, ok := t.(*heads); ok {
		i, err := h.vector(head)
		return func(r *Row) []float32 {
			a, _ := h.each(r.Answer)[i].(*Embedding)
			return numbers(a)
		}, err
	}
	if t.Name() != models.Embed {
		return nil, fmt.Errorf("%w: its task is %s, and embed makes vectors", ErrNoVector, t.Name())
	}
	if head != "" {
		return nil, fmt.Errorf("%w: its rows have one answer, and none called %q", ErrNoVector, head)
	}
	return func(r *Row) []float32 {
		a, _ := r.Answer.(*Embedding)
		return numbers(a)
	}, nil
}

// vector returns which answer is the vector of that name, or the only one if name is empty.
func (h *heads) vector(name string) (int, error) {
	found := -1
	var names []string
	for i, p := range h.parts {
		if p.Task != models.Embed {
			continue
		}
		names = append(names, p.Name)
		if name == "" || name == p.Name {
			found = i
		}
	}
	switch {
	case len(names) == 0:
		return 0, fmt.Errorf("%w: none of its answers is one", ErrNoVector)
	case found < 0:
		return 0, fmt.Errorf("%w: none is called %q; there are %s", ErrNoVector, name, strings.Join(names, ", "))
	case name == "" && len(names) > 1:
		return 0, fmt.Errorf("%w: it has several, %s: say which one with --head", ErrNoVector, strings.Join(names, ", "))
	}
	return found, nil
}

// ErrNoVector means that the answers of an output are not vectors.
var ErrNoVector = errors.New("it has no vectors")
