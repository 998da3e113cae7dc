package models

import "strings"

// Architecture names a network by its structure, whatever its weights and
// classes are.
type Architecture string

// The networks that are recognised; any other is the empty Architecture.
const (
	VGG16       Architecture = "VGG-16"
	InceptionV3 Architecture = "Inception V3"
)

// structures is how a network is told from others: by the number of its
// convolutions (a head may be written as some more), and by the multiply-adds of
// one image, in millions. What a head for another number of classes adds or
// lacks is within the bounds.
var structures = []struct {
	name                        Architecture
	convolutions, ofHead        int
	leastMillions, mostMillions int64
}{
	{VGG16, 13, 3, 15_340, 15_620},
	{InceptionV3, 94, 1, 5_650, 5_800},
}

// architecture recognises the network of a graph that takes batch images at a
// time, or any number if that is 0.
func architecture(h *header, batch int) Architecture {
	convolutions := 0
	for i := range h.nodes {
		switch op := h.nodes[i].op; {
		case strings.HasSuffix(op, "Conv"), op == "ConvInteger", op == "QLinearConv":
			convolutions++
		}
	}
	for _, s := range structures {
		if convolutions < s.convolutions || convolutions > s.convolutions+s.ofHead {
			continue
		}
		shapes := infer(h)
		millions := shapes.macs / int64(max(batch, 1)) / 1_000_000
		if len(shapes.opaque) == 0 && millions >= s.leastMillions && millions <= s.mostMillions {
			return s.name
		}
	}
	return ""
}
