package networks

import (
	"fmt"

	"github.com/batchscore/batchscore/models/graph"
)

// convNeXtTiny is ConvNeXt-Tiny, [N,3,224,224] to [N,classes], from Liu et al. 2022. Layer
// normalisation and fully connected layers work on [N,H,W,C].
func (b *builder) convNeXtTiny(x graph.Value, classes int64) graph.Value {
	patches := func(name string, x graph.Value, channels, size int64) graph.Value {
		return b.conv(name, x, channels, graph.Window{Kernel: [2]int64{size, size}, Stride: [2]int64{size, size}})
	}
	x = b.channelNorm("features.0.1", patches("features.0.0", x, 96, 4))
	channels := int64(96)
	for stage, blocks := range []int{3, 3, 9, 3} {
		if stage > 0 {
			name := fmt.Sprintf("features.%d", 2*stage)
			channels *= 2
			x = patches(name+".1", b.channelNorm(name+".0", x), channels, 2)
		}
		for i := range blocks {
			x = b.nextBlock(fmt.Sprintf("features.%d.%d", 2*stage+1, i), x)
		}
	}
	if b.variant == Transformers {
		b.epsilon = 1e-12 // of the last one only
	}
	x = b.channelNorm("classifier.0", b.GlobalAveragePool("avgpool", x))
	return b.dense("classifier.2", b.Flatten("classifier.1", x), classes, true)
}

// channelNorm is layerNorm of the channels of x, [N,C,H,W].
func (b *builder) channelNorm(name string, x graph.Value) graph.Value {
	x = b.Transpose(name+"/channels", x, 0, 2, 3, 1)
	return b.Transpose(name+"/planes", b.layerNorm(name, x), 0, 3, 1, 2)
}

// nextBlock adds to x what a convolution of each channel by itself and two fully connected
// layers make of it, each channel times a weight.
func (b *builder) nextBlock(name string, x graph.Value) graph.Value {
	channels := x.Shape[1]
	y := b.depthwise(name+".block.0", x, b.square(x, 7, 1), true)
	y = b.layerNorm(name+".block.2", b.Transpose(name+".block.1", y, 0, 2, 3, 1))
	y = b.GELU(name+".block.4", b.linear(name+".block.3", y, 4*channels))
	y = b.Transpose(name+".block.6", b.linear(name+".block.5", y, channels), 0, 3, 1, 2)
	y = b.Mul(name+".scaled", y, b.tensor(name+".layer_scale", 0.3, 0.2, channels, 1, 1))
	return b.Add(name+".sum", y, x)
}
