package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"image"
	"runtime"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

func bmpOf(w, h int32) []byte {
	b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, uint32(w))
	b = binary.LittleEndian.AppendUint32(b, uint32(h))
	return append(b, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// scans returns a JPEG whose last scan is there n times.
func scans(src []byte, n int) []byte {
	last := bytes.LastIndex(src, []byte{0xff, 0xda})
	scan := src[last : len(src)-2]
	return append(append(bytes.Clone(src[:last]), bytes.Repeat(scan, n)...), 0xff, 0xd9)
}

// TestFault18_Bombs tests that claims beyond the bounds are refused before memory is taken
// for them.
func TestFault18_Bombs(t *testing.T) {
	jpg := readFixture(t, "jpeg-420.jpg")
	huge := bytes.Clone(jpg)
	sof := bytes.Index(huge, []byte{0xff, 0xc0})
	copy(huge[sof+5:], "\xff\xff\xff\xff")
	large := bytes.Clone(jpg) // below the bound, with next to no data
	copy(large[sof+5:], "\x20\x00\x20\x00")
	hugeGIF := bytes.Clone(readFixture(t, "gif.gif"))
	copy(hugeGIF[6:], "\xff\xff\xff\xff")
	hugeWebP := bytes.Clone(readFixture(t, "webp-lossy.webp"))
	copy(hugeWebP[26:], "\xff\x3f\xff\x3f")
	claim := binary.BigEndian.AppendUint32(codectest.PNGHeader(10, 10), 0xffffffff)
	claim = append(claim, "IDAT...."...)
	longClaim := binary.BigEndian.AppendUint32(codectest.PNGHeader(10, 10), 0x7fffffff)
	longClaim = append(longClaim, "IDAT...."...)
	const width, height, bits, compression, photometric, offsets, samples, rowsPerStrip, counts = 256, 257, 258, 259, 262, 273, 277, 278, 279
	tiff := func(w, h uint32, more ...[4]uint32) []byte {
		return codectest.TIFF(append([][4]uint32{{width, 4, 1, w}, {height, 4, 1, h}, {bits, 3, 1, 8}, {compression, 3, 1, 1},
			{photometric, 3, 1, 1}}, more...)...)
	}
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "JPEG of 65535x65535", src: huge, want: codec.StatusTooLarge},
		{name: "JPEG of 8192x8192 in 2 kB", src: large, want: codec.StatusCorrupt},
		{name: "progressive JPEG of 10,000 scans", src: scans(readFixture(t, "jpeg-progressive.jpg"), 10_000), want: codec.StatusTooLarge},
		{name: "PNG of 65535x65535", src: append(codectest.PNGHeader(65535, 65535), codectest.PNGChunk("IEND", nil)...), want: codec.StatusTooLarge},
		{name: "PNG of one long row", src: append(codectest.PNGHeader(80_000_000, 1), codectest.PNGChunk("IEND", nil)...), want: codec.StatusTooLarge},
		{name: "PNG of 2^31-1 squared", src: codectest.PNGHeader(1<<31-1, 1<<31-1), want: codec.StatusTooLarge},
		{name: "PNG of 2^32-1 squared", src: codectest.PNGHeader(1<<32-1, 1<<32-1), want: codec.StatusCorrupt},
		{name: "PNG chunk claims 4 GiB", src: claim, want: codec.StatusCorrupt},
		{name: "PNG chunk claims 2 GiB", src: longClaim, want: codec.StatusTruncated},
		{name: "GIF of 65535x65535", src: hugeGIF, want: codec.StatusTooLarge},
		{name: "WebP of 16383x16383", src: hugeWebP, want: codec.StatusTooLarge},
		{name: "BMP of 65535x65535", src: bmpOf(65535, 65535), want: codec.StatusTooLarge},
		{name: "BMP of 9000x9000 in 54 bytes", src: bmpOf(9000, 9000), want: codec.StatusTruncated},
		{name: "BMP of negative width", src: bmpOf(-5, 5), want: codec.StatusUnsupported},
		{name: "TIFF of 65535x65535", src: tiff(65535, 65535, [4]uint32{offsets, 4, 1, 8}, [4]uint32{counts, 4, 1, 8}), want: codec.StatusTooLarge},
		{name: "TIFF of 2^32-1 squared", src: tiff(1<<32-1, 1<<32-1, [4]uint32{offsets, 4, 1, 8}, [4]uint32{counts, 4, 1, 8}), want: codec.StatusTooLarge},
		{name: "TIFF tag of 2^32-1 values", src: tiff(10, 10, [4]uint32{offsets, 4, 1<<32 - 1, 8}, [4]uint32{counts, 4, 1, 8}), want: codec.StatusCorrupt},
		{name: "TIFF strip of 4 GiB", src: tiff(10, 10, [4]uint32{offsets, 4, 1, 8}, [4]uint32{samples, 3, 1, 1},
			[4]uint32{rowsPerStrip, 4, 1, 10}, [4]uint32{counts, 4, 1, 1<<32 - 1}), want: codec.StatusCorrupt},
		{name: "TIFF directory of 65535 entries", src: []byte("II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"), want: codec.StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range backends {
				d := newDecoder(t, smallSpec, b.opt)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				wantStatus(t, decodeInto(t, d, c.src), c.want)
				runtime.ReadMemStats(&after)
				took := int(after.TotalAlloc-before.TotalAlloc) + d.canvas.pixels.size + d.canvas.work.size
				if most := 8<<20 + 4*len(c.src); took > most {
					t.Errorf("%s: took %d bytes, want at most %d", b.name, took, most)
				}
			}
		})
	}
}

