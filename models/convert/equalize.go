package convert

import (
	"context"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
)

// evenness is how much the channels of a tensor are brought to the same largest
// value. With 1 they would be equal. Then a channel that the images rarely excite
// would have no room for an image that does.
const evenness = 0.75

// equalise divides each channel of a convolution's output by its own factor, in the
// convolution's weights, and multiplies the weights of the layers that use the channel
// by that factor. In float32 the network computes the same. In 8 bits, which have one
// scale for all channels, channels of small numbers no longer get lost next to
// channels of large ones.
//
// Between the two there may only be operators that treat channels alike: rectifiers,
// pools, concatenations. A channel that anything else uses has the factor 1.
func (m *meter) equalise(ctx context.Context) error {
	n := m.network
	e := &equaliser{network: n, wiring: n.wiring(), channels: map[string]int{}, through: map[string]bool{}}
	e.count()
	var producers []*onnxpb.NodeProto
	for _, node := range n.graph.GetNode() {
		if is(node, "Conv") && n.isLayer(node) && e.scalable(node.GetOutput()[0]) {
			producers = append(producers, node)
		}
	}
	if len(producers) == 0 {
		return nil
	}
	var values []string
	var channels []int
	for _, node := range producers {
		value := node.GetOutput()[0]
		if next := e.only(value); is(next, "Relu") {
			value = next.GetOutput()[0]
		}
		values, channels = append(values, value), append(channels, e.channels[node.GetOutput()[0]])
	}
	largest, err := m.maxima(ctx, values, channels)
	if err != nil {
		return err
	}
	factors := map[string][]float64{}
	for i, node := range producers {
		factors[node.GetOutput()[0]] = factorsOf(largest[i])
	}
	e.apply(factors)
	n.dropUnused()
	return nil
}

// factorsOf makes the largest of all channels 1 and brings the others closer to it.
func factorsOf(largest []float64) []float64 {
	most := slices.Max(largest)
	f := make([]float64, len(largest))
	for c, v := range largest {
		f[c] = 1
		if most > 0 {
			f[c] = math.Pow(max(v, most/256), evenness) * math.Pow(most, 1-evenness)
		}
	}
	return f
}

type equaliser struct {
	*network
	wiring
	channels map[string]int  // of a value, where known
	through  map[string]bool // whether a value's channels may be scaled
}

// treatsChannelsAlike are the operators that commute with a positive factor for each
// channel.
func treatsChannelsAlike(node *onnxpb.NodeProto) bool {
	return is(node, "Relu", "MaxPool", "AveragePool", "GlobalAveragePool", "GlobalMaxPool", "Identity")
}

// count finds the number of channels of each value.
func (e *equaliser) count() {
	for _, node := range e.graph.GetNode() {
		out := node.GetOutput()[0]
		switch {
		case is(node, "Conv") && e.isLayer(node):
			e.channels[out] = int(e.weights(node, 1).dims[0])
		case treatsChannelsAlike(node):
			e.channels[out] = e.channels[node.GetInput()[0]]
		case is(node, "Concat") && intOf(node, "axis", 0) == 1:
			sum := 0
			for _, in := range node.GetInput() {
				if e.channels[in] == 0 {
					sum = 0
					break
				}
				sum += e.channels[in]
			}
			e.channels[out] = sum
		}
	}
}

// scalable reports whether everything that uses a value can undo a factor for each
// of its channels.
func (e *equaliser) scalable(value string) bool {
	if known, ok := e.through[value]; ok {
		return known
	}
	ok := e.channels[value] > 0 && !e.outputs[value] && len(e.consumers[value]) > 0
	for _, node := range e.consumers[value] {
		switch {
		case !ok:
		case treatsChannelsAlike(node), is(node, "Concat"):
			ok = len(node.GetOutput()) == 1 && e.scalable(node.GetOutput()[0])
		case is(node, "Conv"):
			ok = e.isLayer(node) && node.GetInput()[0] == value && intOf(node, "group", 1) == 1 &&
				e.inputs(node) == int64(e.channels[value])
		case is(node, "Flatten"):
			flat := node.GetOutput()[0]
			ok = intOf(node, "axis", 1) == 1 && !e.outputs[flat] && !slices.ContainsFunc(e.consumers[flat], func(next *onnxpb.NodeProto) bool {
				return !is(next, "Gemm") || !e.isLayer(next) || next.GetInput()[0] != flat || e.inputs(next)%int64(e.channels[value]) != 0
			})
		default:
			ok = false
		}
	}
	e.through[value] = ok
	return ok
}

// apply scales the weights. Factors are given for the outputs of convolutions, and
// passed on to the operators that use them.
func (e *equaliser) apply(factors map[string][]float64) {
	divided := map[*onnxpb.NodeProto][]float64{}
	for _, node := range e.graph.GetNode() {
		if f := factors[node.GetOutput()[0]]; f != nil {
			divided[node] = f
		}
	}
	ones := func(n int) []float64 { return slices.Repeat([]float64{1}, n) }
	for _, node := range e.graph.GetNode() {
		in, out := operand(node, 0), node.GetOutput()[0]
		f := factors[in]
		switch {
		case is(node, "Concat"):
			var all []float64
			if !slices.ContainsFunc(node.GetInput(), func(v string) bool { return factors[v] != nil }) {
				continue
			}
			for _, v := range node.GetInput() {
				if g := factors[v]; g != nil {
					all = append(all, g...)
				} else {
					all = append(all, ones(e.channels[v])...)
				}
			}
			factors[out] = all
		case f != nil && is(node, "Conv", "Gemm"):
			e.multiplyInputs(node, f)
		case f != nil:
			factors[out] = f
		}
		if f := divided[node]; f != nil {
			e.divideOutputs(node, f)
		}
	}
}

// divideOutputs divides the output channels of a convolution.
func (e *equaliser) divideOutputs(node *onnxpb.NodeProto, factor []float64) {
	for i := 1; i < len(node.GetInput()); i++ {
		if c := e.weights(node, i); c != nil {
			at := channelOf(c.dims, 0)
			e.rescale(node, i, func(k int) float64 { return 1 / factor[at(k)] })
		}
	}
}

// multiplyInputs multiplies the weights of a layer's input channels. A dense layer
// after Flatten uses several numbers of each channel.
func (e *equaliser) multiplyInputs(node *onnxpb.NodeProto, factor []float64) {
	plane := e.planeOf(node, e.weights(node, 1))
	each := int(e.inputs(node)) / len(factor)
	e.rescale(node, 1, func(k int) float64 { return factor[plane(k)/each] })
}

// rescale replaces an operand by its product with a factor for each element.
func (e *equaliser) rescale(node *onnxpb.NodeProto, i int, factor func(k int) float64) {
	c := e.weights(node, i)
	scaled := newFloats(e.fresh(c.name+"/equalised"), c.dims, func() ([]float32, error) {
		f, err := c.floats()
		for k := range f {
			f[k] = float32(float64(f[k]) * factor(k))
		}
		return f, err
	})
	e.add(scaled)
	node.Input[i] = scaled.name
}
