package preprocess

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"hash/crc32"
	"image"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

func chunkOf(kind string, body []byte) []byte {
	b := binary.BigEndian.AppendUint32(nil, uint32(len(body)))
	b = append(append(b, kind...), body...)
	return binary.BigEndian.AppendUint32(b, crc32.ChecksumIEEE(b[4:]))
}

func headerOf(w, h uint32) []byte {
	body := binary.BigEndian.AppendUint32(nil, w)
	body = append(binary.BigEndian.AppendUint32(body, h), 8, 2, 0, 0, 0)
	return append([]byte(pngSignature), chunkOf("IHDR", body)...)
}

func bmpOf(w, h int32) []byte {
	b := []byte("BM\x00\x00\x00\x00\x00\x00\x00\x00\x36\x00\x00\x00\x28\x00\x00\x00")
	b = binary.LittleEndian.AppendUint32(b, uint32(w))
	b = binary.LittleEndian.AppendUint32(b, uint32(h))
	return append(b, 1, 0, 24, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)
}

// tiffOf has entries of tag, type, count and value.
func tiffOf(entries ...[4]uint32) []byte {
	b := []byte("II*\x00\x08\x00\x00\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(len(entries)))
	for _, e := range entries {
		b = binary.LittleEndian.AppendUint16(b, uint16(e[0]))
		b = binary.LittleEndian.AppendUint16(b, uint16(e[1]))
		b = binary.LittleEndian.AppendUint32(b, e[2])
		b = binary.LittleEndian.AppendUint32(b, e[3])
	}
	return append(b, 0, 0, 0, 0)
}

// scans repeats the last scan of a JPEG until it has n more.
func scans(src []byte, n int) []byte {
	last := bytes.LastIndex(src, []byte{0xff, 0xda})
	scan := src[last : len(src)-2]
	return append(append(bytes.Clone(src[:last]), bytes.Repeat(scan, n)...), 0xff, 0xd9)
}

// TestFault18_Bombs: claims beyond the bounds are refused before memory is
// taken for them.
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
	claim := binary.BigEndian.AppendUint32(headerOf(10, 10), 0xffffffff)
	claim = append(claim, "IDAT...."...)
	longClaim := binary.BigEndian.AppendUint32(headerOf(10, 10), 0x7fffffff)
	longClaim = append(longClaim, "IDAT...."...)
	const width, height, bits, compression, photometric, offsets, samples, rowsPerStrip, counts = 256, 257, 258, 259, 262, 273, 277, 278, 279
	tiff := func(w, h uint32, more ...[4]uint32) []byte {
		return tiffOf(append([][4]uint32{{width, 4, 1, w}, {height, 4, 1, h}, {bits, 3, 1, 8}, {compression, 3, 1, 1},
			{photometric, 3, 1, 1}}, more...)...)
	}
	for _, c := range []struct {
		name string
		src  []byte
		want Status
	}{
		{name: "JPEG of 65535x65535", src: huge, want: StatusTooLarge},
		{name: "JPEG of 8192x8192 in 2 kB", src: large, want: StatusCorrupt},
		{name: "progressive JPEG of 10,000 scans", src: scans(readFixture(t, "jpeg-progressive.jpg"), 10_000), want: StatusTooLarge},
		{name: "PNG of 65535x65535", src: append(headerOf(65535, 65535), chunkOf("IEND", nil)...), want: StatusTooLarge},
		{name: "PNG of one long row", src: append(headerOf(80_000_000, 1), chunkOf("IEND", nil)...), want: StatusTooLarge},
		{name: "PNG of 2^31-1 squared", src: headerOf(1<<31-1, 1<<31-1), want: StatusTooLarge},
		{name: "PNG of 2^32-1 squared", src: headerOf(1<<32-1, 1<<32-1), want: StatusCorrupt},
		{name: "PNG chunk claims 4 GiB", src: claim, want: StatusCorrupt},
		{name: "PNG chunk claims 2 GiB", src: longClaim, want: StatusTruncated},
		{name: "GIF of 65535x65535", src: hugeGIF, want: StatusTooLarge},
		{name: "WebP of 16383x16383", src: hugeWebP, want: StatusTooLarge},
		{name: "BMP of 65535x65535", src: bmpOf(65535, 65535), want: StatusTooLarge},
		{name: "BMP of 9000x9000 in 54 bytes", src: bmpOf(9000, 9000), want: StatusTruncated},
		{name: "BMP of negative width", src: bmpOf(-5, 5), want: StatusUnsupported},
		{name: "TIFF of 65535x65535", src: tiff(65535, 65535, [4]uint32{offsets, 4, 1, 8}, [4]uint32{counts, 4, 1, 8}), want: StatusTooLarge},
		{name: "TIFF of 2^32-1 squared", src: tiff(1<<32-1, 1<<32-1, [4]uint32{offsets, 4, 1, 8}, [4]uint32{counts, 4, 1, 8}), want: StatusTooLarge},
		{name: "TIFF tag of 2^32-1 values", src: tiff(10, 10, [4]uint32{offsets, 4, 1<<32 - 1, 8}, [4]uint32{counts, 4, 1, 8}), want: StatusCorrupt},
		{name: "TIFF strip of 4 GiB", src: tiff(10, 10, [4]uint32{offsets, 4, 1, 8}, [4]uint32{samples, 3, 1, 1},
			[4]uint32{rowsPerStrip, 4, 1, 10}, [4]uint32{counts, 4, 1, 1<<32 - 1}), want: StatusCorrupt},
		{name: "TIFF directory of 65535 entries", src: []byte("II*\x00\x08\x00\x00\x00\xff\xff\x12\x01"), want: StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range backends {
				d := newDecoder(t, smallSpec, b.opt)
				var before, after runtime.MemStats
				runtime.ReadMemStats(&before)
				wantStatus(t, decodeInto(t, d, c.src), c.want)
				runtime.ReadMemStats(&after)
				took := int(after.TotalAlloc-before.TotalAlloc) + d.pixels.size + d.work.size
				if most := 8<<20 + 4*len(c.src); took > most {
					t.Errorf("%s: took %d bytes, want at most %d", b.name, took, most)
				}
			}
		})
	}
}

