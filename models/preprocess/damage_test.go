package preprocess

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"image"
	"math/rand/v2"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// TestFault34_Files decodes damaged files, after a picture of another colour and alone.
// testdata/damaged/README.md describes them.
func TestFault34_Files(t *testing.T) {
	red := image.NewNRGBA(image.Rect(0, 0, 64, 64))
	for i := range red.Pix {
		red.Pix[i] = []uint8{255, 0, 0, 255}[i%4]
	}
	before := encodeJPEG(t, red, 90)
	const short = "scan 1: the coded data end before the picture does"
	for _, c := range []struct {
		file, same string // same names the file with the same pixels
		want       codec.Status
		reason     string
	}{
		{file: "whole.jpg", same: "whole.jpg", want: codec.StatusOK, reason: ""},
		{file: "cut.jpg", same: "", want: codec.StatusCorrupt, reason: short},
		{file: "junk-and-cut.jpg", same: "", want: codec.StatusCorrupt, reason: short},
		{file: "reserved-marker.jpg", same: "", want: codec.StatusCorrupt, reason: short},
		{file: "no-end.jpg", same: "whole-smooth.jpg", want: codec.StatusOK, reason: ""},
		{file: "samsung-trailer.jpg", same: "whole-smooth.jpg", want: codec.StatusOK, reason: ""},
	} {
		for _, b := range backends {
			t.Run(c.file+"/"+b.name, func(t *testing.T) {
				src := readFixture(t, filepath.Join("damaged", c.file))
				alone := decideOn(t, newDecoder(t, smallSpec, b.opt), src)
				d := newDecoder(t, smallSpec, b.opt)
				wantStatus(t, decodeInto(t, d, before), codec.StatusOK)
				if v := decideOn(t, d, src); v != alone {
					t.Errorf("after a red picture %q, want %q as alone", v.failure, alone.failure)
				}
				err := decodeInto(t, d, src)
				wantStatus(t, err, c.want)
				if f := (*codec.Failure)(nil); errors.As(err, &f) && f.Reason != c.reason {
					t.Errorf("reason %q, want %q", f.Reason, c.reason)
				}
				if c.same != "" && alone != decideOn(t, d, readFixture(t, filepath.Join("damaged", c.same))) {
					t.Errorf("other pixels than %s", c.same)
				}
			})
		}
	}
}

// TestFault34_Mutations tests that every mutation of every kind has one verdict, whatever
// was decoded before, over any memory, and with any number of decoders. libjpeg-turbo
// accepts what image/jpeg accepts. The reverse, for damage that libjpeg does not see, is
// rare. What both refuse, they refuse in the same words. nvImageCodec has the verdicts of
// libjpeg-turbo.
func TestFault34_Mutations(t *testing.T) {
	each := 12
	if testing.Short() {
		each = 3
	}
	var images [][]byte
	rnd := rand.New(rand.NewPCG(34, 1))
	for _, kind := range jpegKinds {
		src := readFixture(t, kind)
		images = append(images, src)
		for _, m := range mutations {
			for range each {
				images = append(images, m.edit(rnd, bytes.Clone(src)))
			}
		}
	}
	verdicts := make([][]verdict, len(backends))
	for i, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			verdicts[i] = checkCompany(t, b.opt, images, 8)
		})
	}
	ok, only := 0, 0
	for i, turbo := range verdicts[0] {
		portable := verdicts[1][i]
		switch {
		case turbo.failure == "" && portable.failure == "":
			ok++
		case turbo.failure == "":
			only++
		case turbo.failure != portable.failure:
			t.Errorf("image %d: %q, and portable %q: %x", i, turbo.failure, portable.failure, images[i])
		}
	}
	for i, device := range verdicts[2:] {
		for k, v := range device {
			if v.failure != verdicts[0][k].failure {
				t.Errorf("image %d: %s %q, and libjpeg-turbo %q: %x", k, backends[2+i].name, v.failure, verdicts[0][k].failure, images[k])
			}
		}
	}
	t.Logf("%d of %d are ok, %d with libjpeg-turbo only", ok, len(images), only)
	if ok < len(jpegKinds) || ok > len(images)/2 || only > len(images)/20 {
		t.Errorf("%d of %d are ok, %d with libjpeg-turbo only", ok, len(images), only)
	}
}

