package preprocess

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/png"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// rowsOf are Tiles that keep the tensor rows of one image.
type rowsOf struct {
	size int
	rows map[Tile][]byte
	fail error // of the third tile
}

func (*rowsOf) Numbers() int               { return 2 }
func (r *rowsOf) NewTally() (Tally, error) { return r, nil }
func (r *rowsOf) Begin()                   { r.rows = map[Tile][]byte{} }

func (r *rowsOf) Row(_ context.Context, at Tile) ([]byte, error) {
	if len(r.rows) == 2 && r.fail != nil {
		return nil, r.fail
	}
	r.rows[at] = make([]byte, r.size)
	return r.rows[at], nil
}

func (r *rowsOf) End(_ context.Context, numbers []float32) (Tile, error) {
	numbers[0], numbers[1] = 1.5, float32(len(r.rows))
	return Tile{1, 2, 3, 4}, nil
}

// storedTIFF returns a picture as a TIFF of one strip that is turned upright by o.
func storedTIFF(img *image.NRGBA, o codec.Orientation) []byte {
	w, h := uint32(img.Rect.Dx()), uint32(img.Rect.Dy())
	entries := [][4]uint32{{256, 4, 1, w}, {257, 4, 1, h}, {258, 3, 1, 8}, {259, 3, 1, 1}, {262, 3, 1, 2}, {274, 3, 1, uint32(o)}, {277, 3, 1, 3},
		{278, 4, 1, h}, {279, 4, 1, 3 * w * h}}
	entries = append(entries, [4]uint32{273, 4, 1, uint32(8 + 2 + 12*(len(entries)+1) + 4)})
	b := codectest.TIFF(entries...)
	for i := 0; i < len(img.Pix); i += 4 {
		b = append(b, img.Pix[i:i+3]...)
	}
	return b
}

// storedPPM returns a picture as a PPM.
func storedPPM(img *image.NRGBA) []byte {
	b := fmt.Appendf(nil, "P6 %d %d 255\n", img.Rect.Dx(), img.Rect.Dy())
	for i := 0; i < len(img.Pix); i += 4 {
		b = append(b, img.Pix[i:i+3]...)
	}
	return b
}

