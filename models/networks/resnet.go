package networks

import (
	"fmt"

	"github.com/batchscore/batchscore/models/graph"
)

// resnet returns the features of a ResNet, [N,3,224,224] to [N,C,7,7], whose four stages
// have that many blocks. Blocks of three convolutions (bottlenecks) widen to four times
// their planes.
func resnet(blocks [4]int, bottleneck bool) func(b *builder, x graph.Value) graph.Value {
	return func(b *builder, x graph.Value) graph.Value {
		x = b.plainConv("conv1", x, 64, b.square(x, 7, 2))
		x = b.Relu("relu", b.norm("bn1", x))
		x = b.MaxPool("maxpool", x, b.square(x, 3, 2))
		planes := int64(64)
		for stage, n := range blocks {
			for i := range n {
				stride := int64(1)
				if stage > 0 && i == 0 {
					stride = 2
				}
				x = b.residual(fmt.Sprintf("layer%d.%d", stage+1, i), x, planes, stride, bottleneck)
			}
			planes *= 2
		}
		return x
	}
}

// residual adds what two or three convolutions make of x to x, or to a projection of it
// where the shape changes. Of three convolutions the second has the stride.
func (b *builder) residual(name string, x graph.Value, planes, stride int64, bottleneck bool) graph.Value {
	step := func(i int, y graph.Value, planes, size, stride int64) graph.Value {
		y = b.plainConv(fmt.Sprintf("%s.conv%d", name, i), y, planes, b.square(y, size, stride))
		return b.norm(fmt.Sprintf("%s.bn%d", name, i), y)
	}
	out := planes
	var y graph.Value
	if bottleneck {
		out = 4 * planes
		y = b.Relu(name+".relu1", step(1, x, planes, 1, 1))
		y = b.Relu(name+".relu2", step(2, y, planes, 3, stride))
		y = step(3, y, out, 1, 1)
	} else {
		y = b.Relu(name+".relu1", step(1, x, planes, 3, stride))
		y = step(2, y, planes, 3, 1)
	}
	if stride != 1 || x.Shape[1] != out {
		x = b.plainConv(name+".downsample.0", x, out, b.square(x, 1, stride))
		x = b.norm(name+".downsample.1", x)
	}
	return b.Relu(name+".relu", b.Add(name+".sum", y, x))
}
