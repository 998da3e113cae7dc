package networks

import (
	"fmt"

	"github.com/batchscore/batchscore/models/graph"
)

// mobileBlock is a block of MobileNetV3 or EfficientNet: a convolution of single pixels to
// wide channels, a convolution of each channel by itself, squeeze and excitation, and a
// convolution of single pixels to out channels.
type mobileBlock struct {
	size, wide, out, stride int64
	squeeze                 int64 // channels in the middle of squeeze and excitation; 0 for none
	act                     activation
}

// mobile is the block called name, with torchvision's names of its parts. A block that
// does not widen leaves the first convolution out, and one that keeps the shape adds its
// input.
func (b *builder) mobile(name string, x graph.Value, m mobileBlock, inner, gate activation) graph.Value {
	in, part := x, 0
	next := func() string {
		part++
		return fmt.Sprintf("%s.block.%d", name, part-1)
	}
	if m.wide != x.Shape[1] {
		p := next()
		x = b.norm(p+".1", b.plainConv(p+".0", x, m.wide, b.square(x, 1, 1)))
		x = m.act(b.Graph, p+".act", x)
	}
	p := next()
	x = b.norm(p+".1", b.depthwise(p+".0", x, b.square(x, m.size, m.stride), false))
	x = m.act(b.Graph, p+".act", x)
	if m.squeeze > 0 {
		x = b.squeeze(next(), x, m.squeeze, inner, gate)
	}
	p = next()
	x = b.norm(p+".1", b.plainConv(p+".0", x, m.out, b.square(x, 1, 1)))
	if m.stride == 1 && in.Shape[1] == m.out {
		x = b.Add(name+".sum", x, in)
	}
	return x
}

var (
	relu      activation = (*graph.Graph).Relu
	hardSwish activation = (*graph.Graph).HardSwish
)

// The blocks of MobileNetV3, tables 1 and 2 of Howard et al. 2019. The channels in the middle
// of squeeze and excitation are a quarter of the wide ones, rounded to a multiple of 8.
var (
	mobileNetLarge = []mobileBlock{
		{size: 3, wide: 16, out: 16, stride: 1, act: relu},
		{size: 3, wide: 64, out: 24, stride: 2, act: relu},
		{size: 3, wide: 72, out: 24, stride: 1, act: relu},
		{size: 5, wide: 72, out: 40, stride: 2, squeeze: 24, act: relu},
		{size: 5, wide: 120, out: 40, stride: 1, squeeze: 32, act: relu},
		{size: 5, wide: 120, out: 40, stride: 1, squeeze: 32, act: relu},
		{size: 3, wide: 240, out: 80, stride: 2, act: hardSwish},
		{size: 3, wide: 200, out: 80, stride: 1, act: hardSwish},
		{size: 3, wide: 184, out: 80, stride: 1, act: hardSwish},
		{size: 3, wide: 184, out: 80, stride: 1, act: hardSwish},
		{size: 3, wide: 480, out: 112, stride: 1, squeeze: 120, act: hardSwish},
		{size: 3, wide: 672, out: 112, stride: 1, squeeze: 168, act: hardSwish},
		{size: 5, wide: 672, out: 160, stride: 2, squeeze: 168, act: hardSwish},
		{size: 5, wide: 960, out: 160, stride: 1, squeeze: 240, act: hardSwish},
		{size: 5, wide: 960, out: 160, stride: 1, squeeze: 240, act: hardSwish},
	}
	mobileNetSmall = []mobileBlock{
		{size: 3, wide: 16, out: 16, stride: 2, squeeze: 8, act: relu},
		{size: 3, wide: 72, out: 24, stride: 2, act: relu},
		{size: 3, wide: 88, out: 24, stride: 1, act: relu},
		{size: 5, wide: 96, out: 40, stride: 2, squeeze: 24, act: hardSwish},
		{size: 5, wide: 240, out: 40, stride: 1, squeeze: 64, act: hardSwish},
		{size: 5, wide: 240, out: 40, stride: 1, squeeze: 64, act: hardSwish},
		{size: 5, wide: 120, out: 48, stride: 1, squeeze: 32, act: hardSwish},
		{size: 5, wide: 144, out: 48, stride: 1, squeeze: 40, act: hardSwish},
		{size: 5, wide: 288, out: 96, stride: 2, squeeze: 72, act: hardSwish},
		{size: 5, wide: 576, out: 96, stride: 1, squeeze: 144, act: hardSwish},
		{size: 5, wide: 576, out: 96, stride: 1, squeeze: 144, act: hardSwish},
	}
)