// TestFault34_EveryRow tests that what libjpeg-turbo decodes without a warning covers every
// row and column of the memory.
func TestFault34_EveryRow(t *testing.T) {
	requireTurbo(t)
	for _, scaled := range []bool{false, true} {
		s := smallSpec
		s.ScaledDecode = scaled
		d := newDecoder(t, s, Options{})
		for _, size := range []image.Point{{1, 1}, {3, 2}, {17, 9}, {33, 100}, {100, 33}, {129, 257}} {
			src := encodeJPEG(t, codectest.Picture(size.X, size.Y, 1), 90)
			first := decideOn(t, d, src)
			for _, with := range []byte{0x00, 0xff} {
				d.poison(with)
				if v := decideOn(t, d, src); v != first {
					t.Errorf("%v, scaled %t: memory of 0x%02x shows", size, scaled, with)
				}
			}
		}
	}
}

// TestFault34_Tables tests that an image that lacks a table is not decoded with that of the
// image before. A frame of Motion JPEG, without Huffman tables, has the standard's.
func TestFault34_Tables(t *testing.T) {
	src := encodeJPEG(t, codectest.Picture(40, 30, 1), 75) // with the standard tables
	other := readFixture(t, "jpeg-444.jpg")
	progressive := readFixture(t, "jpeg-progressive.jpg")
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "no Huffman tables", src: withoutSegment(src, mDHT), want: codec.StatusOK},
		{name: "no quantisation table", src: withoutSegment(src, mDQT), want: codec.StatusCorrupt},
		{name: "progressive, a Huffman table less", src: withoutSegment(progressive, mDHT), want: codec.StatusCorrupt},
	} {
		for _, b := range backends {
			t.Run(c.name+"/"+b.name, func(t *testing.T) {
				d := newDecoder(t, smallSpec, b.opt)
				whole := decideOn(t, d, src)
				for _, before := range [][]byte{src, other, progressive} {
					decideOn(t, d, before)
					v := decideOn(t, d, c.src)
					if alone := decideOn(t, newDecoder(t, smallSpec, b.opt), c.src); v != alone {
						t.Errorf("after another image %q, want %q as alone", v.failure, alone.failure)
					}
					wantStatus(t, decodeInto(t, d, c.src), c.want)
					if c.want == codec.StatusOK && v != whole {
						t.Error("other pixels than with the tables")
					}
				}
			})
		}
	}
}

// TestFault34_Harmless tests that oddities of a whole picture change no pixel, whether
// libjpeg warns of them or not.
func TestFault34_Harmless(t *testing.T) {
	src := readFixture(t, "jpeg-420.jpg")
	sos, end := scanStart(src), len(src)-2
	edit := func(at int, to ...byte) []byte {
		b := bytes.Clone(src)
		copy(b[at:], to)
		return b
	}
	for _, c := range []struct {
		name string
		src  []byte
	}{
		{name: "junk before the scan", src: insert(src, sos, []byte("junk"))},
		{name: "fill before a marker", src: insert(src, sos, []byte{0xff, 0xff})},
		{name: "surplus zeros", src: insert(src, end, make([]byte, 100))},
		{name: "surplus byte", src: insert(src, end, []byte{0x55})},
		{name: "surplus text", src: insert(src, end, []byte("made by a camera"))},
		{name: "a restart marker behind the last", src: insert(src, end, []byte{0xff, mRST0})},
		{name: "a height behind the data", src: insert(src, end, []byte{0xff, 0xdc, 0, 4, 0, 31})},
		{name: "a comment behind the data", src: insert(src, end, []byte("\xff\xfe\x00\x05abc"))},
		{name: "a marker without a segment", src: insert(src, sos, []byte{0xff, mTEM})},
		{name: "a JFIF of the future", src: edit(bytes.Index(src, []byte("JFIF\x00"))+5, 7)},
		{name: "a scan's header of a progressive", src: edit(sos+11, 5, 6, 7)},
		{name: "an unknown transform", src: insert(src, 2, []byte("\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x09"))},
	} {
		for _, b := range backends {
			t.Run(c.name+"/"+b.name, func(t *testing.T) {
				d := newDecoder(t, smallSpec, b.opt)
				want := decideOn(t, d, src)
				if v := decideOn(t, d, c.src); v != want {
					t.Errorf("%q, or other pixels", v.failure)
				}
			})
		}
	}
}

