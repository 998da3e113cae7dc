package preprocess

import "github.com/batchscore/batchscore/models/preprocess/codec"

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
	// Tile is the tile that decided, with TileTop.
	Tile Tile
}

// Picture returns where a position of the tensor, in pixels, is in the picture.
func (p Placement) Picture(x, y float64) (px, py float64) {
	return p.OffsetX + x*p.StepX, p.OffsetY + y*p.StepY
}

// Placement returns that of the image which the last successful Decode was given.
func (d *Decoder) Placement() Placement { return d.canvas.placement }

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
