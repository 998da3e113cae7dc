package onnxfile

import "github.com/batchscore/batchscore/models/graph/onnxpb"

// fold computes the elements of small integer values. Exporters use them to
// compute shapes from the size of the batch.
func (s *Shapes) fold(n *Node) {
	operand := func(i int) []int64 {
		if i >= len(n.Inputs) {
			return nil
		}
		return s.ints[n.Inputs[i]]
	}
	var v []int64
	switch n.Op {
	case "Constant":
		switch {
		case n.Value != nil:
			v = n.Value.values
		case n.Ints["value_ints"] != nil:
			v = n.Ints["value_ints"]
		case n.Ints["value_int"] != nil:
			v = n.Ints["value_int"]
		}
	case "Shape":
		if n.Ints["start"] == nil && n.Ints["end"] == nil {
			v = s.in(n, 0)
		}
	case "Identity", "Squeeze", "Unsqueeze":
		v = operand(0)
	case "Cast":
		if to := n.Int("to", 0); to == int64(onnxpb.TensorProto_INT64) || to == int64(onnxpb.TensorProto_INT32) {
			v = operand(0)
		}
	case "Concat":
		for i := range n.Inputs {
			part := operand(i)
			if part == nil {
				v = nil
				break
			}
			v = append(v, part...)
		}
	case "Gather":
		from := operand(0)
		for _, i := range operand(1) {
			at := axis(i, len(from))
			if at < 0 || n.Int("axis", 0) != 0 {
				v = nil
				break
			}
			v = append(v, from[at])
		}
		if v != nil {
			s.sizes[n.Outputs[0]] = s.in(n, 1)
		}
	case "Slice":
		from, first, last := operand(0), operand(1), operand(2)
		if len(first) == 1 && len(last) == 1 && len(from) > 0 && len(n.Inputs) <= 4 {
			size := int64(len(from))
			lo, hi := first[0], last[0]
			if lo < 0 {
				lo += size
			}
			if hi < 0 {
				hi += size
			}
			if lo, hi = max(lo, 0), min(hi, size); lo < hi {
				v = from[lo:hi]
				s.sizes[n.Outputs[0]] = []int64{hi - lo}
			}
		}
	}
	if v != nil && len(v) <= maxShape {
		s.ints[n.Outputs[0]] = v
	}
}
