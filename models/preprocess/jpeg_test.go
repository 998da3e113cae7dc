package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
	"unsafe"
)

// Markers of JPEG; the byte after 0xff.
const (
	mTEM   = 0x01
	mSOF0  = 0xc0
	mDHT   = 0xc4
	mJPG   = 0xc8
	mRST0  = 0xd0
	mSOI   = 0xd8
	mEOI   = 0xd9
	mSOS   = 0xda
	mDQT   = 0xdb
	mDRI   = 0xdd
	mDHP   = 0xde
	mAPP14 = 0xee
)

// jpegKinds are small JPEGs of each kind that decoders treat differently.
var jpegKinds = []string{"jpeg-420.jpg", "jpeg-progressive.jpg", "jpeg-grey.jpg", "jpeg-restart.jpg", "jpeg-cmyk.jpg", "jpeg-444.jpg"}

// A mutation damages an image.
type mutation struct {
	name string
	edit func(rnd *rand.Rand, b []byte) []byte
}

var mutations = []mutation{
	{name: "one byte overwritten", edit: func(rnd *rand.Rand, b []byte) []byte {
		b[2+rnd.IntN(len(b)-2)] = byte(rnd.Uint32())
		return b
	}},
	{name: "64 bytes overwritten", edit: overwrite(64)},
	{name: "512 bytes overwritten", edit: overwrite(512)},
	{name: "cut", edit: func(rnd *rand.Rand, b []byte) []byte { return b[:2+rnd.IntN(len(b)-2)] }},
	{name: "cut, with an end", edit: func(rnd *rand.Rand, b []byte) []byte {
		return append(b[:2+rnd.IntN(len(b)-2)], 0xff, mEOI)
	}},
	{name: "junk before the scan", edit: func(rnd *rand.Rand, b []byte) []byte {
		at := scanStart(b)
		return insert(b, at, junk(rnd, 8))
	}},
	{name: "junk before the scan, and cut", edit: func(rnd *rand.Rand, b []byte) []byte {
		at := scanStart(b)
		b = insert(b, at, junk(rnd, 8))
		return append(b[:at+30+rnd.IntN(len(b)-at-30)], 0xff, mEOI)
	}},
	{name: "a marker inserted", edit: func(rnd *rand.Rand, b []byte) []byte {
		return insert(b, 2+rnd.IntN(len(b)-2), []byte{0xff, byte(rnd.Uint32())})
	}},
	{name: "a table lost", edit: func(rnd *rand.Rand, b []byte) []byte {
		return withoutSegment(b, []byte{mDHT, mDQT, mDRI, mAPP14}[rnd.IntN(4)])
	}},
}

func overwrite(n int) func(rnd *rand.Rand, b []byte) []byte {
	return func(rnd *rand.Rand, b []byte) []byte {
		n := min(n, len(b)/2)
		copy(b[2+rnd.IntN(len(b)-n-2):], junk(rnd, n))
		return b
	}
}

func junk(rnd *rand.Rand, n int) []byte {
	b := make([]byte, n)
	for i := range b {
		b[i] = byte(rnd.Uint32())
	}
	return b
}

func insert(b []byte, at int, what []byte) []byte {
	return append(append(bytes.Clone(b[:at]), what...), b[at:]...)
}

func scanStart(b []byte) int { return bytes.Index(b, []byte{0xff, mSOS}) }

// withoutSegment removes the first segment with this marker.
func withoutSegment(b []byte, marker byte) []byte {
	for at := 2; at+4 <= len(b) && b[at] == 0xff && b[at+1] != mSOS; {
		end := at + 2 + int(binary.BigEndian.Uint16(b[at+2:]))
		if b[at+1] == marker {
			return append(bytes.Clone(b[:at]), b[end:]...)
		}
		at = end
	}
	return b
}

// A verdict is all that a decoder says about an image.
type verdict struct {
	failure string
	row     string
}

// decideOn decodes src into a row that was not zero.
func decideOn(tb testing.TB, d *Decoder, src []byte) verdict {
	tb.Helper()
	row := bytes.Repeat([]byte{0xaa}, d.spec.RowBytes())
	v := verdict{}
	if err := d.Decode(row, src); err != nil {
		status(tb, err)
		v.failure = err.Error()
	}
	v.row = string(row)
	return v
}

// poison overwrites the pixels of the last image. If they show in a row, some of its pixels
// were not decoded from its image.
func (d *Decoder) poison(with byte) {
	if d.canvas.pixels.size > 0 {
		px := unsafe.Slice((*byte)(d.canvas.pixels.pointer()), d.canvas.pixels.size)
		for i := range px {
			px[i] = with
		}
	}
}

// checkCompany decodes every image alone, then twice after the others, in several orders, by
// several decoders and over memory of several colours. All verdicts must be the same. It
// returns them.
func checkCompany(t *testing.T, opt Options, images [][]byte, decoders int) []verdict {
	t.Helper()
	alone := make([]verdict, len(images))
	for i, src := range images {
		d, err := NewDecoder(smallSpec, opt)
		if err != nil {
			t.Fatal(err)
		}
		alone[i] = decideOn(t, d, src)
		d.Close()
	}
	done := make(chan string, decoders)
	for k := range decoders {
		go func() {
			d, err := NewDecoder(smallSpec, opt)
			if err != nil {
				done <- err.Error()
				return
			}
			defer d.Close()
			rnd := rand.New(rand.NewPCG(uint64(k), 34))
			for range 2 {
				for _, i := range rnd.Perm(len(images)) {
					d.poison(byte(rnd.Uint32()))
					if v := decideOn(t, d, images[i]); v != alone[i] {
						done <- fmt.Sprintf("image %d: after others %q, want %q as alone; the same row %t: %x",
							i, v.failure, alone[i].failure, v.row == alone[i].row, images[i])
						return
					}
				}
			}
			done <- ""
		}()
	}
	for range decoders {
		if why := <-done; why != "" {
			t.Error(why)
		}
	}
	return alone
}

// flatJPEG returns a grey picture of width x height pixels, whose components have these
// sampling factors, in one scan. Every block is the same few bits.
func flatJPEG(width, height int, sampling ...byte) []byte {
	b := []byte{0xff, mSOI, 0xff, mDQT, 0, 67, 0}
	b = append(b, bytes.Repeat([]byte{1}, 64)...)
	n := byte(len(sampling))
	b = append(b, 0xff, mSOF0, 0, 8+3*n, 8, byte(height>>8), byte(height), byte(width>>8), byte(width), n)
	scan := []byte{0xff, mSOS, 0, 6 + 2*n, n}
	maxH, maxV, blocks := 1, 1, 0
	for i, hv := range sampling {
		b = append(b, byte(i+1), hv, 0)
		scan = append(scan, byte(i+1), 0)
		maxH, maxV = max(maxH, int(hv>>4)), max(maxV, int(hv&15))
		blocks += int(hv>>4) * int(hv&15)
	}
	b = append(append(b, scan...), 0, 63, 0)
	blocks *= ((width + 8*maxH - 1) / (8 * maxH)) * ((height + 8*maxV - 1) / (8 * maxV))
	// No difference, and no more coefficients: 00 1010 in the standard's tables.
	bits := strings.Repeat("001010", blocks)
	for bits += strings.Repeat("1", 7); len(bits) >= 8; bits = bits[8:] {
		v, err := strconv.ParseUint(bits[:8], 2, 8)
		if err != nil {
			panic(err)
		}
		b = append(b, byte(v))
	}
	return append(b, 0xff, mEOI)
}
