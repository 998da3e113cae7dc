package tiff

import (
	"encoding/binary"
	"fmt"
	"math"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// A bandsTIFF is a picture of samples from 0 to about most, in rows of one strip or in planes.
type bandsTIFF struct {
	width, height, samples, bits int
	kind, photometric, planar    uint32
}

func (b bandsTIFF) sample(x, y, band int) float64 {
	v := float64((x*97 + y*1013 + band*2777) % 10000)
	if b.kind == float {
		return v / 10000
	}
	return math.Mod(v, float64(int(1)<<min(b.bits, 30)))
}

func (b bandsTIFF) file() []byte {
	var pixels, list []byte
	put := func(v float64) {
		switch {
		case b.kind == float:
			pixels = binary.LittleEndian.AppendUint32(pixels, math.Float32bits(float32(v)))
		case b.bits == 8:
			pixels = append(pixels, uint8(v))
		case b.bits == 16:
			pixels = binary.LittleEndian.AppendUint16(pixels, uint16(v))
		default:
			pixels = binary.LittleEndian.AppendUint32(pixels, uint32(v))
		}
	}
	planes, per := 1, b.samples
	if b.planar == 2 {
		planes, per = b.samples, 1
	}
	for p := range planes {
		for y := range b.height {
			for x := range b.width {
				for c := range per {
					put(b.sample(x, y, p+c))
				}
			}
		}
	}
	const entries = 12
	at := uint32(8 + 2 + 12*entries + 4)
	plane := uint32(len(pixels) / planes)
	for p := range planes {
		list = binary.LittleEndian.AppendUint32(list, at+uint32(8*planes)+uint32(p)*plane)
	}
	for range planes {
		list = binary.LittleEndian.AppendUint32(list, plane)
	}
	offset, count := at, at+uint32(4*planes)
	if planes == 1 {
		offset, count = at+8, plane
	}
	n := uint32(planes)
	src := codectest.TIFF([][4]uint32{{256, 4, 1, uint32(b.width)}, {257, 4, 1, uint32(b.height)}, {258, 3, 1, uint32(b.bits)}, {259, 3, 1, 1},
		{262, 3, 1, b.photometric}, {273, 4, n, offset}, {277, 3, 1, uint32(b.samples)}, {278, 4, 1, uint32(b.height)}, {279, 4, n, count},
		{284, 3, 1, max(b.planar, 1)}, {339, 3, 1, max(b.kind, 1)}, {305, 3, 1, 0}}...)
	return append(append(src, list...), pixels...)
}

// TestStretch tests that chosen samples are the colours, and that a range of values becomes all levels,
// in the whole picture and in strips.
func TestStretch(t *testing.T) {
	satellite := bandsTIFF{width: 33, height: 70, samples: 4, bits: 16, photometric: blackIsZero}
	planes, real, wide, bytes, white := satellite, satellite, satellite, satellite, satellite
	planes.planar = 2
	real.bits, real.kind = 32, float
	wide.bits = 32
	bytes.bits = 8
	white.samples, white.photometric = 1, whiteIsZero
	for _, c := range []struct {
		name      string
		picture   bandsTIFF
		low, high float64
		bands     []int
		want      [3]int  // the samples of the colours
		shift     float64 // what a sample is divided by, without a range
	}{
		{name: "a range of grey", picture: satellite, low: 0, high: 10000, want: [3]int{0, 0, 0}},
		{name: "bands", picture: satellite, bands: []int{4, 3, 2}, want: [3]int{3, 2, 1}, shift: 256},
		{name: "both", picture: satellite, low: 500, high: 3000, bands: []int{4, 3, 2}, want: [3]int{3, 2, 1}},
		{name: "one band", picture: satellite, low: 500, high: 3000, bands: []int{4}, want: [3]int{3, 3, 3}},
		{name: "planes", picture: planes, low: 500, high: 3000, bands: []int{4, 1, 2}, want: [3]int{3, 0, 1}},
		{name: "real numbers", picture: real, low: 0, high: 0.5, bands: []int{2, 3, 4}, want: [3]int{1, 2, 3}},
		{name: "32 bits", picture: wide, low: -100, high: 9000, bands: []int{2, 3, 4}, want: [3]int{1, 2, 3}},
		{name: "32 bits by the largest", picture: wide, bands: []int{2, 3, 4}, want: [3]int{1, 2, 3}, shift: 256},
		{name: "8 bits have no range", picture: bytes, low: 0, high: 10, bands: []int{3, 2, 1}, want: [3]int{2, 1, 0}, shift: 1},
		{name: "white is zero", picture: white, low: 0, high: 10000, want: [3]int{0, 0, 0}},
	} {
		t.Run(c.name, func(t *testing.T) {
			config := codec.Config{Bands: c.bands}
			if c.high != 0 {
				config.ValueRange = []float64{c.low, c.high}
			}
			d := codectest.New(t, Format, config)
			src := c.picture.file()
			got, fail := codectest.DecodeWith(t, d, codectest.Bounds, src)
			if fail != nil {
				t.Fatal(fail)
			}
			pixels := got.RGB()
			for i := range pixels {
				x, y := i/3%c.picture.width, i/3/c.picture.width
				v := c.picture.sample(x, y, c.want[i%3])
				want := math.Floor(v / c.shift)
				if c.shift == 0 {
					want = min(max(math.Floor((v-c.low)/(c.high-c.low)*255+0.5), 0), 255)
				}
				if math.Abs(float64(pixels[i])-want) > 0 && !(c.shift == 0 && math.Abs(float64(pixels[i])-want) == 1 && c.picture.kind == float) {
					t.Fatalf("pixel %d, %d: colour %d is %d, want %v", x, y, i%3, pixels[i], want)
				}
			}
			codectest.WantStrips(t, d, src)
		})
	}
	// The numbers of a row, 8 bytes for each, are memory that Need must know.
	plain, ranged := codectest.New(t, Format, codec.Config{}), codectest.New(t, Format, codec.Config{ValueRange: []float64{0, 10000}})
	least := plain.Need(satellite.file(), codectest.Bounds).Bytes + 8*int64(satellite.width)
	if got := ranged.Need(satellite.file(), codectest.Bounds).Bytes; got < least {
		t.Errorf("a range needs %d bytes, want %d or more", got, least)
	}
	codectest.WantStatus(t, codec.Format{Name: "TIFF", New: func(c codec.Config) (codec.Decoder, error) {
		c.Bands = []int{5, 3, 2}
		return Format.New(c)
	}}, satellite.file(), codec.StatusUnsupported)
}

// A darkCanvas notes what it is told.
type darkCanvas struct {
	codectest.StripSink
	dark bool
}

func (c *darkCanvas) Dark() { c.dark = true }

// TestDark tests which pictures are said to look black, whole and in strips.
func TestDark(t *testing.T) {
	for _, c := range []struct {
		bits        int
		kind        uint32
		photometric uint32
		limits      []float64
		want        bool
	}{
		{bits: 16, photometric: blackIsZero, want: true},
		{bits: 16, photometric: rgb, want: true},
		{bits: 16, photometric: rgb, limits: []float64{0, 10000}},
		{bits: 16, photometric: whiteIsZero},
		{bits: 8, photometric: rgb},
		{bits: 16, kind: signed, photometric: rgb},
		{bits: 32, photometric: rgb},
		{bits: 32, kind: float, photometric: rgb},
	} {
		t.Run(fmt.Sprint(c), func(t *testing.T) {
			src := bandsTIFF{width: 50, height: 40, samples: 3, bits: c.bits, kind: c.kind, photometric: c.photometric}.file()
			d := codectest.New(t, Format, codec.Config{ValueRange: c.limits})
			var whole, strips darkCanvas
			if fail, err := d.Decode(src, codectest.Bounds, &whole); fail != nil || err != nil {
				t.Fatal(fail, err)
			}
			if fail, err := d.(codec.Striper).DecodeStrips(src, codectest.Bounds, &strips); fail != nil || err != nil {
				t.Fatal(fail, err)
			}
			if whole.dark != c.want || strips.dark != c.want {
				t.Errorf("dark: %t, and %t in strips, want %t", whole.dark, strips.dark, c.want)
			}
		})
	}
}
