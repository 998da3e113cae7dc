package preprocess

import "math"

// An orientation is EXIF's, 1 to 8; 1 is upright.
type orientation int

// turn says how stored pixels become upright: flip along the stored axes, then
// swap the axes.
func (o orientation) turn() (transpose, flipX, flipY bool) {
	switch o {
	case 2:
		return false, true, false
	case 3:
		return false, true, true
	case 4:
		return false, false, true
	case 5:
		return true, false, false
	case 6:
		return true, false, true
	case 7:
		return true, true, true
	case 8:
		return true, true, false
	}
	return false, false, false
}

// A geometry maps stored pixels to the window of the resized image that the
// model sees; both sides are in the stored orientation.
type geometry struct {
	resizedW, resizedH      int // of the whole image
	x, y, w, h              int // the window in it
	transpose, flipX, flipY bool
}

// plan works out the geometry of an image of width x height stored pixels.
func (s Spec) plan(width, height int, o orientation) geometry {
	var g geometry
	g.transpose, g.flipX, g.flipY = o.turn()
	if g.transpose {
		width, height = height, width
	}
	// Upright from here.
	rw, rh := s.Width, s.Height
	if s.Fit == CenterCrop {
		rw, rh = shortestSide(width, height, s.ResizeTo)
	}
	x, y := cropOffset(rw, s.Width), cropOffset(rh, s.Height)
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

// shortestSide is torchvision's Resize(size): the long side is truncated.
func shortestSide(width, height, size int) (int, int) {
	if width <= height {
		return size, int(float64(size*height) / float64(width))
	}
	return int(float64(size*width) / float64(height)), size
}

// cropOffset is torchvision's CenterCrop: Python rounds half to even.
func cropOffset(size, crop int) int {
	return int(math.RoundToEven(float64(size-crop) / 2))
}
