package codec

const (
	// MaxSide bounds the sides of an image in pixels, and with them the memory for
	// the resize: a filter has several weights for each pixel of a side. Few formats
	// have room for more than 65,535.
	MaxSide = 1 << 20

	// MaxPasses bounds the work on one image: decoding it may cost as much as
	// MaxPasses passes over an image of Bounds.MaxPixels. An image of fewer pixels may
	// need more passes.
	MaxPasses = 16
)

// Bounds limit what decoding one image may cost.
type Bounds struct {
	MaxPixels int64 // width times height
	MaxScans  int   // of a JPEG
}

// CheckSize returns a Failure for an image of width x height pixels that is beyond
// the bounds, and nil otherwise.
func (b Bounds) CheckSize(width, height int) *Failure {
	if int64(width)*int64(height) > b.MaxPixels {
		return Fail(StatusTooLarge, "%dx%d pixels, more than the %d of --max-pixels", width, height, b.MaxPixels)
	}
	if max(width, height) > MaxSide {
		return Fail(StatusTooLarge, "%dx%d pixels, with a side of more than %d", width, height, MaxSide)
	}
	return nil
}
