package networks

import "github.com/batchscore/batchscore/models/graph"

// Windows of Inception's layers, named by height, width and padding or stride.
var (
	w1x1       = graph.Window{Kernel: [2]int64{1, 1}}
	w3x3       = graph.Window{Kernel: [2]int64{3, 3}, Pad: [4]int64{1, 1, 1, 1}}
	w3x3Valid  = graph.Window{Kernel: [2]int64{3, 3}}
	w3x3Halves = graph.Window{Kernel: [2]int64{3, 3}, Stride: [2]int64{2, 2}}
	w5x5       = graph.Window{Kernel: [2]int64{5, 5}, Pad: [4]int64{2, 2, 2, 2}}
	w1x7       = graph.Window{Kernel: [2]int64{1, 7}, Pad: [4]int64{0, 3, 0, 3}}
	w7x1       = graph.Window{Kernel: [2]int64{7, 1}, Pad: [4]int64{3, 0, 3, 0}}
	w1x3       = graph.Window{Kernel: [2]int64{1, 3}, Pad: [4]int64{0, 1, 0, 1}}
	w3x1       = graph.Window{Kernel: [2]int64{3, 1}, Pad: [4]int64{1, 0, 1, 0}}
)

// inceptionV3 leads from [N,3,299,299] to the features, [N,2048,8,8]. Names are
// torchvision's. The order of the branches is that of Keras, which numbers them.
func (b *builder) inceptionV3(x graph.Value) graph.Value {
	if b.transform {
		x = b.transformInput(x)
	}
	x = b.unit("Conv2d_1a_3x3", x, 32, w3x3Halves)
	x = b.unit("Conv2d_2a_3x3", x, 32, w3x3Valid)
	x = b.unit("Conv2d_2b_3x3", x, 64, w3x3)
	x = b.MaxPool("maxpool1", x, w3x3Halves)
	x = b.unit("Conv2d_3b_1x1", x, 80, w1x1)
	x = b.unit("Conv2d_4a_3x3", x, 192, w3x3Valid)
	x = b.MaxPool("maxpool2", x, w3x3Halves)

	x = b.mixed35("Mixed_5b", x, 32)
	x = b.mixed35("Mixed_5c", x, 64)
	x = b.mixed35("Mixed_5d", x, 64)
	x = b.reduce35("Mixed_6a", x)
	x = b.mixed17("Mixed_6b", x, 128)
	x = b.mixed17("Mixed_6c", x, 160)
	x = b.mixed17("Mixed_6d", x, 160)
	x = b.mixed17("Mixed_6e", x, 192)
	x = b.reduce17("Mixed_7a", x)
	x = b.mixed8("Mixed_7b", x)
	return b.mixed8("Mixed_7c", x)
}

// transformInput converts pixels from torchvision's normalisation to -1..1. The
// weights expect that range, because they were first trained in TensorFlow.
func (b *builder) transformInput(x graph.Value) graph.Value {
	scale, shift := make([]float32, 3), make([]float32, 3)
	for c := range scale {
		scale[c] = imageNetStd[c] / 0.5
		shift[c] = (imageNetMean[c] - 0.5) / 0.5
	}
	constant := func(name string, v []float32) graph.Value {
		return b.Weights(name, func() ([]float32, error) { return v, nil }, 3, 1, 1)
	}
	x = b.Mul("transform_input/scaled", x, constant("transform_input/scale", scale))
	return b.Add("transform_input", x, constant("transform_input/shift", shift))
}

// average pools without changing the size. PyTorch counts the zeros around the
// image, TensorFlow does not.
func (b *builder) average(name string, x graph.Value) graph.Value {
	w := w3x3
	w.CountPad = b.variant == Torchvision
	return b.AveragePool(name, x, w)
}