// samsungTrailer returns what a Samsung camera appends, with one entry.
func samsungTrailer() []byte {
	const head = 24
	data := []byte("\x00\x00\x01\x0a\x0e\x00\x00\x00Image_UTC_Data1512345678901")
	b := append(bytes.Clone(data), "SEFH\x6b\x00\x00\x00\x01\x00\x00\x00\x00\x00\x01\x0a"...)
	for range 2 {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(data)))
	}
	return append(binary.LittleEndian.AppendUint32(b, head), "SEFT"...)
}

// TestFault34_NoEnd tests pictures without an end marker. One is ok if all its data are there
// and nothing that follows can be part of them. Otherwise it is truncated, always in the same
// words: before text, for example, if the last byte of the data might be a letter. What was
// appended to a cut picture never becomes pixels.
func TestFault34_NoEnd(t *testing.T) {
	rnd := rand.New(rand.NewPCG(34, 2))
	random := junk(rnd, 3000)
	for i := range random {
		if random[i] == 0xff {
			random[i] = 0xfe // not a marker
		}
	}
	behind := readFixture(t, "jpeg-grey.jpg")
	for _, trailer := range []struct {
		name   string
		b      []byte
		proven bool
	}{
		{name: "nothing", b: nil, proven: true},
		{name: "text", b: bytes.Repeat([]byte("This is not a pixel. "), 200), proven: true},
		{name: "zeros", b: make([]byte, 4096), proven: true},
		{name: "0xff", b: bytes.Repeat([]byte{0xff}, 4096), proven: true},
		{name: "Samsung's", b: samsungTrailer(), proven: true},
		{name: "a JPEG", b: behind, proven: true},
		{name: "random", b: random, proven: false},
		{name: "Samsung's, of another length", b: append([]byte{1, 2, 3}, samsungTrailer()...), proven: false},
	} {
		for _, kind := range jpegKinds {
			src := readFixture(t, kind)
			src = src[:len(src)-2]
			for _, b := range backends {
				t.Run(trailer.name+"/"+kind+"/"+b.name, func(t *testing.T) {
					d := newDecoder(t, smallSpec, b.opt)
					proven := trailer.proven && (trailer.name != "text" || !printable(src[len(src)-1]))
					v := decideOn(t, d, append(bytes.Clone(src), trailer.b...))
					const unproven = "truncated: what follows the coded data may be part of them, and the image has no end"
					switch {
					case !proven && v.failure != unproven:
						t.Errorf("%q, want %q", v.failure, unproven)
					case proven && v != decideOn(t, d, readFixture(t, kind)):
						t.Errorf("%q, or other pixels", v.failure)
					}
					for at := scanStart(src) + 20; at < len(src); at += step(len(src) - at) {
						err := decodeInto(t, d, append(bytes.Clone(src[:at]), trailer.b...))
						if s := status(t, err); s != codec.StatusTruncated && s != codec.StatusCorrupt || s == codec.StatusCorrupt && trailer.name != "a JPEG" {
							t.Fatalf("cut at %d of %d: %v", at, len(src), err)
						}
					}
				})
			}
		}
	}
}

// printable reports whether b is part of a text.
func printable(b byte) bool { return b >= ' ' && b <= '~' || b == '\n' || b == '\r' || b == '\t' }

// step returns the distance to the next cut: small near the end.
func step(left int) int {
	if left < 24 {
		return 1
	}
	return 17
}

// TestFault34_Markers tests that the meaning of a marker depends neither on the decoder nor
// on where the damage is.
func TestFault34_Markers(t *testing.T) {
	for _, c := range []struct {
		marker byte
		want   codec.Status
	}{
		{marker: 0x02, want: codec.StatusCorrupt},          // reserved
		{marker: 0xbf, want: codec.StatusCorrupt},          // reserved
		{marker: mJPG, want: codec.StatusUnsupported},      // of an extension
		{marker: 0xf7, want: codec.StatusUnsupported},      // JPEG-LS
		{marker: mDHP, want: codec.StatusUnsupported},      // hierarchical
		{marker: mAPP14 + 1, want: codec.StatusOK},         // an application's
		{marker: 0xfe, want: codec.StatusOK},               // a comment
		{marker: mSOI, want: codec.StatusCorrupt},          // a second start
		{marker: mSOF0 + 3, want: codec.StatusUnsupported}, // lossless
	} {
		for _, b := range backends {
			t.Run(fmt.Sprintf("0x%02x/%s", c.marker, b.name), func(t *testing.T) {
				src := insert(readFixture(t, "jpeg-420.jpg"), 2, []byte{0xff, c.marker, 0, 4, 0, 0})
				wantStatus(t, decodeSmall(t, src, b.opt), c.want)
			})
		}
	}
}

