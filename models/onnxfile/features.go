package onnxfile

import (
	"cmp"
	"slices"
)

// maxLayers bounds how many operators before an output Features looks at.
const maxLayers = 32

// pools are operators that make one number of each channel, where they do.
var pools = set("GlobalAveragePool GlobalMaxPool GlobalLpPool AveragePool ReduceMean ReduceMax")

// Features returns the tensor that suits as a vector of an image, with its sizes for one
// image: what the first layer of weights after the pooling takes or, where the graph does
// not show the pooling, what the last layer takes. It returns no name if no such layer is
// found, if the sizes do not follow from the graph, or if the tensor has more than one axis
// of several numbers.
func (f *File) Features(output ValueInfo) (name string, sizes []int64) {
	g, shapes, at := f.producers(), f.Shapes(), output.Name
	last, nearest := "", ""
	for range maxLayers {
		n := g[at]
		if n == nil || len(n.Inputs) == 0 {
			break
		}
		if _, row := Row(shapes.Of(at)); row && pools[n.Op] && nearest != "" {
			return nearest, shapes.Of(nearest)
		}
		i := slices.IndexFunc(n.Inputs, func(in string) bool { return !g.isWeight(in) })
		if i < 0 {
			break
		}
		at = n.Inputs[i]
		if e := (Ending{Op: endings[n.Op]}); !e.IsProduct() && n.Op != "Conv" {
			continue
		}
		if _, row := Row(shapes.Of(at)); !row || i != 0 || g[at] == nil {
			break // a map of features, the images themselves, or a product of another form
		}
		nearest = at
		last = cmp.Or(last, at)
	}
	return last, shapes.Of(last)
}

// Row returns how many numbers a tensor of those sizes has for one image; ok is false if
// more than one axis after the first has several, or if a size is not known.
func Row(sizes []int64) (n int64, ok bool) {
	if len(sizes) < 2 {
		return 0, false
	}
	n = 1
	for _, d := range sizes[1:] {
		switch {
		case d == 1:
		case n != 1 || d < 1:
			return 0, false
		default:
			n = d
		}
	}
	return n, true
}