// mixed35 is a module on planes of 35x35.
func (b *builder) mixed35(name string, x graph.Value, pooled int64) graph.Value {
	name += "."
	one := b.unit(name+"branch1x1", x, 64, w1x1)

	five := b.unit(name+"branch5x5_1", x, 48, w1x1)
	five = b.unit(name+"branch5x5_2", five, 64, w5x5)

	three := b.unit(name+"branch3x3dbl_1", x, 64, w1x1)
	three = b.unit(name+"branch3x3dbl_2", three, 96, w3x3)
	three = b.unit(name+"branch3x3dbl_3", three, 96, w3x3)

	pool := b.average(name+"average", x)
	pool = b.unit(name+"branch_pool", pool, pooled, w1x1)
	return b.Concat(name+"concat", 1, one, five, three, pool)
}

// reduce35 leads from planes of 35x35 to 17x17.
func (b *builder) reduce35(name string, x graph.Value) graph.Value {
	name += "."
	three := b.unit(name+"branch3x3", x, 384, w3x3Halves)

	double := b.unit(name+"branch3x3dbl_1", x, 64, w1x1)
	double = b.unit(name+"branch3x3dbl_2", double, 96, w3x3)
	double = b.unit(name+"branch3x3dbl_3", double, 96, w3x3Halves)

	pool := b.MaxPool(name+"maximum", x, w3x3Halves)
	return b.Concat(name+"concat", 1, three, double, pool)
}

// mixed17 is a module on planes of 17x17. Its convolutions of 7x7 are factored into
// rows and columns, with mid planes between them.
func (b *builder) mixed17(name string, x graph.Value, mid int64) graph.Value {
	name += "."
	one := b.unit(name+"branch1x1", x, 192, w1x1)

	seven := b.unit(name+"branch7x7_1", x, mid, w1x1)
	seven = b.unit(name+"branch7x7_2", seven, mid, w1x7)
	seven = b.unit(name+"branch7x7_3", seven, 192, w7x1)

	double := b.unit(name+"branch7x7dbl_1", x, mid, w1x1)
	double = b.unit(name+"branch7x7dbl_2", double, mid, w7x1)
	double = b.unit(name+"branch7x7dbl_3", double, mid, w1x7)
	double = b.unit(name+"branch7x7dbl_4", double, mid, w7x1)
	double = b.unit(name+"branch7x7dbl_5", double, 192, w1x7)

	pool := b.average(name+"average", x)
	pool = b.unit(name+"branch_pool", pool, 192, w1x1)
	return b.Concat(name+"concat", 1, one, seven, double, pool)
}

// reduce17 leads from planes of 17x17 to 8x8.
func (b *builder) reduce17(name string, x graph.Value) graph.Value {
	name += "."
	three := b.unit(name+"branch3x3_1", x, 192, w1x1)
	three = b.unit(name+"branch3x3_2", three, 320, w3x3Halves)

	seven := b.unit(name+"branch7x7x3_1", x, 192, w1x1)
	seven = b.unit(name+"branch7x7x3_2", seven, 192, w1x7)
	seven = b.unit(name+"branch7x7x3_3", seven, 192, w7x1)
	seven = b.unit(name+"branch7x7x3_4", seven, 192, w3x3Halves)

	pool := b.MaxPool(name+"maximum", x, w3x3Halves)
	return b.Concat(name+"concat", 1, three, seven, pool)
}

// mixed8 is a module on planes of 8x8. Its convolutions of 3x3 are split into a row and
// a column in parallel.
func (b *builder) mixed8(name string, x graph.Value) graph.Value {
	name += "."
	one := b.unit(name+"branch1x1", x, 320, w1x1)

	three := b.unit(name+"branch3x3_1", x, 384, w1x1)
	row := b.unit(name+"branch3x3_2a", three, 384, w1x3)
	column := b.unit(name+"branch3x3_2b", three, 384, w3x1)

	double := b.unit(name+"branch3x3dbl_1", x, 448, w1x1)
	double = b.unit(name+"branch3x3dbl_2", double, 384, w3x3)
	doubleRow := b.unit(name+"branch3x3dbl_3a", double, 384, w1x3)
	doubleColumn := b.unit(name+"branch3x3dbl_3b", double, 384, w3x1)

	pool := b.average(name+"average", x)
	pool = b.unit(name+"branch_pool", pool, 192, w1x1)
	return b.Concat(name+"concat", 1, one, row, column, doubleRow, doubleColumn, pool)
}
