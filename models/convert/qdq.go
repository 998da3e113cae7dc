package convert

import (
	"encoding/binary"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// scale maps 8-bit numbers to floats: scale * (q - zero).
type scale struct {
	scale float32
	zero  uint8
}

// scaleOf returns the scale that covers a span and 0 with 8 bits.
func scaleOf(s span) scale {
	lo, hi := min(float64(s.lo), 0), max(float64(s.hi), 0)
	step := float32((hi - lo) / 255)
	if step < math.SmallestNonzeroFloat32*1e10 {
		return scale{scale: 1}
	}
	return scale{step, uint8(min(max(math.RoundToEven(-lo/float64(step)), 0), 255))}
}

// groupSpans returns the span of each group, by its root.
func (p *plan) groupSpans(spans map[string]span) map[string]span {
	groups := map[string]span{}
	for _, v := range p.values {
		root := p.root(v)
		if s, ok := groups[root]; ok {
			groups[root] = s.join(spans[v])
		} else {
			groups[root] = spans[v]
		}
	}
	return groups
}

// quantize carries out a plan: every value of it is converted to 8 bits and back, and
// layers take their weights and biases from integers.
func (n *network) quantize(p *plan, scales map[string]scale, means map[string][]float64) error {
	widened := map[string]string{} // a value, and its name after 8 bits
	var nodes []*onnxpb.NodeProto
	// The constants of the scales, one for each.
	points := map[scale][2]string{}
	through := func(name string) {
		s := scales[name]
		point, ok := points[s]
		if !ok {
			step := newBytes(n.fresh(name+"/scale"), elemFloat, nil, floatBytes([]float32{s.scale}))
			zero := newBytes(n.fresh(name+"/zero"), elemUint8, nil, []byte{s.zero})
			n.add(step)
			n.add(zero)
			point = [2]string{step.name, zero.name}
			points[s] = point
		}
		narrow, wide := n.fresh(name+"/quantized"), n.fresh(name+"/dequantized")
		nodes = append(nodes,
			newNode("QuantizeLinear", narrow, []string{name, point[0], point[1]}),
			newNode("DequantizeLinear", wide, []string{narrow, point[0], point[1]}))
		widened[name] = wide
	}
	for _, v := range n.graph.GetInput() {
		if _, ok := scales[v.GetName()]; ok {
			through(v.GetName())
		}
	}
	for _, node := range n.graph.GetNode() {
		if p.layers[node] {
			weights, err := n.integers(node, scales[node.GetInput()[0]], means[node.GetInput()[0]])
			if err != nil {
				return err
			}
			nodes = append(nodes, weights...)
		}
		eight := p.layers[node] || p.others[node]
		for i, name := range node.GetInput() {
			// Nodes outside of the plan continue to use the float value.
			if wide := widened[name]; wide != "" && (eight || p.made[name]) {
				node.Input[i] = wide
			}
		}
		nodes = append(nodes, node)
		for _, name := range node.GetOutput() {
			if _, ok := scales[name]; ok {
				through(name)
			}
		}
	}
	n.graph.Node = nodes
	n.graph.ValueInfo = nil
	n.dropUnused()
	return nil
}

// integers replaces a layer's weights and bias by int8 and int32 and returns the nodes
// that convert them to floats.
func (n *network) integers(node *onnxpb.NodeProto, in scale, means []float64) ([]*onnxpb.NodeProto, error) {
	kernel := n.weights(node, 1)
	f, err := kernel.floats()
	if err != nil {
		return nil, err
	}
	axis := n.channelAxis(node)
	at := channelOf(kernel.dims, axis)
	channels := int(kernel.dims[axis])
	steps := make([]float32, channels)
	for i, v := range f {
		c := at(i)
		steps[c] = max(steps[c], float32(math.Abs(float64(v))))
	}
	var bias []float32
	if operand(node, 2) != "" {
		if bias, err = n.weights(node, 2).floats(); err != nil {
			return nil, err
		}
	}
	for c := range steps {
		steps[c] /= 127
		if bias != nil {
			// A finer scale would make the bias exceed 32 bits.
			least := math.Abs(float64(bias[c])) / (float64(in.scale) * (1 << 30))
			steps[c] = max(steps[c], float32(least))
		}
		if steps[c] < math.SmallestNonzeroFloat32*1e10 {
			steps[c] = 1
		}
	}

	if bias != nil && int64(len(means)) == n.inputs(node) {
		// The average error of rounding the weights is subtracted from the bias.
		plane := n.planeOf(node, kernel)
		shift := make([]float64, channels)
		for i, v := range f {
			c := at(i)
			shift[c] += (float64(steps[c])*rounded(v, steps[c]) - float64(v)) * means[plane(i)]
		}
		for c := range bias {
			bias[c] -= float32(shift[c])
		}
	}
	stepsName := n.floatsNamed(kernel.name+"/scale", steps)
	zeros := newBytes(n.fresh(kernel.name+"/zero"), elemInt8, []int64{int64(channels)}, make([]byte, channels))
	n.add(zeros)
	whole := &constant{name: n.fresh(kernel.name + "/quantized"), elem: elemInt8, dims: kernel.dims, size: int64(len(f)),
		data: func() ([]byte, error) {
			f, err := kernel.floats()
			raw := make([]byte, len(f))
			for i, v := range f {
				raw[i] = byte(int8(rounded(v, steps[at(i)])))
			}
			return raw, err
		}}
	n.add(whole)
	wide := n.fresh(kernel.name + "/dequantized")
	nodes := []*onnxpb.NodeProto{
		newNode("DequantizeLinear", wide, []string{whole.name, stepsName, zeros.name}, integer("axis", int64(axis))),
	}
	inputs := []string{node.GetInput()[0], wide}
	if bias != nil {
		products, raw := make([]float32, channels), []byte{}
		for c, b := range bias {
			products[c] = in.scale * steps[c]
			q := math.RoundToEven(float64(b) / float64(products[c]))
			raw = binary.LittleEndian.AppendUint32(raw, uint32(int32(min(max(q, math.MinInt32), math.MaxInt32))))
		}
		name := n.weights(node, 2).name
		q := newBytes(n.fresh(name+"/quantized"), elemInt32, []int64{int64(channels)}, raw)
		n.add(q)
		zero := newBytes(n.fresh(name+"/zero"), elemInt32, []int64{int64(channels)}, make([]byte, 4*channels))
		n.add(zero)
		wide := n.fresh(name + "/dequantized")
		nodes = append(nodes, newNode("DequantizeLinear", wide,
			[]string{q.name, n.floatsNamed(name+"/scale", products), zero.name}, integer("axis", 0)))
		inputs = append(inputs, wide)
	}
	node.Input = inputs
	return nodes, nil
}

func (n *network) floatsNamed(name string, v []float32) string {
	c := newBytes(n.fresh(name), elemFloat, []int64{int64(len(v))}, floatBytes(slices.Clone(v)))
	n.add(c)
	return c.name
}

// channelOf maps the index of an element to its index on an axis.
func channelOf(dims []int64, axis int) func(i int) int {
	inner := 1
	for _, d := range dims[axis+1:] {
		inner *= int(d)
	}
	size := int(dims[axis])
	return func(i int) int { return i / inner % size }
}

// rounded returns v as a whole number of steps.
func rounded(v, step float32) float64 {
	return min(max(math.RoundToEven(float64(v)/float64(step)), -127), 127)
}

// planeOf maps the index of a weight to the input plane to which it is applied.
func (n *network) planeOf(node *onnxpb.NodeProto, kernel *constant) func(i int) int {
	if is(node, "Gemm") {
		return channelOf(kernel.dims, 1-n.channelAxis(node))
	}
	within, out := channelOf(kernel.dims, 1), channelOf(kernel.dims, 0)
	each := int(kernel.dims[0] / intOf(node, "group", 1))
	return func(i int) int { return out(i)/each*int(kernel.dims[1]) + within(i) }
}
