package tiff

import (
	"github.com/klauspost/compress/zstd"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// Need is codec.Decoder's: a line, and what the compression refers to.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	t, fail := d.walkHead(src, bounds)
	if fail != nil {
		return codec.Need{}
	}
	n := codec.Need{Width: t.width, Height: t.height}
	if t.compression == oldJPEG {
		n.Bytes = t.oldJPEGNeed(bounds)
		return n
	}
	if t.inner != nil {
		n.Bytes = t.innerNeed(bounds)
		return n
	}
	n.Bytes = int64(t.readBytes(min(t.blockW, t.width))) + t.expandNeed()
	if t.isWide() || t.stretch != nil {
		n.Bytes += 8 * int64(min(t.blockW, t.width))
	}
	return n
}

// expandNeed returns what the compression refers to.
func (t *picture) expandNeed() int64 {
	n, block := int64(0), t.coded(0)
	switch t.compression {
	case lzw:
		n = int64(min(block+2*lzwStep, lzwMost))
	case lzma:
		most := 0
		for i := range t.planes() * t.across * t.down {
			if data, fail := t.block(i); fail == nil {
				most = max(most, dictionaryOf(t.bitsOf(data)))
			}
		}
		n = int64(lzmaWindow(most, block))
	case zstandard:
		window := uint64(0)
		for i := range t.planes() * t.across * t.down {
			var h zstd.Header
			if data, fail := t.block(i); fail == nil && h.Decode(t.bitsOf(data)) == nil {
				if h.SingleSegment {
					h.WindowSize = h.FrameContentSize
				}
				window = max(window, h.WindowSize)
			}
		}
		n = zstdNeed(window) + int64(min(block, zstdAtOnce))
	case faxRLE, faxWords, group3, group4:
		// The runs of two rows: each takes one bit at least. The lists grow.
		n = 2 * 3 * 4 * (min(2*int64(t.blockW), 8*int64(len(t.src))) + 8)
	}
	if t.reversed && (t.compression == lzma || t.compression == zstandard) {
		n += 2 * int64(len(t.src))
	}
	return n
}

// bitsOf returns the beginning of a block, with its bits in order.
func (t *picture) bitsOf(data []uint8) []uint8 {
	data = data[:min(len(data), 64)]
	if t.reversed {
		data = newExpander(t).turn(data)
	}
	return data
}

// zstdNeed returns what the decoder takes for data that refer to window bytes.
func zstdNeed(window uint64) int64 {
	const tables, blocks = 800 << 10, 4 * 128 << 10
	return int64(min(window, mostWindow)+min(window, 1<<20)) + blocks + tables
}

// innerNeed returns what the largest of the blocks takes that are files, and their memory.
func (t *picture) innerNeed(bounds codec.Bounds) int64 {
	most, long := int64(0), 0
	var file []uint8
	for i := range t.planes() * t.across * t.down {
		data, fail := t.block(i)
		if fail != nil {
			continue
		}
		if t.compression == jpeg {
			file = t.jpegFile(file[:0], data)
			data = file
		}
		long = max(long, len(data))
		n := t.inner.Need(data, bounds)
		bytes := n.Bytes
		if n.Width != t.width || t.planar { // not decoded to where the pixels are
			bytes += 4 * int64(n.Width) * int64(n.Height)
		}
		most = max(most, bytes)
	}
	if t.compression == jpeg {
		most += 2 * int64(long) // it grows
	}
	return most
}
