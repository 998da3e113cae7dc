package preprocess

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// held returns the bytes of an axis's tables.
func (a *axis) held() int64 {
	return int64(a.first.size + a.second.size + a.weights.size + a.digits.size + a.pairs.size + a.flat.size + a.frac.size + a.cover.size +
		a.exact.size + a.counts.size + a.index.size + a.fixed.size)
}

// held returns the bytes that the canvas has taken for one image.
func (c *canvas) held() int64 {
	n := int64(c.pixels.size + c.work.size)
	for _, s := range []*axes{&c.h, &c.v} {
		for i := range s.kept {
			n += s.kept[i].held()
		}
	}
	return n
}

// TestNeed_Canvas tests that the canvas of a picture of any shape, resized in any way, takes
// no more than Need says, and not much less.
func TestNeed_Canvas(t *testing.T) {
	scales := []codec.Scale{{Num: 1, Denom: 2}, {Num: 1, Denom: 4}, {Num: 1, Denom: 8}}
	for _, size := range [][2]int{{1, 1}, {3, 700}, {700, 3}, {299, 299}, {640, 480}, {2000, 1500}, {1 << 16, 1}, {1, 1 << 16}, {5000, 40}} {
		for _, resize := range resizes {
			for _, s := range []Spec{
				{Width: 30, Height: 20, Layout: HWC, DType: Uint8, Resize: resize, Fit: Stretch},
				{Width: 224, Height: 224, Layout: CHW, DType: Float32, Resize: resize, Fit: CenterCrop, ResizeTo: 256},
				{Width: 299, Height: 100, Layout: HWC, DType: Float32, Resize: resize, Fit: CentralFraction, Fraction: 0.875, ScaledDecode: true},
				{Width: 224, Height: 224, Layout: CHW, DType: Float32, Resize: resize, Fit: Letterbox, Grey: GreyPillow},
				{Width: 224, Height: 96, Layout: CHW, DType: Float32, Resize: resize, Fit: SquarePad},
				{Width: 96, Height: 64, Layout: CHW, DType: Float32, Resize: resize, Fit: StretchCrop, ResizeTo: 128, Augment: TenCrop},
			} {
				if s.Fit == SquarePad && max(size[0], size[1]) > 1000 {
					continue // a square of gigabytes, which is refused before it is taken
				}
				n := codec.Need{Width: size[0], Height: size[1], Scales: scales}
				said := s.canvasNeed(n, nil)
				most := int64(0)
				for _, o := range []codec.Orientation{1, 3, 6} {
					for kernels := range kernelsWithDigits + 1 {
						c := newCanvas(s)
						c.use(kernels)
						c.Prepare(size[0], size[1], o, scales)
						c.Planes()
						if s.Augment != "" { // the tables of the other views
							c.render(make([]byte, s.RowBytes()))
						}
						most = max(most, c.held())
						c.free()
					}
				}
				if most > said || said > most+most/2+leastNeed {
					t.Errorf("%v with %+v: %d bytes, and Need says %d", size, s, most, said)
				}
			}
		}
	}
}

// TestNeed_Sides tests that Need finds the sides that the canvas is prepared for, and
// no allocation in it for a JPEG, the most frequent format.
func TestNeed_Sides(t *testing.T) {
	paths, err := filepath.Glob(filepath.Join("testdata", "*.*"))
	if err != nil {
		t.Fatal(err)
	}
	d := newDecoder(t, smallSpec, Options{})
	row := make([]byte, smallSpec.RowBytes())
	found := map[string]int{}
	for _, path := range paths {
		src, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if d.Decode(row, src) != nil {
			continue
		}
		found[filepath.Ext(path)]++
		n := d.Need(src)
		if n.Width != int(d.canvas.job.width) || n.Height != int(d.canvas.job.height) {
			t.Errorf("%s: Need says %dx%d, and the canvas has %dx%d", path, n.Width, n.Height, d.canvas.job.width, d.canvas.job.height)
		}
		if n.Bytes < int64(4*n.Width*n.Height) {
			t.Errorf("%s: Need says %d bytes for %dx%d pixels", path, n.Bytes, n.Width, n.Height)
		}
	}
	for _, ext := range []string{".jpg", ".png", ".gif", ".webp", ".bmp", ".tif"} {
		if found[ext] == 0 {
			t.Errorf("no picture %s", ext)
		}
	}
	src := readFixture(t, "jpeg-progressive.jpg")
	if n := testing.AllocsPerRun(20, func() { d.Need(src) }); n != 0 {
		t.Errorf("%v allocations, want none", n)
	}
}

// A keeper is a codec.Keeper that keeps what it may, up to some bytes.
type keeper struct{ wants, kept int64 }

func (k *keeper) Settle(most int64) int64 {
	k.kept = max(min(k.wants, most), 0)
	return k.kept
}

// TestKeepersShareWhatIsKept tests that codecs that keep memory in other processes get at most
// half of what a decoder may keep, and its canvas the rest.
func TestKeepersShareWhatIsKept(t *testing.T) {
	for _, c := range []struct {
		name               string
		keep, first, other int64 // that they want
		gets, otherGets    int64
	}{
		{name: "little", keep: 100, first: 10, other: 20, gets: 10, otherGets: 20},
		{name: "all", keep: 100, first: 80, other: 80, gets: 50, otherGets: 0},
		{name: "more than half", keep: 100, first: 30, other: 80, gets: 30, otherGets: 20},
	} {
		t.Run(c.name, func(t *testing.T) {
			d := newDecoder(t, smallSpec, Options{})
			first, other := &keeper{wants: c.first}, &keeper{wants: c.other}
			d.keepers = []codec.Keeper{first, other}
			d.settle(c.keep)
			if first.kept != c.gets || other.kept != c.otherGets {
				t.Errorf("they keep %d and %d, want %d and %d", first.kept, other.kept, c.gets, c.otherGets)
			}
		})
	}
}
