package tfjs

import (
	"cmp"
	"context"
	"encoding/binary"
	"encoding/json"
	"fmt"
	"io"
	"math"
	"slices"
)

// manifestGroup is one group of a weights manifest: tensors that follow one another in
// the concatenation of files.
type manifestGroup struct {
	Paths   []string         `json:"paths"`
	Weights []manifestWeight `json:"weights"`
}

type manifestWeight struct {
	Name         string        `json:"name"`
	Shape        []int64       `json:"shape"`
	DType        string        `json:"dtype"`
	Quantization *quantization `json:"quantization"`
}

// quantization maps a stored number q to the weight q*Scale + Min.
type quantization struct {
	DType string  `json:"dtype"`
	Scale float64 `json:"scale"`
	Min   float64 `json:"min"`
}

// tensor is a weight of the manifest and the place of its bytes.
type tensor struct {
	name  string
	shape []int64
	quant *quantization
	width int64 // bytes of a stored element
	// integers reports whether the elements are int32, which shapes and axes are.
	integers bool
	count    int64
	data     *io.SectionReader
}

// tensors are the weights by name.
type tensors map[string]*tensor

// openWeights reads the manifest and finds every tensor in its shards. The names are in
// the order of the manifest.
func (s *source) openWeights(ctx context.Context, manifest []byte) (_ tensors, names []string, err error) {
	var groups []manifestGroup
	if err := json.Unmarshal(manifest, &groups); err != nil {
		return nil, nil, bad("weights manifest: %w", err)
	}
	all := tensors{}
	for _, g := range groups {
		data := &concatenation{}
		for _, p := range g.Paths {
			if err := ctx.Err(); err != nil {
				return nil, nil, err
			}
			r, size, err := s.openShard(p)
			if err != nil {
				return nil, nil, err
			}
			data.add(r, size)
		}
		if err := all.place(g.Weights, data); err != nil {
			return nil, nil, err
		}
		for _, w := range g.Weights {
			names = append(names, w.Name)
		}
	}
	return all, names, nil
}

// place finds the weights of one group in its data.
func (all tensors) place(weights []manifestWeight, data *concatenation) error {
	at := int64(0)
	for _, w := range weights {
		t, err := newTensor(w)
		if err != nil {
			return bad("weights manifest: tensor %q: %w", w.Name, err)
		}
		if all[t.name] != nil {
			return bad("weights manifest: tensor %q occurs twice", w.Name)
		}
		if size := t.count * t.width; size > data.size-at {
			return bad("the shards end at byte %d, within tensor %q, whose %d bytes start at byte %d", data.size, w.Name, size, at)
		}
		t.data = io.NewSectionReader(data, at, t.count*t.width)
		at += t.count * t.width
		all[t.name] = t
	}
	if at != data.size {
		return bad("the shards have %d bytes, but the manifest's tensors need %d", data.size, at)
	}
	return nil
}

func newTensor(w manifestWeight) (*tensor, error) {
	t := &tensor{name: w.Name, shape: w.Shape, quant: w.Quantization, count: 1}
	t.integers = w.DType == "int32" && w.Quantization == nil
	if w.DType != "float32" && !t.integers {
		return nil, fmt.Errorf("elements are %q; only float32, and int32 as stored, can be imported", w.DType)
	}
	for _, n := range w.Shape {
		if n < 1 || t.count > math.MaxInt32/n {
			return nil, fmt.Errorf("shape %v is empty or too large", w.Shape)
		}
		t.count *= n
	}
	switch q := w.Quantization; {
	case q == nil:
		t.width = 4
	case q.DType == "uint8":
		t.width = 1
	case q.DType == "uint16":
		t.width = 2
	default:
		return nil, fmt.Errorf("quantised to %q; only uint8 and uint16 can be imported", q.DType)
	}
	return t, nil
}

// values reads the tensor with the arithmetic of TensorFlow.js: doubles that are rounded
// to float32 once.
func (t *tensor) values() ([]float32, error) {
	raw := make([]byte, t.count*t.width)
	if _, err := t.data.ReadAt(raw, 0); err != nil {
		return nil, fmt.Errorf("read tensor %s: %w", t.name, err)
	}
	v := make([]float32, t.count)
	switch t.width {
	case 1:
		var table [256]float32
		for q := range table {
			table[q] = t.quant.weight(float64(q))
		}
		for i, q := range raw {
			v[i] = table[q]
		}
	case 2:
		for i := range v {
			v[i] = t.quant.weight(float64(binary.LittleEndian.Uint16(raw[2*i:])))
		}
	case 4:
		for i := range v {
			bits := binary.LittleEndian.Uint32(raw[4*i:])
			if v[i] = math.Float32frombits(bits); t.integers {
				v[i] = float32(int32(bits))
			}
		}
	}
	return v, nil
}

// weight rounds after each step, which a fused multiply-add would not do.
func (q *quantization) weight(stored float64) float32 {
	scaled := float64(stored * q.Scale)
	return float32(scaled + q.Min)
}

// concatenation reads several readers as one.
type concatenation struct {
	parts []part
	size  int64
}

type part struct {
	r          io.ReaderAt
	start, end int64
}

func (c *concatenation) add(r io.ReaderAt, size int64) {
	c.parts = append(c.parts, part{r, c.size, c.size + size})
	c.size += size
}

// ReadAt implements io.ReaderAt.
func (c *concatenation) ReadAt(p []byte, off int64) (int, error) {
	i, _ := slices.BinarySearchFunc(c.parts, off, func(q part, off int64) int { return cmp.Compare(q.end-1, off) })
	done := 0
	for ; done < len(p) && i < len(c.parts); i++ {
		q, at := c.parts[i], off+int64(done)
		n, err := q.r.ReadAt(p[done:min(int64(len(p)), int64(done)+q.end-at)], at-q.start)
		done += n
		if at+int64(n) < q.end && done < len(p) {
			return done, cmp.Or(err, io.ErrUnexpectedEOF)
		}
	}
	if done < len(p) {
		return done, io.EOF
	}
	return done, nil
}