// TestFault18_Options tests that each bound is exact.
func TestFault18_Options(t *testing.T) {
	progressive := readFixture(t, "jpeg-progressive.jpg")
	n := bytes.Count(progressive, []byte{0xff, mSOS})
	if n < 2 {
		t.Fatalf("the progressive fixture has %d scans, want several", n)
	}
	for _, file := range []string{"jpeg-progressive.jpg", "png-rgb.png", "webp-lossy.webp", "gif.gif", "bmp-24.bmp", "tiff-raw.tif"} {
		src := readFixture(t, file)
		wantStatus(t, decodeSmall(t, src, Options{MaxPixels: 41 * 31}), codec.StatusOK)
		wantStatus(t, decodeSmall(t, src, Options{MaxPixels: 41*31 - 1}), codec.StatusTooLarge)
		wantStatus(t, decodeSmall(t, src, Options{MaxBytes: int64(len(src))}), codec.StatusOK)
		wantStatus(t, decodeSmall(t, src, Options{MaxBytes: int64(len(src)) - 1}), codec.StatusTooLarge)
	}
	wantStatus(t, decodeSmall(t, progressive, Options{MaxScans: n}), codec.StatusOK)
	wantStatus(t, decodeSmall(t, progressive, Options{MaxScans: n - 1}), codec.StatusTooLarge)
	// Few scans, and more work together than the largest image may ask for.
	more := scans(progressive, codec.MaxPasses+1-n+1)
	wantStatus(t, decodeSmall(t, more, Options{MaxPixels: 41 * 31}), codec.StatusTooLarge)
	if _, err := NewDecoder(smallSpec, Options{MaxPixels: -1}); err == nil {
		t.Error("NewDecoder accepted a negative bound")
	}
}

// TestFault18_MemoryShrinks tests that the memory of one unusually large image is freed.
func TestFault18_MemoryShrinks(t *testing.T) {
	requireTurbo(t)
	d := newDecoder(t, smallSpec, Options{})
	small := readFixture(t, "jpeg-420.jpg")
	medium := encodeJPEG(t, image.NewGray(image.Rect(0, 0, 2000, 1000)), 60)
	huge := encodeJPEG(t, image.NewGray(image.Rect(0, 0, 5000, 4000)), 60)
	row := make([]byte, smallSpec.RowBytes())
	decode := func(src []byte) {
		t.Helper()
		if err := d.Decode(row, src); err != nil {
			t.Fatal(err)
		}
	}
	decode(small)
	decode(huge)
	if d.canvas.pixels.size != 0 {
		t.Errorf("%d bytes kept after an image of 20 megapixels, want none", d.canvas.pixels.size)
	}
	decode(medium)
	if d.canvas.pixels.size < 2000*1000*4 {
		t.Errorf("%d bytes kept after an image of 2 megapixels: not reused", d.canvas.pixels.size)
	}
	for range 2 * bufferWindow {
		decode(small)
	}
	if d.canvas.pixels.size > 1<<20 {
		t.Errorf("%d bytes kept after %d small images, want at most 1 MiB", d.canvas.pixels.size, 2*bufferWindow)
	}
}

func ExampleFailure() {
	d, err := NewDecoder(Spec{Width: 8, Height: 8, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}, Options{})
	if err != nil {
		panic(err)
	}
	defer d.Close()
	fmt.Println(d.Decode(make([]byte, 8*8*3), []byte("<html>")))
	// Output: not_image: no image signature
}
