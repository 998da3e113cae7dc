package preprocess

import (
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Defaults of [Options].
const (
	// DefaultMaxPixels is the size above which Pillow refuses an image as a
	// decompression bomb. [Decoder.Need] says how much memory an image takes.
	DefaultMaxPixels = 178_956_970
	// DefaultMaxScans is several times what any encoder writes.
	DefaultMaxScans = 100
	// leastMaxBytes is the minimum of the default of MaxBytes.
	leastMaxBytes = 256 << 20
)

// Options bound what one image may cost, and choose decoders. The bounds decide which
// images fail as too_large, and change no pixels.
type Options struct {
	// MaxPixels bounds the width times the height that an image's header
	// declares; 0 means DefaultMaxPixels. A side of more than 1,048,576 pixels is
	// refused whatever MaxPixels says.
	MaxPixels int64
	// MaxScans bounds the scans of a JPEG; 0 means DefaultMaxScans. It is at most
	// 500, libjpeg-turbo's own bound.
	MaxScans int
	// MaxBytes bounds the encoded size; 0 means DefaultMaxBytes(MaxPixels).
	MaxBytes int64
	// MaxMemory bounds the bytes of memory that an image takes, with its encoded ones;
	// 0 means the largest image of Budget.
	MaxMemory int64
	// Budget bounds what all decodes take that are under way at the same time; nil
	// means that of the process. It changes no result.
	Budget *budget.Budget
	// ForcePortable never uses libjpeg-turbo.
	ForcePortable bool
	// JPEG is what decodes JPEG: "" for libjpeg-turbo where it is installed, or a
	// device of jpeg.Device. It changes pixels.
	JPEG string
	// Tiles scores the tiles of a Spec with Tile, which needs it; others ignore it.
	Tiles Tiles
	// Libraries is asked before the first image that a native library other than
	// libjpeg-turbo decodes. If it refuses, Decode returns its error, which is not about the
	// image. Nil allows any library.
	Libraries codec.Libraries
}

// DefaultMaxBytes is the default of MaxBytes for a MaxPixels: 9 bytes a pixel, so
// that no image of four samples of 16 bits is refused for its size alone.
func DefaultMaxBytes(maxPixels int64) int64 { return max(leastMaxBytes, 9*maxPixels) }

func (o Options) withDefaults() (Options, error) {
	if o.MaxPixels < 0 || o.MaxScans < 0 || o.MaxBytes < 0 || o.MaxMemory < 0 {
		return o, fmt.Errorf("preprocess options: a bound below zero: %+v", o)
	}
	if o.MaxPixels == 0 {
		o.MaxPixels = DefaultMaxPixels
	}
	if o.MaxScans == 0 {
		o.MaxScans = DefaultMaxScans
	}
	o.MaxScans = min(o.MaxScans, 500)
	if o.MaxBytes == 0 {
		o.MaxBytes = DefaultMaxBytes(o.MaxPixels)
	}
	return o, nil
}
