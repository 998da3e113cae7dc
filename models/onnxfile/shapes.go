package onnxfile

import (
	"io"
	"slices"
)

// Shapes are the sizes of a graph's values for one image, or for the one batch
// that the graph accepts.
type Shapes struct {
	// MultiplyAdds is how many of them the convolutions and matrix products do
	// that could be counted.
	MultiplyAdds int64
	// Uncounted is how often each operator occurs whose work could not be
	// counted.
	Uncounted map[string]int

	sizes map[string][]int64
	ints  map[string][]int64 // the elements of small integer values, such as shapes
	opset int64
}

// Of returns the sizes of the value of that name; nil where they are not known.
func (s *Shapes) Of(name string) []int64 { return s.sizes[name] }

// Sizes returns the sizes of a graph's values by name, for one image or for the
// one batch that the graph accepts. Values of unknown size are left out. The
// model has size bytes; errors about its content wrap ErrUnusable.
func Sizes(model io.Reader, size int64) (map[string][]int64, error) {
	f, err := parse(model, size)
	if err != nil {
		return nil, err
	}
	return f.Shapes().sizes, nil
}

// Shapes works out the sizes of the graph's values from those of its inputs. A
// size that does not follow for certain is left unknown.
func (f *File) Shapes() *Shapes {
	s := &Shapes{
		Uncounted: map[string]int{},
		sizes:     map[string][]int64{}, ints: map[string][]int64{}, opset: f.Opset,
	}
	for _, t := range f.Weights {
		s.sizes[t.Name] = t.Dims
		if t.Dims == nil {
			s.sizes[t.Name] = []int64{}
		}
		if t.values != nil {
			s.ints[t.Name] = t.values
		}
	}
	for _, in := range f.Inputs {
		shape := slices.Clone(in.Shape)
		if len(shape) > 0 && shape[0] < 0 {
			shape[0] = 1
		}
		if !slices.Contains(shape, -1) {
			s.sizes[in.Name] = shape
		}
	}
	for i := range f.Nodes {
		s.visit(&f.Nodes[i])
	}
	return s
}

// visit sets the sizes of a node's first output and counts its work.
func (s *Shapes) visit(n *Node) {
	if len(n.Outputs) == 0 {
		return
	}
	var shape []int64
	// An operator of another domain may mean anything, whatever its name.
	if isONNX(n.Domain) || contribOps[n.Op] {
		s.fold(n)
		if f := shapeRules[n.Op]; f != nil {
			shape = f(s, n)
		}
	}
	if slices.ContainsFunc(shape, func(d int64) bool { return d < 0 }) {
		shape = nil
	}
	if shape != nil && product(shape) >= 0 {
		s.sizes[n.Outputs[0]] = shape
	} else {
		shape = nil
	}
	switch work := elementWork[n.Op]; {
	case work != nil:
		macs := int64(-1)
		if shape != nil {
			macs = product(append(slices.Clone(shape), work(s, n)))
		}
		if macs < 0 || s.MultiplyAdds+macs < 0 {
			s.Uncounted[n.Op]++
			return
		}
		s.MultiplyAdds += macs
	case shapeRules[n.Op] == nil && !workless[n.Op]:
		s.Uncounted[n.Op]++
	}
}

// in returns the sizes of operand i; nil if they are unknown or the operand is
// left out.
func (s *Shapes) in(n *Node, i int) []int64 {
	if i >= len(n.Inputs) || n.Inputs[i] == "" {
		return nil
	}
	return s.sizes[n.Inputs[i]]
}

// list returns the elements of integer operand i, or of the attribute that took
// its place in older operator sets; ok is false where they are not known.
func (s *Shapes) list(n *Node, i int, attribute string) (v []int64, ok bool) {
	if v, ok = n.Ints[attribute]; ok {
		return v, true
	}
	if i >= len(n.Inputs) || n.Inputs[i] == "" {
		return nil, false
	}
	v, ok = s.ints[n.Inputs[i]]
	return v, ok
}

// workless are operators that multiply nothing, and whose sizes matter only
// where fold finds their elements.
var workless = map[string]bool{
	"Slice": true, "Gather": true, "Range": true, "Expand": true, "ConstantOfShape": true, "Split": true, "Where": true,
	"Resize": true, "Upsample": true, "ArgMax": true, "TopK": true, "NonMaxSuppression": true, "DynamicQuantizeLinear": true,
}

// elementWork returns the multiply-adds of one element of an operator's output;
// -1 where they are not known.
var elementWork = map[string]func(*Shapes, *Node) int64{
	"Conv": convWork(1), "FusedConv": convWork(1), "ConvInteger": convWork(1), "QLinearConv": convWork(3),
	"Gemm": gemmWork, "FusedGemm": gemmWork, "QGemm": gemmWork,
	"MatMul": matMulWork, "MatMulInteger": matMulWork, "QLinearMatMul": matMulWork,
	"ConvTranspose": func(*Shapes, *Node) int64 { return -1 },
	"Einsum":        func(*Shapes, *Node) int64 { return -1 },
	"LSTM":          func(*Shapes, *Node) int64 { return -1 },
	"GRU":           func(*Shapes, *Node) int64 { return -1 },
	"Attention":     func(*Shapes, *Node) int64 { return -1 },
}

// convWork returns the size of one filter. The filter covers the channels of its
// own group only.
func convWork(weights int) func(*Shapes, *Node) int64 {
	return func(s *Shapes, n *Node) int64 {
		w := s.in(n, weights)
		if len(w) < 3 {
			return -1
		}
		return product(w[1:])
	}
}

func gemmWork(s *Shapes, n *Node) int64 {
	a := s.in(n, 0)
	if len(a) != 2 {
		return -1
	}
	return a[1-n.Int("transA", 0)&1]
}

func matMulWork(s *Shapes, n *Node) int64 {
	a := s.in(n, 0)
	if len(a) == 0 {
		return -1
	}
	return a[len(a)-1]
}
