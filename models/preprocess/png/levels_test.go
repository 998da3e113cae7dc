package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"image"
	"image/color"
	"image/png"
	"math"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

type darkCanvas struct {
	codectest.StripSink
	dark bool
}

func (c *darkCanvas) Dark() { c.dark = true }

// TestBright tests that a picture of large values is not said to look black, and an interlaced one of low
// values is, whole and in strips.
func TestBright(t *testing.T) {
	for _, interlaced := range []bool{false, true} {
		for _, high := range []byte{10, 63, 64, 255} {
			src := flat16(40, 30, interlaced, high)
			var whole, strips darkCanvas
			if fail, err := (decoder{}).Decode(src, codectest.Bounds, &whole); fail != nil || err != nil {
				t.Fatal(fail, err)
			}
			if fail, err := (decoder{}).DecodeStrips(src, codectest.Bounds, &strips); fail != nil || err != nil {
				t.Fatal(fail, err)
			}
			if want := high < 64; whole.dark != want || strips.dark != want {
				t.Errorf("interlaced %t, %d: dark %t, and %t in strips, want %t", interlaced, high, whole.dark, strips.dark, want)
			}
		}
	}
}

// flat16 is a grey PNG of 16 bits whose samples have that upper byte.
func flat16(width, height int, interlaced bool, high byte) []byte {
	var raw []byte
	pass := func(w, h int) {
		for range h {
			raw = append(append(raw, 0), bytes.Repeat([]byte{high, 0}, w)...)
		}
	}
	method := byte(0)
	if interlaced {
		method = 1
		for _, p := range [][4]int{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}} {
			pass((width-p[0]+p[2]-1)/p[2], (height-p[1]+p[3]-1)/p[3])
		}
	} else {
		pass(width, height)
	}
	var packed bytes.Buffer
	z := zlib.NewWriter(&packed)
	_, _ = z.Write(raw) // to memory
	_ = z.Close()
	header := binary.BigEndian.AppendUint32(binary.BigEndian.AppendUint32(nil, uint32(width)), uint32(height))
	src := append([]byte("\x89PNG\r\n\x1a\n"), codectest.PNGChunk("IHDR", append(header, 16, 0, 0, 0, method))...)
	return append(append(src, codectest.PNGChunk("IDAT", packed.Bytes())...), codectest.PNGChunk("IEND", nil)...)
}

// TestLevels tests that a range of values becomes all levels, and that a picture of low values is said
// to look black without one.
func TestLevels(t *testing.T) {
	const low, high = 100, 4000
	deep := image.NewNRGBA64(image.Rect(0, 0, 50, 70))
	grey := image.NewGray16(deep.Rect)
	plain := image.NewNRGBA(deep.Rect)
	for i := 0; i < len(deep.Pix); i += 2 {
		binary.BigEndian.PutUint16(deep.Pix[i:], uint16(i*37%5000))
	}
	for i := range 50 * 70 {
		grey.SetGray16(i%50, i/50, color.Gray16{Y: uint16(i * 31 % 5000)})
	}
	for _, c := range []struct {
		name   string
		img    image.Image
		sample func(x, y, c int) int // of 16 bits
	}{
		{name: "RGB", img: deep, sample: func(x, y, c int) int { return int(binary.BigEndian.Uint16(deep.Pix[8*(50*y+x)+2*c:])) }},
		{name: "grey", img: grey, sample: func(x, y, _ int) int { return int(grey.Gray16At(x, y).Y) }},
		{name: "8 bits", img: plain},
	} {
		t.Run(c.name, func(t *testing.T) {
			var b bytes.Buffer
			if err := png.Encode(&b, c.img); err != nil {
				t.Fatal(err)
			}
			ranged := codectest.New(t, Format, codec.Config{ValueRange: []float64{low, high}})
			got := codectest.WantStrips(t, ranged, b.Bytes()).RGB()
			for i, v := range got {
				want := 0.0
				if c.sample != nil {
					want = min(max(math.Floor(float64(c.sample(i/3%50, i/3/50, i%3)-low)/(high-low)*255+0.5), 0), 255)
				}
				if float64(v) != want {
					t.Fatalf("byte %d is %d, want %v", i, v, want)
				}
			}
			// Of what one range makes dark, nothing is said either: it was asked for.
			darker := codectest.New(t, Format, codec.Config{ValueRange: []float64{0, 60000}})
			for i, d := range []codec.Decoder{ranged, decoder{}, darker} {
				want := i == 1 && c.sample != nil
				var whole, strips darkCanvas
				if fail, err := d.Decode(b.Bytes(), codectest.Bounds, &whole); fail != nil || err != nil {
					t.Fatal(fail, err)
				}
				if fail, err := d.(codec.Striper).DecodeStrips(b.Bytes(), codectest.Bounds, &strips); fail != nil || err != nil {
					t.Fatal(fail, err)
				}
				if whole.dark != want || strips.dark != want {
					t.Errorf("dark: %t, and %t in strips, want %t", whole.dark, strips.dark, want)
				}
			}
		})
	}
}
