package models

import (
	"strings"

	"github.com/batchscore/batchscore/models/onnxfile"
)

// Architecture names a network by its structure, whatever its weights and
// classes are.
type Architecture string

// The networks that are recognised; any other is the empty Architecture.
const (
	VGG16       Architecture = "VGG-16"
	InceptionV3 Architecture = "Inception V3"
)

// structures are the features that tell a network from others: the number of its
// convolutions, and the multiply-adds of one image in millions. The dense layers
// of a head may be written as further convolutions. The bounds leave room for
// heads of other numbers of classes.
var structures = []struct {
	name                        Architecture
	convolutions, ofHead        int
	leastMillions, mostMillions int64
}{
	{name: VGG16, convolutions: 13, ofHead: 3, leastMillions: 15_340, mostMillions: 15_620},
	{name: InceptionV3, convolutions: 94, ofHead: 1, leastMillions: 5_650, mostMillions: 5_800},
}

// architecture recognises the network of a graph that takes batch images at a
// time, or any number if that is 0.
func architecture(f *onnxfile.File, batch int) Architecture {
	convolutions := 0
	for i := range f.Nodes {
		if op := f.Nodes[i].Op; strings.HasSuffix(op, "Conv") || op == "ConvInteger" {
			convolutions++
		}
	}
	for _, s := range structures {
		if convolutions < s.convolutions || convolutions > s.convolutions+s.ofHead {
			continue
		}
		shapes := f.Shapes()
		millions := shapes.MultiplyAdds / int64(max(batch, 1)) / 1_000_000
		if len(shapes.Uncounted) == 0 && millions >= s.leastMillions && millions <= s.mostMillions {
			return s.name
		}
	}
	return ""
}