// TestFault18_Options: each bound is exact.
func TestFault18_Options(t *testing.T) {
	progressive := readFixture(t, "jpeg-progressive.jpg")
	h, fail := walkJPEG(progressive, Options{MaxPixels: 1 << 20, MaxScans: 100})
	if fail != nil || h.scans < 2 {
		t.Fatal(h.scans, fail)
	}
	for _, file := range []string{"jpeg-progressive.jpg", "png-rgb.png", "webp-lossy.webp", "gif.gif", "bmp-24.bmp", "tiff-raw.tif"} {
		src := readFixture(t, file)
		wantStatus(t, decodeSmall(t, src, Options{MaxPixels: 41 * 31}), StatusOK)
		wantStatus(t, decodeSmall(t, src, Options{MaxPixels: 41*31 - 1}), StatusTooLarge)
		wantStatus(t, decodeSmall(t, src, Options{MaxBytes: int64(len(src))}), StatusOK)
		wantStatus(t, decodeSmall(t, src, Options{MaxBytes: int64(len(src)) - 1}), StatusTooLarge)
	}
	wantStatus(t, decodeSmall(t, progressive, Options{MaxScans: h.scans}), StatusOK)
	wantStatus(t, decodeSmall(t, progressive, Options{MaxScans: h.scans - 1}), StatusTooLarge)
	// Few scans, and more work together than the largest image may ask for.
	more := scans(progressive, scanWork+1-h.scans+1)
	wantStatus(t, decodeSmall(t, more, Options{MaxPixels: 41 * 31}), StatusTooLarge)
	if _, err := NewDecoder(smallSpec, Options{MaxPixels: -1}); err == nil {
		t.Error("a negative bound was taken")
	}
}

