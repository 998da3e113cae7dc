package preprocess

// #include "kernel.h"
import "C"

import (
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A Need is what decoding one image takes at most, as its headers say.
type Need struct {
	// Width and Height are the sides that the headers declare, in stored pixels; 0
	// where the image fails before memory is taken for its pixels.
	Width, Height int
	// Bytes is how much memory Decode holds at most at once for the image, in Go, in C
	// and in libraries: the pixels, the codec's buffers, and those of the resize. It
	// leaves out src, the tensor row, and what the decoder keeps from images before.
	// It is at least 1.
	Bytes int64
}

// BytesPerPixel is how many bytes a pixel of a large image takes at most, by format as Decoded
// names it; other formats take 4. JPEG is with libjpeg-turbo: 4 for most, 7 for a progressive one of chroma ratio
// 4:2:0, 12 for one of four components. Without libjpeg-turbo it is JPEGBytesPerPixelInGo.
// Besides, a TIFF in LZW takes up to 8 MB, one in LZMA or zstd what its blocks refer to, one
// with JPEG inside what that takes, and the codes of a lossless WebP up to 220 MB.
// Decoder.Need is exact for each image.
var BytesPerPixel = []struct {
	Format string
	Bytes  float64
}{{"JPEG", 12.5}, {"PNG", 4}, {"GIF", 4}, {"WebP", 13.5}, {"BMP", 4}, {"TIFF", 4}}

// JPEGBytesPerPixelInGo is the entry of JPEG in BytesPerPixel for image/jpeg.
const JPEGBytesPerPixelInGo = 31

// leastNeed is for what is small for every image.
const leastNeed = 1 << 20

// Need returns what Decode of src takes. It reads headers and decodes nothing, so that it
// takes a small part of the time of Decode. It may be called by any goroutine, also while
// another decodes, but not after Close. An image that is damaged takes no more than that.
func (d *Decoder) Need(src []byte) Need {
	if int64(len(src)) > d.opt.MaxBytes {
		return Need{Bytes: leastNeed}
	}
	found, fail := d.find(src)
	if fail != nil {
		return Need{Bytes: leastNeed}
	}
	n := d.codecs[found.format].Need(found.src, d.bounds)
	if d.tiler != nil {
		need, _ := d.tiler.need(found, n)
		return need
	}
	need := Need{Width: n.Width, Height: n.Height, Bytes: leastNeed + n.Bytes}
	if n.Width > 0 && n.Height > 0 {
		need.Bytes += d.spec.canvasNeed(n, d.canvas.shown)
	}
	return need
}

// canvasNeed returns the most bytes that a canvas takes for an image, whatever its
// orientation. shown is that of a Previewer, or nil.
func (s Spec) canvasNeed(n codec.Need, shown *shown) int64 {
	most := int64(0)
	for _, o := range []codec.Orientation{1, 6} { // as stored, and with its sides swapped
		width, height := n.Width, n.Height
		if shown != nil {
			s.Width, s.Height, _, _ = shown.size(width, height, o)
		}
		width, height, _, _ = s.frame(width, height, o)
		g := s.plan(width, height, o)
		if s.ScaledDecode {
			width, height = s.shrink(width, height, n.Scales, g)
		}
		_, inputsW := s.kept(width)
		_, inputsH := s.kept(height)
		p := policies[s.Resize].of(inputsW, inputsH, g)
		bytes := int64(height)*((int64(width)*4+storeAlign-1)&^(storeAlign-1)) + storeAlign + C.BS_TAIL
		if s.Fit == SquarePad {
			bytes += int64(width)*4 + storeAlign
		}
		bytes += s.tables(inputsW, g.w)*p.axisNeed(inputsW, g.resizedW, g.w) + s.tables(inputsH, g.h)*p.axisNeed(inputsH, g.resizedH, g.h)
		bytes += s.workNeed(p, width, inputsH, g)
		most = max(most, bytes)
	}
	return most
}

// tables returns how many tables of an axis are kept at once.
func (s Spec) tables(inputs, n int) int64 {
	if s.Augment != FiveCrop && s.Augment != TenCrop || max(inputs, n) >= largeAxis {
		return 1
	}
	return 3 // both ends and the middle
}

// taps returns the most weights of an output.
func (p policy) taps(inputs, outputs int) int64 {
	switch {
	case p.filter != nil:
		stretch := max(float64(inputs)/float64(outputs), 1)
		return min(int64(math.Ceil(p.support*stretch))*2+1, int64(inputs))&^3 + 4
	case p.area:
		return int64(inputs/outputs) + 2
	case p.fixed != nil:
		return int64(2 * p.support)
	}
	return 0
}

// axisNeed returns the most bytes of the tables of an axis of n outputs.
func (p policy) axisNeed(inputs, outputs, n int) int64 {
	bytes := int64(n+4) * 12 // first, second and frac, or first and counts
	switch {
	case p.filter != nil: // exact and weights, and digits or pairs, and for planes
		taps := p.taps(inputs, outputs)
		bytes += int64(n+4) * (taps*(8+4) + max(taps*3, min(taps, mostPaired)*16))
		bytes += int64(n+8) * min(taps, mostFlat) * 6
	case p.area:
		bytes += int64(n) * p.taps(inputs, outputs) * 4
	case p.fixed != nil:
		bytes += int64(n) * p.taps(inputs, outputs) * 8
	}
	return bytes
}

// workNeed returns the most bytes of bs_work_size.
func (s Spec) workNeed(p policy, width, inputsH int, g geometry) int64 {
	row := int64(max(g.w, g.h))*16 + 2*C.BS_TAIL
	bytes := row * int64(g.h+4)
	switch {
	case p.filter != nil:
		ring, taps := int64(8), p.taps(inputsH, g.resizedH)
		for ring < taps+4 {
			ring *= 2
		}
		pairs, rows := min(taps, mostPaired)/2+3, 4*(int64(width)*4+3*C.BS_TAIL) // and the sums of chroma
		bytes += max(ring*(int64(g.w)*4+C.BS_TAIL), pairs*(int64(g.w)*16+C.BS_TAIL)+rows+int64(width)*2+3*C.BS_TAIL, rows)
	case p.area:
		bytes += (int64(width)*4+64)*4 + C.BS_TAIL
	case p.fixed != nil:
		bytes += max(8*int64(g.w), int64(width))*16 + 8*C.BS_TAIL
	}
	return bytes
}
