package preprocess

import (
	"cmp"
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A geometry maps stored pixels to the window of the resized image that the
// model sees. Both are in the stored orientation.
type geometry struct {
	resizedW, resizedH      int // of all that is kept of the image
	x, y, w, h              int // the window in it
	transpose, flipX, flipY bool

	upright window
}

// A window is the part of a resized image that becomes a part of the tensor. Both are upright.
type window struct {
	resizedW, resizedH int // of all that is kept of the image
	x, y, w, h         int // the window in it
	atX, atY           int // where it is in the tensor
}

// plan returns the geometry of an image of width x height stored pixels.
func (s Spec) plan(width, height int, o codec.Orientation) geometry {
	var g geometry
	g.transpose, g.flipX, g.flipY = o.Turn()
	if g.transpose {
		width, height = height, width
	}
	u := s.window(width, height)
	g.upright = u
	g.resizedW, g.resizedH, g.w, g.h = u.resizedW, u.resizedH, u.w, u.h
	if g.transpose {
		g.resizedW, g.resizedH, g.w, g.h = u.resizedH, u.resizedW, u.h, u.w
	}
	g.x, g.y = g.stored(u.x, u.y)
	return g
}

// stored returns where a window that begins at x, y of the upright resized image begins in the
// stored orientation.
func (g *geometry) stored(x, y int) (sx, sy int) {
	if g.transpose {
		x, y = y, x
	}
	if g.flipX {
		x = g.resizedW - g.w - x
	}
	if g.flipY {
		y = g.resizedH - g.h - y
	}
	return x, y
}

// window returns the window of an upright image of width x height pixels.
func (s Spec) window(width, height int) window {
	u := window{resizedW: s.Width, resizedH: s.Height, w: s.Width, h: s.Height}
	switch s.Fit {
	case CenterCrop:
		u.resizedW, u.resizedH = shortestSide(width, height, s.ResizeTo)
		u.x, u.y = cropOffset(u.resizedW, s.Width), cropOffset(u.resizedH, s.Height)
	case HFCenterCrop:
		u.resizedW, u.resizedH = shortestSide(width, height, s.ResizeTo)
		u.x, u.y = (u.resizedW-s.Width)/2, (u.resizedH-s.Height)/2
	case SlimCenterCrop:
		u.resizedW, u.resizedH = slimShortestSide(width, height, s.ResizeTo)
		u.x, u.y = (u.resizedW-s.Width)/2, (u.resizedH-s.Height)/2
	case PaddleCenterCrop:
		u.resizedW, u.resizedH = paddleShortestSide(width, height, s.ResizeTo)
		u.x, u.y = (u.resizedW-s.Width)/2, (u.resizedH-s.Height)/2
	case StretchCrop:
		u.resizedW, u.resizedH = s.ResizeTo, cmp.Or(s.ResizeToHeight, s.ResizeTo)
		u.x, u.y = cropOffset(u.resizedW, s.Width), cropOffset(u.resizedH, s.Height)
	case Letterbox:
		u.resizedW, u.resizedH = letterboxed(width, height, s.Width, s.Height)
		s.surround(&u, func(free int) int { return free / 2 })
	case PillowPad:
		u.resizedW, u.resizedH = contained(width, height, s.Width, s.Height)
		s.surround(&u, func(free int) int { return int(math.RoundToEven(float64(free) / 2)) })
	case PaddlePadRight:
		u.resizedW = min(int(math.Ceil(float64(s.Height)*(float64(width)/float64(height)))), s.Width)
		u.w = u.resizedW
	}
	return u
}

// surround makes all of the resized image the window. middle returns how much of the free pixels
// along an axis is before it.
func (s Spec) surround(u *window, middle func(free int) int) {
	u.w, u.h = u.resizedW, u.resizedH
	if s.Position != TopLeft {
		u.atX, u.atY = middle(s.Width-u.w), middle(s.Height-u.h)
	}
}

// frame returns the square that SquarePad makes of an image of width x height stored pixels, and
// where the image is in it; for other fits the image itself.
func (s Spec) frame(width, height int, o codec.Orientation) (frameW, frameH, x, y int) {
	if s.Fit != SquarePad {
		return width, height, 0, 0
	}
	side := max(width, height)
	_, flipX, flipY := o.Turn()
	if s.Position == Center || s.Position == "" {
		x, y = (side-width)/2, (side-height)/2
	}
	if flipX {
		x = side - width - x
	}
	if flipY {
		y = side - height - y
	}
	return side, side, x, y
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

// paddleShortestSide is ResizeImage of PaddleClas with resize_short.
func paddleShortestSide(width, height, size int) (int, int) {
	scale := float64(size) / float64(min(width, height))
	rint := func(side int) int { return int(math.RoundToEven(float64(side) * scale)) }
	return rint(width), rint(height)
}

// letterboxed returns the size to which ultralytics's LetterBox resizes an image for an input
// of w x h.
func letterboxed(width, height, w, h int) (int, int) {
	ratio := min(float64(h)/float64(height), float64(w)/float64(width))
	rint := func(side, most int) int { return min(max(int(math.RoundToEven(float64(side)*ratio)), 1), most) }
	return rint(width, w), rint(height, h)
}

// contained returns the size to which Pillow's ImageOps.contain resizes.
func contained(width, height, w, h int) (int, int) {
	have, want := float64(width)/float64(height), float64(w)/float64(h)
	switch {
	case have > want:
		h = min(max(int(math.RoundToEven(float64(height)/float64(width)*float64(w))), 1), h)
	case have < want:
		w = min(max(int(math.RoundToEven(float64(width)/float64(height)*float64(h))), 1), w)
	}
	return w, h
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

// A Placement says which part of a picture each pixel of its tensor row shows. Positions are
// those of edges: pixel i is from i to i+1. Along each axis, position t of the tensor is at
// Offset + t*Step in the picture, turned upright; with Spec.IgnoreOrientation, as it is stored.
// Positions outside the picture are in the padding.
type Placement struct {
	// Width and Height are the sides of the picture, in pixels.
	Width, Height int
	// StepX and StepY are how many pixels of the picture a pixel of the tensor shows, above 0.
	StepX, StepY float64
	// OffsetX and OffsetY are where the tensor begins in the picture; below 0 with padding.
	OffsetX, OffsetY float64
	// Dark says that the picture looks black, as hardly any of its samples is above a quarter of what
	// their type holds: they have more than 8 bits, of which the upper are kept.
	Dark bool
	// Tile is the tile that decided, with TileTop.
	Tile Tile
}

// Picture returns where a position of the tensor, in pixels, is in the picture.
func (p Placement) Picture(x, y float64) (px, py float64) {
	return p.OffsetX + x*p.StepX, p.OffsetY + y*p.StepY
}

// Placement returns that of the image which the last successful Decode was given.
func (d *Decoder) Placement() Placement {
	p := d.canvas.placement
	p.Dark = d.canvas.dark
	return p
}

// Placement returns that of an upright image of width x height pixels.
func (s Spec) Placement(width, height int) Placement { return s.place(width, height, 1) }

// place returns the placement of an image of width x height stored pixels.
func (s Spec) place(width, height int, o codec.Orientation) Placement {
	if transpose, _, _ := o.Turn(); transpose {
		width, height = height, width
	}
	// Upright from here.
	frameW, frameH, x, y := s.frame(width, height, 1)
	u := s.window(frameW, frameH)
	p := Placement{Width: width, Height: height}
	p.StepX, p.OffsetX = s.placeAxis(frameW, u.resizedW, u.x-u.atX)
	p.StepY, p.OffsetY = s.placeAxis(frameH, u.resizedH, u.y-u.atY)
	p.OffsetX, p.OffsetY = p.OffsetX-float64(x), p.OffsetY-float64(y)
	return p
}

// placeAxis returns the step and the offset of an axis of side pixels, of which what is kept is
// resized to resized pixels, and the tensor begins at begin of these.
func (s Spec) placeAxis(side, resized, begin int) (step, offset float64) {
	start, n := s.kept(side)
	step = float64(n) / float64(resized)
	return step, float64(start) + float64(begin)*step
}
