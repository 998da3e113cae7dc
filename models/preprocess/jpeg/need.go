package jpeg

import "github.com/batchscore/batchscore/models/preprocess/codec"

// Need implements codec.Decoder. What decoding takes depends on the frame's header and on
// whether the first scan has all components.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	h, fail := walkHead(src, bounds, true)
	n := codec.Need{}
	if h.exif > 1 {
		n.Bytes += int64(len(src)) // put together
	}
	if fail != nil {
		return n
	}
	n.Width, n.Height = h.width, h.height
	f := &h.frame
	blocks, samples := int64(0), int64(0) // of 64 coefficients, and in the rows of one MCU
	for i := range f.components {
		wide := ceilDiv(h.width, 8*int(f.maxH)) * int(f.comp[i].h)
		blocks += int64(wide) * int64(ceilDiv(h.height, 8*int(f.maxV))*int(f.comp[i].v))
		samples += int64(wide) * 64 * int64(f.comp[i].v)
	}
	n.Bytes += 2*int64(len(src)) + scanRoom*int64(min(bounds.MaxScans, 16)) // of check: the rewritten JPEG, and coded data
	if f.progressive && !f.arithmetic {
		n.Bytes += 8 * blocks // of check: which coefficients are not zero
	}
	pixels := int64(h.width) * int64(h.height)
	switch {
	case d.turbo != nil:
		n.Scales = d.turbo.scales
		// A few rows of MCUs, and of pixels.
		n.Bytes += 3*samples + 16*int64(h.width)*int64(f.maxV) + 8*int64(h.height)
		if f.progressive || h.alone {
			n.Bytes += 128 * blocks // coefficients of 16 bits
		}
		if d.device != nil {
			n.Bytes += 3 * pixels // copies of a library that is not ours
		}
	case f.arithmetic: // refused
	default:
		n.Bytes += 64 * blocks // samples
		if f.progressive {
			n.Bytes += 256 * blocks // coefficients of 32 bits
		}
		switch {
		case f.components == 4:
			n.Bytes += 6 * pixels // CMYK, and two planes to upsample
		case h.colour() == colourRGB:
			n.Bytes += 4 * pixels
		}
	}
	return n
}
