package networks

import (
	"fmt"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/weights"
)

// builder is a graph whose layers know the names and the layout of the variant's
// tensors.
type builder struct {
	*graph.Graph
	variant Variant
	// epsilon of normalisations.
	epsilon float32
	// transform reports whether the input goes through transformInput.
	transform bool
	// source holds the weights under canonical names; nil while the tensors of a
	// model with random weights are collected.
	source  weights.Source
	tensors []weights.Uniform // of the layers, in their order
	units   int               // convolutions so far
	// Memory of the one or two tensors that are written at a time.
	raw, turned []float32
}

// expected returns the tensors of the layers.
func (b *builder) expected() []weights.Tensor {
	var list []weights.Tensor
	for _, t := range b.tensors {
		list = append(list, weights.Tensor{Name: t.Name, Shape: t.Shape})
	}
	return list
}

// bytes returns the size of all weights as float32.
func (b *builder) bytes() int64 {
	n := int64(0)
	for _, t := range b.tensors {
		n += 4 * int64(product(t.Shape))
	}
	return n
}

// has reports whether there are weights and they hold that tensor.
func (b *builder) has(name string) bool {
	return b.source != nil && slices.ContainsFunc(b.source.Tensors(), func(t weights.Tensor) bool { return t.Name == name })
}

// uniform describes a tensor, whose random values are within mean ± bound.
func uniform(name string, mean, bound float64, shape ...int64) weights.Uniform {
	return weights.Uniform{Name: name, Shape: shape, Mean: mean, Bound: bound}
}

// tensor adds weights as they are in the source. Random ones are within mean ± bound.
func (b *builder) tensor(name string, mean, bound float64, shape ...int64) graph.Value {
	b.tensors = append(b.tensors, uniform(name, mean, bound, shape...))
	return b.Weights(name, func() ([]float32, error) { return b.read(name, shape) }, shape...)
}

// read reads a tensor into memory that is valid until the next call.
func (b *builder) read(name string, shape []int64) ([]float32, error) {
	n := product(shape)
	if cap(b.raw) < n {
		b.raw = nil // so that the old and the new memory do not exist at the same time
		b.raw = make([]float32, n)
	}
	return b.raw[:n], b.source.Read(name, b.raw[:n])
}

// kernel adds a convolution's weights, as [out,in,kh,kw].
func (b *builder) kernel(name string, out, in, kh, kw int64) graph.Value {
	bound := he(in * kh * kw)
	if b.variant != Keras {
		return b.tensor(name, 0, bound, out, in, kh, kw)
	}
	stored := []int64{kh, kw, in, out}
	b.tensors = append(b.tensors, weights.Uniform{Name: name, Shape: stored, Bound: bound})
	return b.Weights(name, func() ([]float32, error) {
		from, err := b.read(name, stored)
		if err != nil {
			return nil, err
		}
		b.turned = slices.Grow(b.turned[:0], len(from))[:len(from)]
		for tap := range kh * kw {
			for i := range in {
				for o, v := range from[(tap*in+i)*out:][:out] {
					b.turned[(int64(o)*in+i)*kh*kw+tap] = v
				}
			}
		}
		return b.turned, nil
	}, out, in, kh, kw)
}

// conv is a convolution with a bias.
func (b *builder) conv(name string, x graph.Value, filters int64, w graph.Window) graph.Value {
	kernel := b.kernel(b.suffix(name, "weight", "kernel"), filters, x.Shape[1], w.Kernel[0], w.Kernel[1])
	bias := b.tensor(b.suffix(name, "bias", "bias"), 0, 0.1, filters)
	return b.Conv(name, x, kernel, bias, w)
}

// suffix returns the name of a layer's tensor.
func (b *builder) suffix(layer, torchvision, keras string) string {
	if b.variant != Keras {
		return layer + "." + torchvision
	}
	return layer + "/" + keras
}

// unit is Inception's convolution without bias, normalised and rectified. In Keras
// these layers have no names but are numbered in the order of construction.
func (b *builder) unit(name string, x graph.Value, filters int64, w graph.Window) graph.Value {
	conv, norm := name+".conv", name+".bn"
	if b.variant == Keras {
		conv, norm = fmt.Sprintf("conv2d_%d", b.units), fmt.Sprintf("batch_normalization_%d", b.units)
	}
	b.units++
	kernel := b.kernel(b.suffix(conv, "weight", "kernel"), filters, x.Shape[1], w.Kernel[0], w.Kernel[1])
	x = b.Conv(name, x, kernel, graph.Value{}, w)

	scale := b.suffix(norm, "weight", "gamma")
	var gamma graph.Value
	if b.variant != Keras || b.has(scale) {
		gamma = b.tensor(scale, 1, 0.1, filters)
	} else {
		gamma = b.Weights(scale, func() ([]float32, error) { return slices.Repeat([]float32{1}, int(filters)), nil }, filters)
	}
	x = b.BatchNorm(name+"/norm", x, gamma,
		b.tensor(b.suffix(norm, "bias", "beta"), 0, 0.1, filters),
		b.tensor(b.suffix(norm, "running_mean", "moving_mean"), 0, 0.1, filters),
		b.tensor(b.suffix(norm, "running_var", "moving_variance"), 1, 0.5, filters), b.epsilon)
	return b.Relu(name+"/relu", x)
}

// dense is a fully connected layer.
func (b *builder) dense(name string, x graph.Value, width int64, bias bool) graph.Value {
	in := x.Shape[1]
	kernel, linear := b.suffix(name, "weight", "kernel"), b.Gemm
	shape := []int64{in, width}
	if b.variant != Keras {
		shape, linear = []int64{width, in}, b.Linear
	}
	w := b.tensor(kernel, 0, he(in), shape...)
	var offset graph.Value
	if bias {
		offset = b.tensor(b.suffix(name, "bias", "bias"), 0, 0.1, width)
	}
	return linear(name, x, w, offset)
}

// he returns He's bound, which keeps the size of values the same from one rectified
// layer to the next.
func he(in int64) float64 { return math.Sqrt(6 / float64(in)) }

func product(shape []int64) int {
	n := 1
	for _, d := range shape {
		n *= int(d)
	}
	return n
}