// mobileNet returns a whole MobileNetV3, [N,3,224,224] to [N,classes], with that many
// channels between the last two layers.
func mobileNet(blocks []mobileBlock, last int64) func(b *builder, x graph.Value, classes int64) graph.Value {
	return func(b *builder, x graph.Value, classes int64) graph.Value {
		x = b.norm("features.0.1", b.plainConv("features.0.0", x, 16, b.square(x, 3, 2)))
		x = b.HardSwish("features.0.act", x)
		for i, m := range blocks {
			x = b.mobile(fmt.Sprintf("features.%d", i+1), x, m, (*graph.Graph).Relu, (*graph.Graph).HardSigmoid)
		}
		top := fmt.Sprintf("features.%d", len(blocks)+1)
		x = b.norm(top+".1", b.plainConv(top+".0", x, 6*x.Shape[1], b.square(x, 1, 1)))
		x = b.GlobalAveragePool("pool", b.HardSwish(top+".act", x))
		x = b.HardSwish("classifier.1", b.dense("classifier.0", b.Flatten("flatten", x), last, true))
		return b.dense("classifier.3", x, classes, true)
	}
}

// efficientStages are those of EfficientNet-B0, table 1 of Tan and Le 2019: how much wider
// its blocks are in the middle, their kernels, strides and channels, and how many there are.
var efficientStages = []struct{ wider, size, stride, out, blocks int64 }{
	{wider: 1, size: 3, stride: 1, out: 16, blocks: 1},
	{wider: 6, size: 3, stride: 2, out: 24, blocks: 2},
	{wider: 6, size: 5, stride: 2, out: 40, blocks: 2},
	{wider: 6, size: 3, stride: 2, out: 80, blocks: 3},
	{wider: 6, size: 5, stride: 1, out: 112, blocks: 3},
	{wider: 6, size: 5, stride: 2, out: 192, blocks: 4},
	{wider: 6, size: 3, stride: 1, out: 320, blocks: 1},
}

// efficientNet is EfficientNet-B0, [N,3,224,224] to [N,classes].
func (b *builder) efficientNet(x graph.Value, classes int64) graph.Value {
	return b.efficient(x, classes, true, (*graph.Graph).SiLU)
}

// efficientLite is EfficientNet-Lite0: B0 without squeeze and excitation, with ReLU6.
func (b *builder) efficientLite(x graph.Value, classes int64) graph.Value {
	return b.efficient(x, classes, false, (*graph.Graph).Relu6)
}

func (b *builder) efficient(x graph.Value, classes int64, squeezes bool, act activation) graph.Value {
	x = b.norm("features.0.1", b.plainConv("features.0.0", x, 32, b.square(x, 3, 2)))
	x = act(b.Graph, "features.0.act", x)
	for s, stage := range efficientStages {
		for i := range stage.blocks {
			m := mobileBlock{size: stage.size, wide: stage.wider * x.Shape[1], out: stage.out, stride: 1, act: act}
			if i == 0 {
				m.stride = stage.stride
			}
			if squeezes {
				m.squeeze = x.Shape[1] / 4
			}
			x = b.mobile(fmt.Sprintf("features.%d.%d", s+1, i), x, m, act, (*graph.Graph).Sigmoid)
		}
	}
	x = b.norm("features.8.1", b.plainConv("features.8.0", x, 1280, b.square(x, 1, 1)))
	x = b.GlobalAveragePool("pool", act(b.Graph, "features.8.act", x))
	return b.dense("classifier.1", b.Flatten("flatten", x), classes, true)
}