// TestFault18_MemoryShrinks: one unusually large image does not leave its
// memory behind.
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
	if d.pixels.size != 0 {
		t.Errorf("%d bytes kept after an image of 20 megapixels", d.pixels.size)
	}
	decode(medium)
	if d.pixels.size < 2000*1000*4 {
		t.Errorf("%d bytes kept after an image of 2 megapixels: not reused", d.pixels.size)
	}
	for range 2 * bufferWindow {
		decode(small)
	}
	if d.pixels.size > 1<<20 {
		t.Errorf("%d bytes kept after %d small images", d.pixels.size, 2*bufferWindow)
	}
}

// TestFault18_GIFFrame: a frame may not exceed what the header declared.
func TestFault18_GIFFrame(t *testing.T) {
	src := bytes.Clone(readFixture(t, "gif.gif"))
	frame := bytes.IndexByte(src[13+3*(1<<(src[10]&7+1)):], 0x2c) + 13 + 3*(1<<(src[10]&7+1))
	copy(src[frame+5:], "\xff\xff\xff\xff")
	if s := status(t, decodeSmall(t, src, Options{})); s != StatusCorrupt {
		t.Errorf("status %s", s)
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

// TestFault18_ManyPieces: what costs little in the file costs little to read.
func TestFault18_ManyPieces(t *testing.T) {
	opt, err := Options{}.withDefaults()
	if err != nil {
		t.Fatal(err)
	}
	t.Run("EXIF", func(t *testing.T) {
		const pieces = 10_000
		jpg := readFixture(t, "jpeg-420.jpg")
		piece := append([]byte{0xff, mAPP1, 0, 9}, "Exif\x00\x00x"...)
		src := bytes.Join([][]byte{jpg[:2], bytes.Repeat(piece, pieces), jpg[2:]}, nil)
		n := testing.AllocsPerRun(1, func() {
			if _, fail := walkJPEG(src, opt); fail != nil {
				t.Fatal(fail)
			}
		})
		if n > 100 {
			t.Errorf("%v allocations for %d segments", n, pieces)
		}
	})
	t.Run("text", func(t *testing.T) {
		const most = 64 // chunks of the largest size, of which Pillow reads no more
		long := bytes.Repeat([]byte{' '}, 1<<20)
		turned := []byte(`<x:xmpmeta tiff:Orientation="6"/>`)
		text := func(b []byte) []byte {
			return chunkOf("zTXt", append([]byte(keyXMP+"\x00\x00"), deflate(t, b)...))
		}
		for _, c := range []struct {
			name  string
			texts int
			want  orientation
		}{{name: "within", texts: most, want: 6}, {name: "beyond", texts: most + 1, want: 1}} {
			t.Run(c.name, func(t *testing.T) {
				src := append(headerOf(8, 8), bytes.Repeat(text(long), c.texts)...)
				src = append(append(append(src, text(turned)...), chunkOf("IDAT", nil)...), chunkOf("IEND", nil)...)
				if o, fail := walkPNG(src, opt); fail != nil || o != c.want {
					t.Errorf("orientation %v, %v, want %v", o, fail, c.want)
				}
			})
		}
	})
	t.Run("fax", func(t *testing.T) {
		const width = 8
		// White and black runs of no pixels: 18 bits each pair.
		bits := strings.Repeat("00110101"+"0000110111", 4*1000)
		data := make([]byte, len(bits)/8)
		for i := range data {
			n, err := strconv.ParseUint(bits[8*i:][:8], 2, 8)
			if err != nil {
				t.Fatal(err)
			}
			data[i] = byte(n)
		}
		f := faxDecoder{data: data, width: width, order: tiffGroup3}
		if _, err := f.decode(make([]byte, 1), 1, 1); !errors.Is(err, errFaxRuns) {
			t.Errorf("%v, want %v", err, errFaxRuns)
		}
		if n := cap(f.ends); n > 8*width {
			t.Errorf("room for %d runs in a row of %d pixels", n, width)
		}
	})
}
