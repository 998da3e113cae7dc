package preprocess

import (
	"bytes"
	"errors"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	turbo "github.com/batchscore/batchscore/models/preprocess/jpeg"
)

type backend struct {
	name string
	opt  Options
}

// backends are the JPEG decoders that are tested: libjpeg-turbo, image/jpeg, and nvImageCodec
// on the CPU if it is there, which TestDeviceIsTested requires of CI.
var backends = func() []backend {
	list := []backend{{name: "turbo", opt: Options{}}, {name: "portable", opt: Options{ForcePortable: true}}}
	if _, _, err := turbo.Device(turbo.DeviceCPU); err == nil {
		list = append(list, backend{name: "nvimgcodec", opt: Options{JPEG: turbo.DeviceCPU}})
	}
	return list
}()

// TestFault17_Statuses tests that what is not an image, or not a whole one, has one stable
// status, the same with all JPEG decoders.
func TestFault17_Statuses(t *testing.T) {
	jpg := readFixture(t, "jpeg-420.jpg")
	png := readFixture(t, "png-rgb.png")
	webp := readFixture(t, "webp-lossy.webp")
	gif := readFixture(t, "gif.gif")
	tif := readFixture(t, "tiff-raw.tif")
	bmp := readFixture(t, "bmp-24.bmp")
	with := func(b []byte, at int, to ...byte) []byte {
		b = bytes.Clone(b)
		copy(b[at:], to)
		return b
	}
	sof := bytes.Index(jpg, []byte{0xff, 0xc0})
	sos := bytes.Index(jpg, []byte{0xff, 0xda})
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "zero bytes", src: nil, want: codec.StatusEmpty},
		{name: "one byte", src: []byte{0xff}, want: codec.StatusTruncated},
		{name: "HTML", src: []byte("<!DOCTYPE html><html><body>404</body></html>"), want: codec.StatusNotImage},
		{name: "text that begins with BM", src: []byte("BMW is a maker of cars and of motorcycles"), want: codec.StatusNotImage},
		{name: "zeros", src: make([]byte, 4096), want: codec.StatusNotImage},
		{name: "JPEG XR", src: []byte("II\xbc\x01\x20\x00\x00\x00"), want: codec.StatusUnsupported},
		{name: "garbage after the end", src: append(bytes.Clone(jpg), "<html>\xff\xd8\xff\xda garbage"...), want: codec.StatusOK},
		{name: "garbage after a PNG", src: append(bytes.Clone(png), "garbage"...), want: codec.StatusOK},
		{name: "garbage between segments", src: append(append(bytes.Clone(jpg[:sos]), "garbage"...), jpg[sos:]...), want: codec.StatusOK},
		{name: "only signature", src: []byte("\xff\xd8\xff"), want: codec.StatusTruncated},
		{name: "no end marker", src: jpg[:len(jpg)-2], want: codec.StatusOK}, // it has every pixel
		{name: "no end marker, and a byte less", src: jpg[:len(jpg)-3], want: codec.StatusTruncated},
		{name: "no data", src: append(bytes.Clone(jpg[:sos]), 0xff, 0xd9), want: codec.StatusCorrupt},
		{name: "data cut out before the end", src: append(bytes.Clone(jpg[:(sos+len(jpg))/2]), 0xff, 0xd9), want: codec.StatusCorrupt},
		{name: "12 bits a sample", src: with(jpg, sof+4, 12), want: codec.StatusUnsupported},
		{name: "lossless process", src: with(jpg, sof+1, 0xc3), want: codec.StatusUnsupported},
		{name: "height after the data", src: with(jpg, sof+5, 0, 0), want: codec.StatusUnsupported},
		{name: "zero width", src: with(jpg, sof+7, 0, 0), want: codec.StatusCorrupt},
		{name: "two components", src: with(jpg, sof+9, 2), want: codec.StatusUnsupported},
		{name: "missing Huffman table", src: with(jpg, sos+6, 0x33), want: codec.StatusCorrupt},
		{name: "PNG cut", src: png[:len(png)/2], want: codec.StatusTruncated},
		{name: "PNG with a bad checksum", src: with(png, 29, 1, 2, 3, 4), want: codec.StatusCorrupt},
		{name: "WebP cut", src: webp[:len(webp)/2], want: codec.StatusTruncated},
		{name: "WebP with a bad frame", src: with(webp, 23, 1, 2, 3), want: codec.StatusCorrupt},
		{name: "GIF cut", src: gif[:len(gif)/2], want: codec.StatusTruncated},
		{name: "TIFF cut", src: tif[:len(tif)/2], want: codec.StatusTruncated},
		{name: "BMP cut", src: bmp[:len(bmp)/2], want: codec.StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			for _, b := range backends {
				d := newDecoder(t, smallSpec, b.opt)
				first := decodeInto(t, d, c.src)
				wantStatus(t, first, c.want)
				if again := decodeInto(t, d, c.src); status(t, again) != status(t, first) {
					t.Errorf("%s: %v at first, then %v", b.name, first, again)
				}
			}
		})
	}
}