func encodePNG(tb testing.TB, img image.Image) []byte {
	tb.Helper()
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

// opaque returns the image without transparency.
func opaque(img *image.NRGBA) *image.NRGBA {
	for i := 3; i < len(img.Pix); i += 4 {
		img.Pix[i] = 255
	}
	return img
}

// TestTiles tests with every orientation, of a picture in strips and of a whole one, that the tiles
// cover the upright picture as they should, and that each is prepared as its pixels alone are.
func TestTiles(t *testing.T) {
	fitted := Spec{Width: 9, Height: 7, Layout: CHW, DType: Float32, Resize: PillowBicubic, Fit: Letterbox, Scale: 0.5, Pad: []float32{9, 8, 7}}
	views := Spec{Width: 8, Height: 8, Layout: HWC, DType: Uint8, Resize: OpenCVLinear, Fit: CenterCrop, ResizeTo: 10, Augment: FiveCrop}
	for _, c := range []struct {
		name    string
		spec    Spec
		w, h    int
		overlap float32
		across  []int // where the tiles begin with a side of 30
		down    []int
	}{
		{name: "apart", spec: fitted, w: 100, h: 150, across: []int{0, 30, 60, 70}, down: []int{0, 30, 60, 90, 120}},
		{name: "overlapping", spec: fitted, w: 100, h: 150, overlap: 0.5, across: []int{0, 15, 30, 45, 60, 70},
			down: []int{0, 15, 30, 45, 60, 75, 90, 105, 120}},
		{name: "views", spec: views, w: 100, h: 150, overlap: 0.3, across: []int{0, 21, 42, 63, 70}, down: []int{0, 21, 42, 63, 84, 105, 120}},
		{name: "a narrow picture", spec: views, w: 100, h: 12, across: []int{0, 30, 60, 70}, down: []int{0}},
		{name: "a picture of one tile", spec: fitted, w: 30, h: 30, across: []int{0}, down: []int{0}},
		{name: "a picture smaller than a tile", spec: fitted, w: 20, h: 29, across: []int{0}, down: []int{0}},
	} {
		spec := c.spec
		spec.Tile, spec.TileOverlap, spec.TileRule = 30, c.overlap, TileMean
		upright := opaque(noise(c.w, c.h, 5))
		alone := newDecoder(t, spec.OfTile(), Options{})
		for o := codec.Orientation(0); o <= 9; o++ {
			src := storedPPM(upright) // a whole picture
			switch {
			case o == 9:
				src = encodePNG(t, upright)
			case o > 0:
				back := o // the stored picture is the upright one turned the other way
				if o == 6 {
					back = 8
				} else if o == 8 {
					back = 6
				}
				src = storedTIFF(turnUpright(upright, back), o)
			}
			to := &rowsOf{size: spec.OfTile().RowBytes()}
			d := newDecoder(t, spec, Options{Tiles: to})
			height := c.h // stored
			if o >= 5 && o <= 8 {
				height = c.w
			}
			f, _ := d.find(src)
			if _, striper := d.tiler.need(f, d.codecs[f.format].Need(f.src, d.bounds)); (striper != nil) != (o > 0 && height >= 100) {
				t.Errorf("%s, orientation %d: in strips %t", c.name, o, striper != nil)
			}
			row := make([]byte, 8)
			if err := d.Decode(row, src); err != nil {
				t.Fatalf("%s, orientation %d: %v", c.name, o, err)
			}
			want := map[Tile]bool{}
			for _, y := range c.down {
				for _, x := range c.across {
					at := Tile{x, y, min(30, c.w), min(30, c.h)}
					want[at] = true
					crop := upright.SubImage(image.Rect(at.X, at.Y, at.X+at.Width, at.Y+at.Height))
					own := make([]byte, alone.spec.RowBytes())
					if err := alone.Decode(own, encodePNG(t, crop)); err != nil {
						t.Fatal(err)
					}
					if got := to.rows[at]; !bytes.Equal(got, own) {
						t.Errorf("%s, orientation %d: tile %v (there: %t) has other pixels than alone", c.name, o, at, got != nil)
					}
				}
			}
			if len(to.rows) != len(want) {
				t.Errorf("%s, orientation %d: %d tiles, want %d", c.name, o, len(to.rows), len(want))
			}
			if NumberAt(row, 0) != 1.5 || NumberAt(row, 1) != float32(len(want)) {
				t.Errorf("%s: the row has %v and %v", c.name, NumberAt(row, 0), NumberAt(row, 1))
			}
			if p := d.Placement(); p.Tile != (Tile{1, 2, 3, 4}) || p.Width != c.w || p.Height != c.h {
				t.Errorf("%s, orientation %d: placement %+v", c.name, o, p)
			}
		}
	}
}

// TestTilesAlpha tests that transparent pixels of tiles are blended over the background.
func TestTilesAlpha(t *testing.T) {
	spec := sizedSpec(6, 6)
	spec.Background = []int{10, 200, 30}
	img := noise(12, 6, 3)
	to := &rowsOf{size: spec.RowBytes()}
	tiled := spec
	tiled.Tile, tiled.TileRule = 6, TileMax
	if err := newDecoder(t, tiled, Options{Tiles: to}).Decode(make([]byte, 8), encodePNG(t, img)); err != nil {
		t.Fatal(err)
	}
	for at, got := range to.rows {
		crop := img.SubImage(image.Rect(at.X, at.Y, at.X+at.Width, at.Y+at.Height))
		if !slices.Equal(got, decodeRow(t, spec, Options{}, encodePNG(t, crop))) {
			t.Errorf("tile %v has other pixels than alone", at)
		}
	}
}

// TestTilesMemory tests that a picture in strips takes a small part of the memory that the same picture
// takes as a whole.
func TestTilesMemory(t *testing.T) {
	spec := sizedSpec(16, 16)
	spec.Tile, spec.TileRule = 500, TileMean
	to := &rowsOf{size: spec.RowBytes()}
	d := newDecoder(t, spec, Options{Tiles: to, MaxMemory: 24 << 20})
	for name, src := range map[string][]byte{"TIFF": flatTIFF(t, 4000, 4000, 8, 3, 8), "PNG": flatPNG(t, 4000, 4000, 8, 2, 0)} {
		if err := d.Decode(make([]byte, 8), src); err != nil || len(to.rows) != 64 {
			t.Errorf("%s: %v with %d tiles, want 64", name, err, len(to.rows))
		}
	}
	var fail *codec.Failure
	if err := d.Decode(make([]byte, 8), flatPNG(t, 4000, 4000, 8, 2, 1)); !errors.As(err, &fail) || fail.Status != codec.StatusTooLarge {
		t.Errorf("an interlaced PNG of that size: %v", err)
	}
}

// TestTilesFail tests that an image that fails has no numbers, that an error of the engine ends the decode,
// in strips as well, and that the decoder can be used after a failure.
func TestTilesFail(t *testing.T) {
	spec := sizedSpec(8, 8)
	spec.Tile, spec.TileRule = 8, TileMean
	to := &rowsOf{size: spec.RowBytes()}
	d := newDecoder(t, spec, Options{Tiles: to})
	whole, strips := encodePNG(t, opaque(noise(40, 40, 1))), storedTIFF(noise(40, 40, 1), 1)
	for _, src := range [][]byte{whole[:len(whole)/2], strips[:len(strips)/2], nil, []byte("text")} {
		row := []byte("not zero")
		var fail *codec.Failure
		if err := d.Decode(row, src); !errors.As(err, &fail) || !bytes.Equal(row, make([]byte, 8)) {
			t.Errorf("%d bytes: %v, row %v", len(src), err, row)
		}
	}
	for _, src := range [][]byte{whole, strips} {
		if err := d.Decode(make([]byte, 8), src); err != nil || len(to.rows) != 25 {
			t.Errorf("%v with %d tiles", err, len(to.rows))
		}
		to.fail = errors.New("no device")
		if err := d.Decode(make([]byte, 8), src); !errors.Is(err, to.fail) {
			t.Errorf("%v, want %v", err, to.fail)
		}
		to.fail = nil
	}
	if _, err := NewDecoder(spec, Options{}); err == nil {
		t.Error("tiles without Options.Tiles")
	}
}
