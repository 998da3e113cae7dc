package preprocess

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"maps"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

func newPreviewer(tb testing.TB, side int, ignoreOrientation bool, opt Options) *Previewer {
	tb.Helper()
	p, err := NewPreviewer(side, ignoreOrientation, opt)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(p.Close)
	return p
}

// TestPreview_Size tests the sizes of pictures: the aspect is kept, no side is 0, and no image
// is enlarged.
func TestPreview_Size(t *testing.T) {
	for _, c := range []struct{ w, h, side, wantW, wantH int }{
		{w: 640, h: 480, side: 160, wantW: 160, wantH: 120},
		{w: 480, h: 640, side: 160, wantW: 120, wantH: 160},
		{w: 100, h: 60, side: 160, wantW: 100, wantH: 60},
		{w: 160, h: 1, side: 160, wantW: 160, wantH: 1},
		{w: 2000, h: 1, side: 160, wantW: 160, wantH: 1},
		{w: 333, h: 500, side: 160, wantW: 107, wantH: 160},
	} {
		var b bytes.Buffer
		if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, c.w, c.h))); err != nil {
			t.Fatal(err)
		}
		p := newPreviewer(t, c.side, false, Options{})
		v, err := p.Preview(context.Background(), b.Bytes())
		if err != nil {
			t.Fatal(err)
		}
		if v.Width != c.wantW || v.Height != c.wantH || v.ImageWidth != c.w || v.ImageHeight != c.h || len(v.RGB) != 3*c.wantW*c.wantH {
			t.Errorf("%dx%d in %d: a picture of %dx%d of an image of %dx%d in %d bytes, want %dx%d",
				c.w, c.h, c.side, v.Width, v.Height, v.ImageWidth, v.ImageHeight, len(v.RGB), c.wantW, c.wantH)
		}
	}
}

// TestPreview_Upright tests that the picture of every image is turned as a model sees it, and
// that its size as the headers say is that of the upright image.
func TestPreview_Upright(t *testing.T) {
	files := codectest.Archive(t, filepath.Join("testdata", "orientation.zip"))
	var want map[string][3]int // orientation, width and height as stored
	if err := json.Unmarshal(files["cases.json"], &want); err != nil {
		t.Fatal(err)
	}
	for _, b := range backends {
		for _, ignored := range []bool{false, true} {
			p := newPreviewer(t, 128, ignored, b.opt)
			for i, name := range slices.Sorted(maps.Keys(want)) {
				c := want[name]
				w, h := c[1], c[2]
				if c[0] >= 5 && !ignored {
					w, h = h, w
				}
				gotW, gotH, err := p.Size(context.Background(), files[name])
				if err != nil || gotW != w || gotH != h {
					t.Errorf("%s: Size() = %d, %d, %v, want %d, %d", name, gotW, gotH, err, w, h)
				}
				if i%16 > 0 {
					continue
				}
				v, err := p.Preview(context.Background(), files[name])
				if err != nil {
					t.Fatal(err)
				}
				spec := sizedSpec(w, h)
				spec.IgnoreOrientation = ignored
				if row := decodeRow(t, spec, b.opt, files[name]); v.Width != w || v.Height != h || !bytes.Equal(v.RGB, row) {
					t.Errorf("%s: the picture of %dx%d pixels is not what a model sees", name, v.Width, v.Height)
				}
			}
		}
	}
}

// TestPreview_Likeness compares small pictures with a Decoder's of the same size, and tests
// that DCT scaling makes little difference.
func TestPreview_Likeness(t *testing.T) {
	requireTurbo(t)
	src := encodeJPEG(t, codectest.Picture(1200, 900, 3), 90)
	p := newPreviewer(t, 160, false, Options{})
	v, err := p.Preview(context.Background(), src)
	if err != nil {
		t.Fatal(err)
	}
	spec := sizedSpec(160, 120)
	spec.Resize = PillowBicubic
	sum := 0.0
	for i, want := range decodeRow(t, spec, Options{}, src) {
		sum += math.Abs(float64(want) - float64(v.RGB[i]))
	}
	if mean := sum / float64(len(v.RGB)); mean > 4 {
		t.Errorf("the picture differs by %.2f steps of 255 on average, want 4 or less", mean)
	}
	if w := int(p.decoder.canvas.job.width); w >= 1200 {
		t.Errorf("%d columns were decoded, want fewer by DCT scaling", w)
	}
}

