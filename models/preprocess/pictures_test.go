package preprocess

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image"
	"image/color"
	"image/gif"
	"math/bits"
	"testing"

	"github.com/klauspost/compress/zstd"

	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// Pictures of any size whose pixels all have one value, so that they are small and soon
// decoded: what a decode takes is in their headers.

// deflated returns n zeros in zlib's format.
func deflated(tb testing.TB, n int) []byte {
	var b bytes.Buffer
	z := zlib.NewWriter(&b)
	zeros := make([]byte, 1<<16)
	for ; n > 0; n -= len(zeros) {
		if _, err := z.Write(zeros[:min(n, len(zeros))]); err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// flatPNG returns a PNG of depth bits a sample, with more chunks before its pixels.
func flatPNG(tb testing.TB, w, h int, depth, colour, interlace byte, more ...[]byte) []byte {
	body := binary.BigEndian.AppendUint32(nil, uint32(w))
	body = append(binary.BigEndian.AppendUint32(body, uint32(h)), depth, colour, 0, 0, interlace)
	parts := [][]byte{[]byte(codectest.PNGSignature), codectest.PNGChunk("IHDR", body), codectest.PNGChunk("PLTE", make([]byte, 6))}
	samples := []int{1, 0, 3, 1, 2, 0, 4}[colour]
	long := (w*samples*int(depth)+7)/8*h + 8*h + 8*w // the filters, and bytes of passes that are not full
	parts = append(append(parts, more...), codectest.PNGChunk("IDAT", deflated(tb, long)), codectest.PNGChunk("IEND", nil))
	return bytes.Join(parts, nil)
}

// codes returns numbers of width bits each, the highest bit first.
func codes(width int, values ...int) (b []byte) {
	acc, have := 0, 0
	for _, v := range values {
		acc = acc<<width | v
		for have += width; have >= 8; have -= 8 {
			b = append(b, byte(acc>>(have-8)))
			acc &= 1<<(have-8) - 1
		}
	}
	return append(b, byte(acc<<(8-have)))
}

// longLZW returns TIFF's LZW of n zeros or more, whose strings are as long as any.
func longLZW(n int) (b []byte) {
	acc, have, width := 0, 0, 9
	put := func(code int) {
		acc = acc<<width | code
		for have += width; have >= 8; have -= 8 {
			b = append(b, byte(acc>>(have-8)))
			acc &= 1<<(have-8) - 1
		}
	}
	for n > 0 {
		put(256)
		width = 9
		put(0)
		n--
		for next := 258; next < 4095; next++ {
			if next == 1<<width-1 && width < 12 {
				width++
			}
			put(next)
			n -= next - 256
		}
	}
	put(257)
	return append(b, byte(acc<<(8-have)), 0)
}

// flatTIFF returns a TIFF of one block: a strip, or a tile as large as the picture.
func flatTIFF(tb testing.TB, w, h, bits, samples, compression int, more ...[4]uint32) []byte {
	raw := (w*bits*samples + 7) / 8 * h
	var data []byte
	switch compression {
	case 1:
		data = make([]byte, raw)
	case 3: // white rows that begin with an end-of-line code
		row := []int{0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1}
		for n := w; ; n -= 2560 {
			if n < 64 {
				row = append(row, 0, 0, 1, 1, 0, 1, 0, 1) // a run of none, for a multiple of 2,560
				break
			}
			row = append(row, 0, 0, 0, 0, 0, 0, 0, 1, 1, 1, 1, 1)
		}
		var all []int
		for range h {
			all = append(all, row...)
		}
		data = codes(1, all...)
	case 4: // rows that are as the one above
		data = bytes.Repeat([]byte{0xff}, h/8+1)
	case 5:
		data = longLZW(raw)
	case 8:
		data = deflated(tb, raw)
	case 32773:
		data = bytes.Repeat([]byte{0x81, 0}, raw/128+1)
	case 34925:
		data = storedXZ(raw)
	case 50000:
		z, err := zstd.NewWriter(nil)
		if err != nil {
			tb.Fatal(err)
		}
		data = z.EncodeAll(make([]byte, raw), nil)
	}
	photometric := uint32(1)
	if samples >= 3 {
		photometric = 2
	}
	entries := [][4]uint32{{256, 4, 1, uint32(w)}, {257, 4, 1, uint32(h)}, {258, 3, 1, uint32(bits)}, {259, 3, 1, uint32(compression)},
		{262, 3, 1, photometric}, {277, 3, 1, uint32(samples)}, {278, 4, 1, uint32(h)}, {279, 4, 1, uint32(len(data))}}
	entries = append(entries, more...)
	if samples == 4 {
		entries = append(entries, [4]uint32{338, 3, 1, 2})
	}
	entries = append(entries, [4]uint32{273, 4, 1, uint32(8 + 2 + 12*(len(entries)+1) + 4)})
	return append(codectest.TIFF(entries...), data...)
}

// storedXZ returns an .xz stream of n zeros that are not compressed, with a dictionary of 8 MB.
func storedXZ(n int) []byte {
	b := []byte("\xfd7zXZ\x00\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, crc32.ChecksumIEEE(b[6:8]))
	block := []byte{2, 0, 0x21, 1, 22, 0, 0, 0}
	b = binary.LittleEndian.AppendUint32(append(b, block...), crc32.ChecksumIEEE(block))
	for control := byte(1); n > 0; control = 2 {
		m := min(n, 1<<16)
		b = append(append(b, control, byte((m-1)>>8), byte(m-1)), make([]byte, m)...)
		n -= m
	}
	return append(b, 0)
}

// holdTIFF returns a TIFF of YCbCr whose only block is a file.
func holdTIFF(w, h, compression int, file []byte, more ...[4]uint32) []byte {
	entries := append([][4]uint32{{256, 4, 1, uint32(w)}, {257, 4, 1, uint32(h)}, {258, 3, 1, 8}, {259, 3, 1, uint32(compression)},
		{262, 3, 1, 6}, {277, 3, 1, 3}, {278, 4, 1, uint32(h)}, {279, 4, 1, uint32(len(file))}}, more...)
	entries = append(entries, [4]uint32{273, 4, 1, uint32(8 + 2 + 12*(len(entries)+1) + 4)})
	return append(codectest.TIFF(entries...), file...)
}

// flatCoded returns a JPEG with a frame of this marker, and components of this sampling. Each
// scan has one component, or all of them if together is set. Every block is the code 0, or
// for a sequential frame two of them.
func flatCoded(w, h int, sof byte, together bool, ids string, sampling ...byte) []byte {
	n := byte(len(sampling))
	b := append([]byte{0xff, mSOI, 0xff, mDQT, 0, 67, 0}, bytes.Repeat([]byte{1}, 64)...)
	for _, class := range []byte{0x00, 0x10} {
		b = append(append(b, 0xff, mDHT, 0, 20, class, 1), make([]byte, 16)...)
	}
	b = append(b, 0xff, sof, 0, 8+3*n, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), n)
	maxH, maxV := 1, 1
	for i, hv := range sampling {
		b = append(b, ids[i], hv, 0)
		maxH, maxV = max(maxH, int(hv>>4)), max(maxV, int(hv&15))
	}
	up := func(a, b int) int { return (a + b - 1) / b }
	progressive, arithmetic := sof == 0xc2 || sof == 0xca, sof >= 0xc9
	scan := func(from, to byte, comps ...int) {
		b = append(b, 0xff, mSOS, 0, 6+2*byte(len(comps)), byte(len(comps)))
		blocks := 0
		for _, i := range comps {
			b = append(b, ids[i], 0)
			sh, sv := int(sampling[i]>>4), int(sampling[i]&15)
			if len(comps) > 1 {
				blocks += sh * sv * up(w, 8*maxH) * up(h, 8*maxV)
			} else {
				blocks += up(w*sh, 8*maxH) * up(h*sv, 8*maxV)
			}
		}
		b = append(b, from, to, 0)
		if !progressive {
			blocks *= 2
		}
		if arithmetic {
			blocks = 32
		}
		b = append(b, make([]byte, blocks/8)...)
		if blocks%8 > 0 {
			b = append(b, 0xff>>(blocks%8))
		}
	}
	last := byte(63)
	if progressive {
		last = 0
	}
	var all []int
	for i := range sampling {
		all = append(all, i)
	}
	if together {
		scan(0, last, all...)
	} else {
		for i := range all {
			scan(0, last, i)
		}
	}
	if progressive {
		for i := range all {
			scan(1, 63, i)
		}
	}
	return append(b, 0xff, mEOI)
}

// flatGIF returns a GIF of one frame.
func flatGIF(tb testing.TB, w, h int) []byte {
	var b bytes.Buffer
	if err := gif.Encode(&b, image.NewPaletted(image.Rect(0, 0, w, h), color.Palette{color.Black, color.White}), nil); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// flatBMP returns a BMP of these bits a pixel; with runs it is RLE8.
func flatBMP(w, h int, bits byte, runs bool) []byte {
	b := bmpOf(int32(w), int32(h))
	b[28] = bits
	if !runs {
		return append(b, make([]byte, (w*int(bits)+31)/32*4*h+1024)...)
	}
	b[30] = 1
	b = append(b, make([]byte, 1024)...)
	binary.LittleEndian.PutUint32(b[10:], uint32(len(b)))
	row := append(bytes.Repeat([]byte{255, 0}, w/255), byte(w%255), 0, 0, 0)
	return append(b, bytes.Repeat(row, h)...)
}

// bits puts numbers to bytes, the lowest bit first.
type bitWriter struct {
	b   []byte
	acc uint64
	n   int
}

func (w *bitWriter) put(v uint64, n int) {
	for w.acc, w.n = w.acc|v<<w.n, w.n+n; w.n >= 8; w.n -= 8 {
		w.b = append(w.b, byte(w.acc))
		w.acc >>= 8
	}
}

// flatVP8L returns lossless pixels: of one value, or looked up in a palette of 16. Without
// a header they are those of alpha.
func flatVP8L(w, h int, palette, header bool) []byte {
	b := &bitWriter{}
	if header {
		b.put(0x2f, 8)
		b.put(uint64(w-1), 14)
		b.put(uint64(h-1), 14)
		b.put(0, 4)
	}
	trees := func() {
		for range 5 {
			b.put(0b0001, 4) // simple, of one symbol of one bit
			b.put(0, 0)
		}
	}
	if palette {
		b.put(1, 1)
		b.put(3, 2)  // a palette
		b.put(15, 8) // of 16, two to a byte
		b.put(0, 1)  // no cache
		trees()
	}
	b.put(0, 1) // no transform more
	b.put(0, 1) // no cache
	b.put(0, 1) // one group
	trees()
	b.put(0, 32)
	return b.b
}

// groupedVP8L returns lossless pixels of one value, in tiles of 4x4 that use n groups of codes,
// each of as many symbols as possible without a cache.
func groupedVP8L(w, h, n int) []byte {
	b := &bitWriter{}
	b.put(0x2f, 8)
	b.put(uint64(w-1), 14)
	b.put(uint64(h-1), 14)
	b.put(0, 4)
	one := func() { b.put(0b0001, 4) } // a tree of one symbol
	full := func() {                   // of 256 symbols of 8 bits
		b.put(0, 1)
		b.put(12-4, 4)     // lengths of codes of lengths, of which
		b.put(1<<33, 3*12) // only the last is used, 8
		b.put(1|3<<1, 4)   // that many bits of
		b.put(256-2, 8)    // the number of lengths
	}
	b.put(0, 1) // no transform
	b.put(0, 1) // no cache
	b.put(1, 1) // groups for
	b.put(0, 3) // tiles of 4x4
	b.put(0, 1) // no cache
	full()
	full()
	one()
	one()
	one()
	for i := range (w + 3) / 4 * ((h + 3) / 4) {
		b.put(uint64(bits.Reverse8(uint8(i%n))), 8)
		b.put(uint64(bits.Reverse8(uint8(i%n>>8))), 8)
	}
	for range n {
		full()
		full()
		full()
		full()
		one()
	}
	for range w*h + 1 {
		b.put(0, 32)
	}
	return b.b
}

// webpChunk returns a chunk with its padding.
func webpChunk(kind string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body)))
	return append(append(b, body...), make([]byte, len(body)&1)...)
}

func webpFile(chunks ...[]byte) []byte {
	body := bytes.Join(chunks, nil)
	return append(append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(body))), "WEBP"...), body...)
}

// flatVP8 returns a frame of lossy pixels.
func flatVP8(w, h int) []byte {
	const first = 1 << 14
	b := []byte{0x10, 0, 0, 0x9d, 0x01, 0x2a, byte(w), byte(w >> 8), byte(h), byte(h >> 8)}
	head := 0x10 | first<<5 // a key frame that is shown
	b[0], b[1], b[2] = byte(head), byte(head>>8), byte(head>>16)
	return append(b, make([]byte, first+1<<16)...)
}

// webpHead returns the chunk before the parts of a picture with these flags.
func webpHead(flags byte, w, h int) []byte {
	w, h = w-1, h-1
	return webpChunk("VP8X", []byte{flags, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
}
