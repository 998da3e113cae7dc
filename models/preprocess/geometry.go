package preprocess

import (
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A geometry maps stored pixels to the window of the resized image that the
// model sees. Both are in the stored orientation.
type geometry struct {
	resizedW, resizedH      int // of all that is kept of the image
	x, y, w, h              int // the window in it
	transpose, flipX, flipY bool
}

// plan returns the geometry of an image of width x height stored pixels.
func (s Spec) plan(width, height int, o codec.Orientation) geometry {
	var g geometry
	g.transpose, g.flipX, g.flipY = o.Turn()
	if g.transpose {
		width, height = height, width
	}
	// Upright from here.
	rw, rh, x, y := s.Width, s.Height, 0, 0
	switch s.Fit {
	case CenterCrop:
		rw, rh = shortestSide(width, height, s.ResizeTo)
		x, y = cropOffset(rw, s.Width), cropOffset(rh, s.Height)
	case SlimCenterCrop:
		rw, rh = slimShortestSide(width, height, s.ResizeTo)
		x, y = (rw-s.Width)/2, (rh-s.Height)/2
	}
	w, h := s.Width, s.Height
	if g.transpose {
		rw, rh, x, y, w, h = rh, rw, y, x, h, w
	}
	if g.flipX {
		x = rw - w - x
	}
	if g.flipY {
		y = rh - h - y
	}
	g.resizedW, g.resizedH, g.x, g.y, g.w, g.h = rw, rh, x, y, w, h
	return g
}

// shortestSide returns the size to which torchvision's Resize(size) resizes: the long
// side is truncated.
func shortestSide(width, height, size int) (int, int) {
	if width <= height {
		return size, int(float64(size*height) / float64(width))
	}
	return int(float64(size*width) / float64(height)), size
}

// cropOffset returns where torchvision's CenterCrop begins: Python rounds half to
// even.
func cropOffset(size, crop int) int {
	return int(math.RoundToEven(float64(size-crop) / 2))
}

// slimShortestSide is _smallest_size_at_least of tf-slim's
// vgg_preprocessing.py, which computes in float32.
func slimShortestSide(width, height, size int) (int, int) {
	scale := float32(size) / float32(min(width, height))
	rint := func(side int) int { return int(math.RoundToEven(float64(float32(side) * scale))) }
	return rint(width), rint(height)
}

// kept returns the part of a side of the source that is resized: where it begins, and
// how long it is. With CentralFraction it is that of tf.image.central_crop. It is as
// far from one end as from the other, so that it is the same for a turned image.
func (s Spec) kept(side int) (start, n int) {
	if s.Fit == CentralFraction {
		start = int((float64(side) - float64(float64(side)*s.Fraction)) / 2)
	}
	return start, side - 2*start
}
