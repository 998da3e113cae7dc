package networks

import (
	"fmt"

	"github.com/batchscore/batchscore/models/graph"
)

// vggBlocks is VGG-16's configuration "D": the planes of every convolution. A pool
// follows each block.
var vggBlocks = [][]int64{{64, 64}, {128, 128}, {256, 256, 256}, {512, 512, 512}, {512, 512, 512}}

// vgg16 leads from [N,3,224,224] to the features, [N,512,7,7].
func (b *builder) vgg16(x graph.Value) graph.Value {
	window := graph.Window{Kernel: [2]int64{3, 3}, Pad: [4]int64{1, 1, 1, 1}}
	half := graph.Window{Kernel: [2]int64{2, 2}, Stride: [2]int64{2, 2}}
	index := 0 // of torchvision's layers, among which activations and pools count
	for i, block := range vggBlocks {
		for j, planes := range block {
			name := fmt.Sprintf("block%d_conv%d", i+1, j+1)
			if b.variant == Torchvision {
				name = fmt.Sprintf("features.%d", index)
			}
			x = b.Relu(name+"/relu", b.conv(name, x, planes, window))
			index += 2
		}
		x = b.MaxPool(fmt.Sprintf("block%d_pool", i+1), x, half)
		index++
	}
	return x
}