// TestFault17_Truncation cuts a JPEG at every byte. Both decoders must find it truncated,
// unless only the end marker is missing.
func TestFault17_Truncation(t *testing.T) {
	requireTurbo(t)
	for _, file := range []string{"jpeg-420.jpg", "jpeg-progressive.jpg", "jpeg-restart.jpg", "exif-6.jpg"} {
		t.Run(file, func(t *testing.T) {
			src := readFixture(t, file)
			fast := newDecoder(t, smallSpec, Options{})
			slow := newDecoder(t, smallSpec, Options{ForcePortable: true})
			for n := 1; n < len(src); n++ {
				// Copy, so that a read past the end is one past the allocation.
				cut := bytes.Clone(src[:n])
				a, b := decodeInto(t, fast, cut), decodeInto(t, slow, cut)
				want := codec.StatusTruncated
				if n >= len(src)-2 {
					want = codec.StatusOK
				}
				if status(t, a) != want || status(t, b) != want {
					t.Fatalf("cut at %d of %d: %v; %v", n, len(src), a, b)
				}
			}
		})
	}
}

// TestFault17_CutData removes a piece of the coded data and keeps the end. The picture has a
// hole, about which libjpeg only warns, and must not be ok.
func TestFault17_CutData(t *testing.T) {
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			src := readFixture(t, "jpeg-444.jpg")
			sos := bytes.Index(src, []byte{0xff, 0xda})
			d := newDecoder(t, smallSpec, b.opt)
			for keep := sos + 20; keep < len(src)-200; keep += 37 {
				err := decodeInto(t, d, append(bytes.Clone(src[:keep]), 0xff, 0xd9))
				if s := status(t, err); s != codec.StatusCorrupt && s != codec.StatusTruncated {
					t.Fatalf("data ends at %d of %d: %v", keep, len(src), err)
				}
			}
		})
	}
}

// TestFault17_OtherFormats cuts files of the other formats at every third byte. One that is ok
// must have all of its pixels.
func TestFault17_OtherFormats(t *testing.T) {
	for _, file := range []string{"png-rgb.png", "webp-lossy.webp", "webp-lossless.webp", "gif.gif", "bmp-24.bmp", "tiff-lzw.tif"} {
		t.Run(file, func(t *testing.T) {
			src := readFixture(t, file)
			d := newDecoder(t, smallSpec, Options{})
			whole := make([]byte, smallSpec.RowBytes())
			if err := d.Decode(whole, src); err != nil {
				t.Fatal(err)
			}
			row := make([]byte, len(whole))
			for n := 0; n < len(src); n += 3 {
				err := d.Decode(row, bytes.Clone(src[:n]))
				switch s := status(t, err); s {
				case codec.StatusOK:
					if !bytes.Equal(row, whole) {
						t.Fatalf("cut at %d of %d: ok, with other pixels", n, len(src))
					}
				case codec.StatusTruncated, codec.StatusCorrupt, codec.StatusEmpty, codec.StatusNotImage:
				default:
					t.Fatalf("cut at %d of %d: %v", n, len(src), err)
				}
			}
		})
	}
}

// TestFault17_OwnReason tests that the reason is that of the image which failed, though
// libjpeg-turbo keeps reasons by thread and goroutines change threads.
func TestFault17_OwnReason(t *testing.T) {
	requireTurbo(t)
	jpg := readFixture(t, "jpeg-420.jpg")
	sos := bytes.Index(jpg, []byte{0xff, 0xda})
	unsupported := flatJPEG(24, 8, 0x31, 0x21, 0x11) // two of three columns: refused in libjpeg's words
	corrupt := bytes.Clone(jpg)
	corrupt[sos+6] = 0x33
	var wg sync.WaitGroup
	for i := range 8 {
		src, want := unsupported, codec.StatusUnsupported
		if i%2 == 0 {
			src, want = corrupt, codec.StatusCorrupt
		}
		wg.Go(func() {
			d, err := NewDecoder(smallSpec, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			row, first := make([]byte, smallSpec.RowBytes()), ""
			for range 500 {
				err := d.Decode(row, src)
				if first == "" && err != nil {
					first = err.Error()
				}
				if f := (*codec.Failure)(nil); !errors.As(err, &f) || f.Status != want || f.Error() != first {
					t.Errorf("%v, want %s as at first", err, first)
					return
				}
				runtime.Gosched()
			}
		})
	}
	wg.Wait()
}

func TestDecodeMisuse(t *testing.T) {
	d, err := NewDecoder(smallSpec, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if err := d.Decode(make([]byte, 5), nil); err == nil || !strings.Contains(err.Error(), "5 bytes") {
		t.Errorf("short row: %v, want an error that names its 5 bytes", err)
	}
	d.Close()
	d.Close()
	if err := d.Decode(make([]byte, smallSpec.RowBytes()), nil); err == nil || !strings.Contains(err.Error(), "Close") {
		t.Errorf("after Close: %v, want an error that says so", err)
	}
}