// TestFault34_Partial tests a progressive JPEG that ends in order before its last scans.
// libjpeg-turbo shows it as every viewer does. image/jpeg does not smooth it, so that it is
// unsupported without libjpeg-turbo. A JPEG that lost scans is corrupt.
func TestFault34_Partial(t *testing.T) {
	src := readFixture(t, "jpeg-progressive.jpg")
	last := bytes.LastIndex(src, []byte{0xff, mSOS})
	partial := append(bytes.Clone(src[:last]), 0xff, mEOI)
	requireTurbo(t)
	wantStatus(t, decodeSmall(t, partial, Options{}), codec.StatusOK)
	wantStatus(t, decodeSmall(t, partial, Options{ForcePortable: true}), codec.StatusUnsupported)
	lost := bytes.Clone(src)
	lost[last+1] = 0 // no longer a marker
	for _, b := range backends {
		wantStatus(t, decodeSmall(t, lost, b.opt), codec.StatusCorrupt)
		wantStatus(t, decodeSmall(t, partial[:len(partial)-2], b.opt), codec.StatusTruncated)
	}
}

// TestFault34_NoComponent tests that a component without coded data makes a picture corrupt,
// though libjpeg shows it as grey.
func TestFault34_NoComponent(t *testing.T) {
	grey := encodeJPEG(t, image.NewGray(image.Rect(0, 0, 40, 30)), 80)
	frame := bytes.Index(grey, []byte{0xff, mSOF0})
	three := insert(grey, frame+13, []byte{2, 0x11, 0, 3, 0x11, 0})
	three[frame+3] += 6
	three[frame+9] = 3
	for _, b := range backends {
		wantStatus(t, decodeSmall(t, grey, b.opt), codec.StatusOK)
		wantStatus(t, decodeSmall(t, three, b.opt), codec.StatusCorrupt)
	}
}

// TestFault34_Arithmetic tests arithmetically coded data, in which damage does not show. They
// are not whole if there is a second scan, or a first one without data.
func TestFault34_Arithmetic(t *testing.T) {
	requireTurbo(t)
	src := readFixture(t, "jpeg-arithmetic.jpg")
	scan, end := bytes.LastIndex(src, []byte{0xff, mSOS}), len(src)-2
	data := scan + 2 + int(binary.BigEndian.Uint16(src[scan+2:]))
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "whole", src: src, want: codec.StatusOK},
		{name: "with a comment behind", src: insert(src, end, []byte("\xff\xfe\x00\x04ab")), want: codec.StatusOK},
		{name: "cut, with another scan behind", src: append(bytes.Clone(src[:(data+end)/2]), src[scan:]...), want: codec.StatusCorrupt},
		{name: "two scans", src: append(bytes.Clone(src[:end]), src[scan:]...), want: codec.StatusCorrupt},
		{name: "two scan headers", src: append(bytes.Clone(src[:data]), src[scan:]...), want: codec.StatusCorrupt},
		{name: "cut, without an end", src: src[:end], want: codec.StatusTruncated},
	} {
		t.Run(c.name, func(t *testing.T) {
			wantStatus(t, decodeSmall(t, c.src, Options{}), c.want)
		})
	}
}

// TestFault34_ProgressiveRange tests that coefficients of a progressive image that are too
// large are corrupt: libjpeg-turbo and image/jpeg make different pixels of them.
func TestFault34_ProgressiveRange(t *testing.T) {
	src := readFixture(t, "jpeg-progressive.jpg")
	portable := Options{ForcePortable: true}
	wantStatus(t, decodeSmall(t, src, portable), codec.StatusOK)
	for _, c := range []struct {
		name    string
		from, n int // of the quantisation table
	}{{name: "first", from: 0, n: 1}, {name: "others", from: 1, n: 63}} {
		t.Run(c.name, func(t *testing.T) {
			b := bytes.Clone(src)
			table := bytes.Index(b, []byte{0xff, mDQT}) + 5
			for i := range c.n {
				b[table+c.from+i] = 255
			}
			wantStatus(t, decodeSmall(t, b, portable), codec.StatusCorrupt)
		})
	}
}
