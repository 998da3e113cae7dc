package networks

import (
	"slices"

	"github.com/batchscore/batchscore/models/graph"
)

// square returns a window of that many pixels and that stride over x. PyTorch's padding is
// the same on all sides, TensorFlow's has an odd pixel at the bottom and the right.
func (b *builder) square(x graph.Value, size, stride int64) graph.Window {
	w := graph.Window{Kernel: [2]int64{size, size}, Stride: [2]int64{stride, stride}}
	if b.variant == TF && len(x.Shape) == 4 {
		return w.SamePad(x.Shape[2], x.Shape[3])
	}
	half := (size - 1) / 2
	w.Pad = [4]int64{half, half, half, half}
	return w
}

// plainConv is a convolution without a bias.
func (b *builder) plainConv(name string, x graph.Value, filters int64, w graph.Window) graph.Value {
	kernel := b.kernel(name+".weight", filters, x.Shape[1], w.Kernel[0], w.Kernel[1])
	return b.Conv(name, x, kernel, graph.Value{}, w)
}

// depthwise is a convolution of each channel by itself. Its bias is optional.
func (b *builder) depthwise(name string, x graph.Value, w graph.Window, bias bool) graph.Value {
	channels := x.Shape[1]
	kernel := b.tensor(name+".weight", 0, he(w.Kernel[0]*w.Kernel[1]), channels, 1, w.Kernel[0], w.Kernel[1])
	var offset graph.Value
	if bias {
		offset = b.tensor(name+".bias", 0, 0.1, channels)
	}
	return b.DepthwiseConv(name, x, kernel, offset, w)
}

// norm is a batch normalisation.
func (b *builder) norm(name string, x graph.Value) graph.Value {
	n := x.Shape[1]
	return b.BatchNorm(name, x, b.tensor(name+".weight", 1, 0.1, n), b.tensor(name+".bias", 0, 0.1, n),
		b.tensor(name+".running_mean", 0, 0.1, n), b.tensor(name+".running_var", 1, 0.5, n), b.epsilon)
}

// layerNorm normalises the last axis of x.
func (b *builder) layerNorm(name string, x graph.Value) graph.Value {
	n := x.Shape[len(x.Shape)-1]
	return b.LayerNorm(name, x, b.tensor(name+".weight", 1, 0.1, n), b.tensor(name+".bias", 0, 0.1, n), b.epsilon)
}

// linear is a fully connected layer of the last axis of x, which has any rank. The weights
// are [out,in] as PyTorch stores them.
func (b *builder) linear(name string, x graph.Value, width int64) graph.Value {
	in := x.Shape[len(x.Shape)-1]
	b.tensors = append(b.tensors, uniform(name+".weight", 0, he(in), width, in), uniform(name+".bias", 0, 0.1, width))
	return b.linearPart(name, x, name+".weight", name+".bias", 0, width, width)
}

// linearPart is a fully connected layer with the rows from first on of larger weights,
// [all,in].
func (b *builder) linearPart(name string, x graph.Value, kernel, bias string, first, width, all int64) graph.Value {
	in := x.Shape[len(x.Shape)-1]
	w := b.Weights(name+".kernel", func() ([]float32, error) {
		from, err := b.read(kernel, []int64{all, in})
		if err != nil {
			return nil, err
		}
		b.turned = slices.Grow(b.turned[:0], int(width*in))[:width*in]
		for o := range width {
			for i, v := range from[(first+o)*in:][:in] {
				b.turned[int64(i)*width+o] = v
			}
		}
		return b.turned, nil
	}, in, width)
	offset := b.Weights(name+".offset", func() ([]float32, error) {
		from, err := b.read(bias, []int64{all})
		if err != nil {
			return nil, err
		}
		return from[first:][:width], nil
	}, width)
	return b.Add(name, b.MatMul(name+"/product", x, w), offset)
}

// squeeze scales every channel of x by a factor between 0 and 1, which two small layers make
// of the means of all channels ("squeeze and excitation").
func (b *builder) squeeze(name string, x graph.Value, width int64, inner, gate activation) graph.Value {
	s := b.GlobalAveragePool(name+"/mean", x)
	w := graph.Window{Kernel: [2]int64{1, 1}}
	s = inner(b.Graph, name+"/inner", b.conv(name+".fc1", s, width, w))
	s = gate(b.Graph, name+"/gate", b.conv(name+".fc2", s, x.Shape[1], w))
	return b.Mul(name, x, s)
}

// activation is a method of a graph that computes each value from one value.
type activation func(g *graph.Graph, name string, x graph.Value) graph.Value
