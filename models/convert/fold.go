package convert

import (
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// foldBatchNorm multiplies every batch normalisation that follows a convolution into
// the convolution's weights, in float64. In a narrower type, a small variance or
// epsilon would be lost. An 8-bit convolution could not be fused with the
// normalisation.
func (n *network) foldBatchNorm() {
	w := n.wiring()
	gone := map[*onnxpb.NodeProto]bool{}
	for _, conv := range n.graph.GetNode() {
		if !is(conv, "Conv") || len(conv.GetOutput()) != 1 {
			continue
		}
		if bn := w.only(conv.GetOutput()[0]); is(bn, "BatchNormalization") && n.fold(conv, bn) {
			gone[bn] = true
		}
	}
	n.graph.Node = slices.DeleteFunc(n.graph.Node, func(node *onnxpb.NodeProto) bool { return gone[node] })
	n.dropUnused()
}

// fold makes conv compute what conv and bn computed. It returns false if their
// operands do not permit that.
func (n *network) fold(conv, bn *onnxpb.NodeProto) bool {
	in := bn.GetInput()
	kernel := n.weights(conv, 1)
	if kernel == nil || len(kernel.dims) < 3 || len(in) != 5 || in[0] != conv.GetOutput()[0] ||
		len(bn.GetOutput()) != 1 || intOf(bn, "training_mode", 0) != 0 {
		return false
	}
	channels := kernel.dims[0]
	var parameters [5]*constant // scale, bias, mean, variance; bias of conv
	for i, name := range in[1:] {
		parameters[i] = n.byName[name]
	}
	has := 4
	if operand(conv, 2) != "" {
		parameters[4], has = n.byName[operand(conv, 2)], 5
	}
	for _, p := range parameters[:has] {
		if p == nil || p.elem != elemFloat || p.data == nil || !slices.Equal(p.dims, []int64{channels}) {
			return false
		}
	}
	epsilon := float64(floatOf(bn, "epsilon", 1e-5))
	// terms are the factor and the summand of each channel.
	terms := func() (factor, addend []float64, err error) {
		var v [5][]float32
		for i, p := range parameters[:has] {
			if v[i], err = p.floats(); err != nil {
				return nil, nil, err
			}
		}
		for c := range int(channels) {
			f := float64(v[0][c]) / math.Sqrt(float64(v[3][c])+epsilon)
			a := float64(v[1][c]) - float64(v[2][c])*f
			if has == 5 {
				a += float64(v[4][c]) * f
			}
			factor, addend = append(factor, f), append(addend, a)
		}
		return factor, addend, nil
	}
	folded := newFloats(n.fresh(kernel.name+"/folded"), kernel.dims, func() ([]float32, error) {
		factor, _, err := terms()
		if err != nil {
			return nil, err
		}
		f, err := kernel.floats()
		each := len(f) / max(len(factor), 1)
		for i := range f {
			f[i] = float32(float64(f[i]) * factor[i/each])
		}
		return f, err
	})
	bias := newFloats(n.fresh(kernel.name+"/bias"), []int64{channels}, func() ([]float32, error) {
		_, addend, err := terms()
		f := make([]float32, len(addend))
		for i, a := range addend {
			f[i] = float32(a)
		}
		return f, err
	})
	n.add(folded)
	n.add(bias)
	conv.Input = []string{conv.GetInput()[0], folded.name, bias.name}
	conv.Output = bn.GetOutput()
	return true
}

// operand returns the name of a node's operand; empty if it is absent.
func operand(node *onnxpb.NodeProto, i int) string {
	if i < len(node.GetInput()) {
		return node.GetInput()[i]
	}
	return ""
}

// weights returns an operand that is a float32 constant; nil for any other.
func (n *network) weights(node *onnxpb.NodeProto, i int) *constant {
	if c := n.byName[operand(node, i)]; c != nil && c.elem == elemFloat && c.data != nil {
		return c
	}
	return nil
}
