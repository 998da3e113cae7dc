package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"hash/crc32"
	"image/png"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// FuzzFile decodes any bytes, whose checksums are set right first: otherwise hardly one
// would be more than a wrong checksum.
func FuzzFile(f *testing.F) {
	for _, src := range codectest.Seeds(f, Format, "../testdata") {
		f.Add(src, true)
	}
	d := codectest.New(f, Format, codec.Config{})
	f.Fuzz(func(t *testing.T, src []byte, mend bool) {
		if mend {
			src = bytes.Clone(src)
			for at := len(signature); at+12 <= len(src); {
				n := int(min(binary.BigEndian.Uint32(src[at:]), uint32(len(src)-at-12)))
				binary.BigEndian.PutUint32(src[at+8+n:], crc32.ChecksumIEEE(src[at+4:at+8+n]))
				at += 12 + n
			}
		}
		_, _ = codectest.Hostile(t, Format, d, src)
	})
}

// FuzzPixels decodes any picture in a file that is whole, and compares it with image/png.
func FuzzPixels(f *testing.F) {
	for _, kind := range []uint8{0, 2, 3, 4, 6} {
		for _, depth := range []uint8{1, 2, 4, 8, 16} {
			f.Add(uint8(7), uint8(5), depth, kind, uint8(0), []byte("abcdef"), []byte{0, 1}, bytes.Repeat([]byte{1, 2, 3, 4, 0, 60}, 9))
			f.Add(uint8(9), uint8(9), depth, kind, uint8(1), []byte("abcdef"), []byte{}, bytes.Repeat([]byte{2, 3, 9, 5, 1, 99}, 40))
		}
	}
	d := codectest.New(f, Format, codec.Config{})
	f.Fuzz(func(t *testing.T, width, height, depth, kind, interlaced uint8, palette, transparent, rows []byte) {
		head := codectest.PNGHeader(uint32(width), uint32(height))[len(signature)+8:][:13:13]
		head[8], head[9], head[12] = depth, kind, interlaced
		parts := [][]byte{[]byte(signature), codectest.PNGChunk("IHDR", head)}
		if len(palette) > 0 {
			parts = append(parts, codectest.PNGChunk("PLTE", palette))
		}
		if len(transparent) > 0 {
			parts = append(parts, codectest.PNGChunk("tRNS", transparent))
		}
		var data bytes.Buffer
		z, err := zlib.NewWriterLevel(&data, zlib.NoCompression)
		if err != nil {
			t.Fatal(err)
		}
		_, _ = z.Write(rows) // to memory
		_ = z.Close()
		src := bytes.Join(append(parts, codectest.PNGChunk("IDAT", data.Bytes()), codectest.PNGChunk("IEND", nil)), nil)
		got, fail := codectest.Hostile(t, Format, d, src)
		want, err := png.Decode(bytes.NewReader(src))
		switch {
		case err != nil:
		case fail != nil:
			t.Errorf("%v, and image/png decodes it to %v", fail, want.Bounds())
		case !bytes.Equal(got.RGB(), codectest.RGB(want)):
			t.Error("other pixels than with image/png")
		}
	})
}
