package jpeg

import (
	"image"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// rgb converts a pixel as libjpeg's jdcolor.c does, with 16 fraction bits.
func rgb(y, cb, cr int) (r, g, b uint8) {
	const half = 1 << 15
	return codec.Clamp(y + (91881*cr+half)>>16),
		codec.Clamp(y + (-22554*cb-46802*cr+half)>>16),
		codec.Clamp(y + (116130*cb+half)>>16)
}

// shares returns how many pixels of a row, and of a column, share a sample of chroma.
func shares(ratio image.YCbCrSubsampleRatio) (across, down int) {
	across, down = 1, 1
	switch ratio {
	case image.YCbCrSubsampleRatio422:
		across = 2
	case image.YCbCrSubsampleRatio420:
		across, down = 2, 2
	case image.YCbCrSubsampleRatio440:
		down = 2
	case image.YCbCrSubsampleRatio411:
		across = 4
	case image.YCbCrSubsampleRatio410:
		across, down = 4, 2
	}
	return across, down
}

// repeat makes row y of a chroma plane as wide as the luma, without a filter.
func repeat(dst, plane []uint8, stride int, ratio image.YCbCrSubsampleRatio, y int) {
	across, down := shares(ratio)
	row := plane[y/down*stride:]
	for x := range dst {
		dst[x] = row[x/across]
	}
}

// upsample makes row y of a chroma plane as wide as the luma, with the triangle filters of
// libjpeg's jdsample.c. For ratios without a filter it replicates.
func upsample(dst, plane []uint8, stride int, ratio image.YCbCrSubsampleRatio, w, h, y int) {
	across, down := shares(ratio)
	cw, ch := (w+across-1)/across, (h+down-1)/down
	cy := y / down
	near := plane[cy*stride:][:cw]
	if across == 4 || across == 2 && cw <= 2 {
		for x := range dst {
			dst[x] = near[x/across]
		}
		return
	}
	far := near
	if down == 2 {
		fy := min(max(cy+2*(y%2)-1, 0), ch-1)
		far = plane[fy*stride:][:cw]
	}
	switch {
	case across == 1 && down == 1:
		copy(dst, near)
	case across == 1:
		for x := range dst {
			dst[x] = uint8((3*int(near[x]) + int(far[x]) + 1 + y%2) >> 2)
		}
	case down == 1:
		for x := range dst {
			c := x / 2
			side := min(max(c+2*(x%2)-1, 0), cw-1)
			dst[x] = uint8((3*int(near[c]) + int(near[side]) + 1 + x%2) >> 2)
		}
	default:
		for x := range dst {
			c := x / 2
			side := min(max(c+2*(x%2)-1, 0), cw-1)
			sum, sideSum := 3*int(near[c])+int(far[c]), 3*int(near[side])+int(far[side])
			dst[x] = uint8((3*sum + sideSum + 8 - x%2) >> 4)
		}
	}
}
