package tiff

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// An alphaCanvas wants alpha.
type alphaCanvas struct {
	*codectest.Canvas
	asked bool
}

func (c *alphaCanvas) Alpha() bool {
	c.asked = true
	return true
}

// TestAlpha tests that a canvas that wants alpha gets the sample after the colour, and the same
// colours as others.
func TestAlpha(t *testing.T) {
	d, err := withInner(false).New(codec.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	seen := 0
	for _, c := range tiffCases(t) {
		if c.Status != "" {
			continue
		}
		plain, fail := codectest.DecodeWith(t, d, codectest.Bounds, c.file)
		if fail != nil {
			t.Fatal(c.Name, fail)
		}
		got := &alphaCanvas{Canvas: &codectest.Canvas{}}
		if fail, err := d.Decode(c.file, codectest.Bounds, got); fail != nil || err != nil {
			t.Fatal(c.Name, fail, err)
		}
		if string(plain.RGB()) != string(got.RGB()) {
			t.Errorf("%s: other colours with alpha", c.Name)
		}
		kind, _, _ := strings.Cut(c.Name, "-")
		switch kind {
		case "rgbA", "rgba", "rgb16A", "rgb16a", "greyA", "greya", "paletteA", "rgbAX", "rgbaX", "rgbCorel", "rgbNone", "rgb16None":
			seen++
			if !got.asked {
				t.Errorf("%s: no alpha", c.Name)
				continue
			}
			dir, _ := readDirectory(c.file)
			p := &picture{directory: dir}
			first := p.at(p.list(tagStripOffsets), 0)
			if p.has(tagTileOffsets) {
				first = p.at(p.list(tagTileOffsets), 0)
			}
			// The alpha of the first pixel, where it is stored as it is.
			if p.one(tagCompression, 1) == uncompressed && p.one(tagPlanarConfiguration, 1) == 1 && p.one(tagFillOrder, 1) == 1 {
				colours := map[byte]uint64{'r': 3, 'g': 1, 'p': 1}[kind[0]]
				at := first + colours
				if strings.Contains(kind, "16") {
					if at = first + 2*colours; p.order.String() == "LittleEndian" {
						at++
					}
				}
				if want := c.file[at]; got.Row(0)[3] != want {
					t.Errorf("%s: alpha %d, want %d", c.Name, got.Row(0)[3], want)
				}
			}
		case "rgb", "black8", "palette8", "rgbX", "greyX", "cmyk":
			if got.asked {
				t.Errorf("%s: alpha, though there is none", c.Name)
			}
		}
	}
	if seen < 50 {
		t.Errorf("%d cases with alpha, want at least 50", seen)
	}
}
