package tiff

import (
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// mostSamples bounds the samples of a pixel.
const mostSamples = 64

// readBlocks reads the grid of strips or tiles.
func (t *picture) readBlocks(bounds codec.Bounds) {
	offsets, counts := uint16(tagStripOffsets), uint16(tagStripByteCounts)
	t.tiled = t.has(tagTileWidth) || t.has(tagTileOffsets)
	if t.tiled {
		// Before TIFF 6 tiles had the tags of strips.
		strips := t.has(tagStripOffsets)
		if strips && (t.has(tagTileOffsets) || t.compression == uncompressed) {
			t.refuse(unsupportedTag(tagStripOffsets, "next to tiles"))
		}
		if !strips {
			offsets, counts = tagTileOffsets, tagTileByteCounts
		}
		w, h := t.one(tagTileWidth, 0), t.one(tagTileLength, 0)
		if t.fail == nil && (w == 0 || h == 0) {
			t.refuse(codec.Fail(codec.StatusCorrupt, "tiles without a size"))
		}
		t.blockW, t.blockH = int(min(w, 1<<32)), int(min(h, 1<<32))
	} else {
		rows := t.one(tagRowsPerStrip, uint64(t.height))
		if rows == 0 {
			t.refuse(codec.Fail(codec.StatusCorrupt, "strips of no rows"))
		}
		t.blockW, t.blockH = t.width, int(min(rows, uint64(t.height)))
	}
	if t.fail == nil && t.compression == oldJPEG && !t.has(offsets) && t.has(tagJPEGOffset) {
		return // the picture is a file
	}
	t.offsets, t.counts = t.list(offsets), t.list(counts)
	if t.fail != nil {
		return
	}
	if t.blockH%t.subY != 0 && t.blockH < t.height {
		t.refuse(unsupportedTag(tagYCbCrSubSampling, fmt.Sprintf("%d in blocks of %d rows", t.subY, t.blockH)))
		return
	}
	t.across, t.down = (t.width+t.blockW-1)/t.blockW, (t.height+t.blockH-1)/t.blockH
	// The parts of tiles to the right of the picture are decoded too.
	pixels, each := int64(t.across)*int64(t.blockW), int64(t.perBlock()*t.bits+127)/128
	if t.samples > mostSamples || pixels*each/codec.MaxPasses > bounds.MaxPixels/int64(t.height) ||
		int64(t.blockW-15)*int64(t.rows(0)) > bounds.MaxPixels { // a width is a multiple of 16
		t.refuse(codec.Fail(codec.StatusTooLarge, "%d samples of %d bits in blocks of %dx%d for %dx%d pixels",
			t.samples, t.bits, t.blockW, t.blockH, t.width, t.height))
		return
	}
	if t.tiled && t.blockW*t.bits*t.perBlock()%8 != 0 {
		t.refuse(unsupportedTag(tagTileWidth, fmt.Sprintf("%d with %d bits", t.blockW, t.bits)))
	}
	n := uint64(t.across) * uint64(t.down)
	if t.planar {
		n *= uint64(t.samples)
	}
	switch {
	case t.offsets.count == 0:
		t.refuse(codec.Fail(codec.StatusCorrupt, "%s is missing", tagName(offsets)))
	case t.offsets.count < n, t.has(counts) && t.counts.count < n:
		t.refuse(codec.Fail(codec.StatusCorrupt, "%d offsets and %d sizes for %d blocks", t.offsets.count, t.counts.count, n))
	case t.offsets.count > n && t.compression == uncompressed:
		t.refuse(unsupportedTag(offsets, fmt.Sprintf("of %d values for %d blocks", t.offsets.count, n)))
	}
}

// perBlock returns how many samples of a pixel are in one block.
func (t *picture) perBlock() int {
	if t.planar {
		return 1
	}
	return t.samples
}

// planes returns how many blocks hold the samples of one pixel that are read.
func (t *picture) planes() int {
	if t.planar {
		return min(t.samples, t.used)
	}
	return 1
}

// rows returns how many rows of the picture the blocks in row j of the grid have.
func (t *picture) rows(j int) int { return min(t.blockH, t.height-j*t.blockH) }

// lines returns how many lines of samples hold n rows: rows that share their chroma are one.
func (t *picture) lines(n int) int { return (n + t.subY - 1) / t.subY }

// lineBytes returns the length of a line of one block in bytes.
func (t *picture) lineBytes() int { return t.partBytes(t.blockW) }

// partBytes returns the bytes of the first w pixels of a line of one block.
func (t *picture) partBytes(w int) int {
	if t.subX*t.subY > 1 {
		return (w + t.subX - 1) / t.subX * (t.subX*t.subY + 2)
	}
	return (w*t.perBlock()*t.bits + 7) / 8
}

// coded returns how many bytes the lines of the blocks in row j of the grid have.
func (t *picture) coded(j int) int { return t.lines(t.rows(j)) * t.lineBytes() }

// checkWork bounds the coded bytes of all blocks: many of them may be the same place in the
// file, and coded bytes may decode to nothing. Blocks that are equal, of which some writers
// store one, are within the bound: such a block is small for the pixels that it codes.
func (t *picture) checkWork() {
	const small = 256
	if t.fail != nil || t.compression == uncompressed {
		return
	}
	n, work := t.planes()*t.across*t.down, int64(0)
	most := small*int64(n) + codec.MaxPasses*int64(len(t.src))
	for i := range n {
		data, _ := t.block(i) // a failure is found later
		work += int64(len(data))
		most += codec.MaxPasses * int64(t.coded(i/t.across%t.down))
	}
	if work > most {
		t.refuse(codec.Fail(codec.StatusTooLarge, "%d blocks with %d coded bytes in a file of %d bytes", n, work, len(t.src)))
	}
}

// checkBlocks checks that the file holds every block, before memory is taken for pixels.
func (t *picture) checkBlocks() *codec.Failure {
	if t.compression == oldJPEG {
		return t.checkOldJPEG()
	}
	for i := range t.planes() * t.across * t.down {
		data, fail := t.block(i)
		if fail != nil {
			return fail
		}
		// ratio is how many bytes, or rows of fax data, one coded byte can stand for.
		need, ratio := t.coded(i/t.across%t.down), 0
		switch t.compression {
		case packBits:
			ratio = 64
		case deflate, oldDeflate:
			ratio = 1040
		case lzw:
			ratio = 4096
		case lzma, zstandard:
			ratio = 1 << 16
		case faxRLE, faxWords, group3, group4:
			need, ratio = t.rows(i/t.across%t.down), 8
		case jpeg, webP:
			if fail := t.checkInner(i, data); fail != nil {
				return fail
			}
			continue
		default:
			continue
		}
		if need/ratio > len(data) {
			return codec.Fail(codec.StatusCorrupt, "block %d: %d bytes cannot hold %d", i, len(data), need)
		}
	}
	return nil
}

// block returns the coded data of block i. The blocks of a plane follow those of the plane
// before it.
func (t *picture) block(i int) ([]byte, *codec.Failure) {
	const surplus = 256 << 20 // by which the size of raw pixels may be too large
	offset, size := t.at(t.offsets, i), uint64(len(t.src))
	need := uint64(t.coded(i / t.across % t.down))
	left := size - min(offset, size)
	count := left
	if t.counts.count > 0 {
		count = t.at(t.counts, i)
	}
	raw := t.compression == uncompressed
	switch {
	case offset == 0:
		return nil, unsupportedTag(tagStripOffsets, "0")
	case raw && need <= left && count > size+surplus, !raw && count > left && count > 1<<16+16*need:
		return nil, codec.Fail(codec.StatusCorrupt, "block %d of %d bytes for %d", i, count, need)
	case raw && need > left, !raw && (count > left || left == 0):
		return nil, codec.Fail(codec.StatusTruncated, "block %d ends past the end", i)
	case raw:
		count = need // by the size of the picture: the counts are not used
	case count == 0:
		count = left // as libtiff estimates it
		if t.inner == nil && t.compression != jpeg && t.compression != webP && t.compression != oldJPEG {
			count = min(count, 256+codec.MaxPasses*need) // no coding takes more
		}
	}
	return t.src[offset:][:count], nil
}