// TestPreview_Failures tests that what has no pixels for a model has no picture either, and
// that a Previewer can be used after it.
func TestPreview_Failures(t *testing.T) {
	p := newPreviewer(t, 160, false, Options{MaxPixels: 1 << 20})
	good := readFixture(t, "jpeg-420.jpg")
	for _, c := range []struct {
		name string
		src  []byte
		want codec.Status
	}{
		{name: "a damaged image", src: good[:len(good)/2], want: codec.StatusTruncated},
		{name: "no image", src: []byte("<html>"), want: codec.StatusNotImage},
		{name: "beyond the bounds", src: codectest.PNGHeader(2000, 2000), want: codec.StatusTooLarge},
	} {
		_, err := p.Preview(context.Background(), c.src)
		var fail *codec.Failure
		if !errors.As(err, &fail) || fail.Status != c.want {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
		}
		if v, err := p.Preview(context.Background(), good); err != nil || v.Width == 0 {
			t.Errorf("after %s: %v", c.name, err)
		}
	}
	p.Close()
	if _, err := p.Preview(context.Background(), good); err == nil {
		t.Error("a picture after Close")
	}
}

// TestPreview_SizeOfBeginning tests that the size is found in the first bytes of an image,
// and that no memory is taken for its pixels.
func TestPreview_SizeOfBeginning(t *testing.T) {
	requireTurbo(t)
	src := encodeJPEG(t, codectest.Picture(1500, 1000, 3), 90)
	p := newPreviewer(t, 1, false, Options{})
	if w, h, err := p.Size(context.Background(), src[:16<<10]); w != 1500 || h != 1000 || err != nil {
		t.Errorf("Size() = %d, %d, %v, want 1500, 1000", w, h, err)
	}
	if n := p.decoder.canvas.held(); n != 0 {
		t.Errorf("%d bytes were taken, want none", n)
	}
	if _, _, err := p.Size(context.Background(), src[:64]); err == nil {
		t.Error("a size was found in the first 64 bytes")
	}
}

// TestPreview_Need tests that the canvas of a Previewer takes no more than Need says, and not
// less by far.
func TestPreview_Need(t *testing.T) {
	scales := []codec.Scale{{Num: 1, Denom: 2}, {Num: 1, Denom: 4}, {Num: 1, Denom: 8}}
	for _, side := range []int{1, 160, 1600} {
		for _, size := range [][2]int{{1, 1}, {3, 700}, {700, 3}, {640, 480}, {2000, 1500}, {1 << 16, 1}, {1, 1 << 16}, {5000, 40}} {
			p := newPreviewer(t, side, false, Options{})
			said := p.decoder.spec.canvasNeed(codec.Need{Width: size[0], Height: size[1], Scales: scales}, &p.shown)
			most := int64(0)
			for _, o := range []codec.Orientation{1, 3, 6} {
				for kernels := range kernelsWithDigits + 1 {
					c := newCanvas(p.decoder.spec)
					c.use(kernels)
					c.shown = &shown{side: side}
					c.Prepare(size[0], size[1], o, scales)
					most = max(most, c.held())
					c.free()
				}
			}
			if most > said || said > 4*most+leastNeed {
				t.Errorf("%v in %d pixels: %d bytes, and Need says %d", size, side, most, said)
			}
		}
	}
}

// TestPreview_Fixtures tests that every image that has pixels has a picture, and no other.
func TestPreview_Fixtures(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	d, p := newDecoder(t, smallSpec, Options{}), newPreviewer(t, 160, false, Options{})
	row := make([]byte, smallSpec.RowBytes())
	shown := 0
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		want := d.Decode(row, src)
		v, err := p.Preview(context.Background(), src)
		if (err == nil) != (want == nil) {
			t.Errorf("%s: %v, and a model has %v", path, err, want)
		}
		if err != nil {
			continue
		}
		shown++
		if w, h, err := p.Size(context.Background(), src); err != nil || w != v.ImageWidth || h != v.ImageHeight {
			t.Errorf("%s: Size() = %d, %d, %v, and its picture is of %dx%d", path, w, h, err, v.ImageWidth, v.ImageHeight)
		}
	}
	if shown < 50 {
		t.Errorf("%d of %d images have a picture", shown, len(paths))
	}
}
