package preprocess

import (
	"bytes"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// TestDecodeAllocs tests that in steady state a JPEG costs no allocation, whatever its size,
// orientation, fit and element type.
func TestDecodeAllocs(t *testing.T) {
	requireTurbo(t)
	files := [][]byte{
		readFixture(t, "jpeg-420.jpg"), readFixture(t, "jpeg-progressive.jpg"), readFixture(t, "exif-6.jpg"),
		readFixture(t, "jpeg-cmyk.jpg"), readFixture(t, "resize.jpg"), readFixture(t, "jpeg-grey.jpg"),
	}
	specs := []Spec{
		smallSpec,
		{Width: 30, Height: 20, Layout: CHW, DType: Float32, Resize: PillowBilinear, Fit: CenterCrop, ResizeTo: 32, Mean: []float32{1, 2, 3}},
		{Width: 30, Height: 20, Layout: HWC, DType: Float32, Resize: TFBilinearAlignCorners, Fit: Stretch, ScaledDecode: true},
	}
	for _, r := range resizes {
		specs = append(specs,
			Spec{Width: 30, Height: 20, Layout: HWC, DType: Uint8, Resize: r, Fit: CentralFraction, Fraction: 0.875},
			Spec{Width: 30, Height: 20, Layout: CHW, DType: Float32, Resize: r, Fit: SlimCenterCrop, ResizeTo: 32})
	}
	for _, s := range specs {
		d := newDecoder(t, s, Options{})
		row := make([]byte, s.RowBytes())
		n := testing.AllocsPerRun(20, func() {
			for _, src := range files {
				if err := d.Decode(row, src); err != nil {
					t.Fatal(err)
				}
			}
		})
		if n != 0 {
			t.Errorf("%v allocations for %d images with %+v, want none", n, len(files), s)
		}
	}
}

// TestDecodersInParallel gives each goroutine a Decoder of its own, and all the same source
// bytes.
func TestDecodersInParallel(t *testing.T) {
	src := bytes.Clone(readFixture(t, "resize.jpg"))
	want := make([]byte, smallSpec.RowBytes())
	if err := newDecoder(t, smallSpec, Options{}).Decode(want, src); err != nil {
		t.Fatal(err)
	}
	var wg sync.WaitGroup
	for range 4 {
		wg.Go(func() {
			d, err := NewDecoder(smallSpec, Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer d.Close()
			row := make([]byte, len(want))
			for range 20 {
				if err := d.Decode(row, src); err != nil || !bytes.Equal(row, want) {
					t.Errorf("got another row, or %v; want the same row", err)
					return
				}
			}
		})
	}
	wg.Wait()
}

// TestDecodeInPlace tests that Decode writes a row in the middle of a batch, and no byte
// before or after it.
func TestDecodeInPlace(t *testing.T) {
	for _, s := range []Spec{
		{Width: 5, Height: 3, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch},
		{Width: 7, Height: 9, Layout: HWC, DType: Uint8, BGR: true, Resize: TFBilinearAlignCorners, Fit: Stretch},
		{Width: 33, Height: 9, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch},
		{Width: 5, Height: 3, Layout: CHW, DType: Float32, Resize: PillowBilinear, Fit: Stretch},
		{Width: 7, Height: 9, Layout: HWC, DType: Uint8, Resize: PillowLanczos, Fit: Stretch},
		{Width: 7, Height: 9, Layout: HWC, DType: Uint8, Resize: Area, Fit: CentralFraction, Fraction: 0.5},
		{Width: 33, Height: 9, Layout: CHW, DType: Float32, Resize: Area, Fit: Stretch},
	} {
		for _, file := range []string{"exif-1.jpg", "exif-6.jpg"} {
			n := s.RowBytes()
			batch := bytes.Repeat([]byte{0xa5}, 3*n)
			if err := newDecoder(t, s, Options{}).Decode(batch[n:2*n:2*n], readFixture(t, file)); err != nil {
				t.Fatal(err)
			}
			around := append(bytes.Clone(batch[:n]), batch[2*n:]...)
			if !bytes.Equal(around, bytes.Repeat([]byte{0xa5}, 2*n)) {
				t.Errorf("%dx%d %s, %s: bytes next to the row were written", s.Width, s.Height, s.DType, file)
			}
		}
	}
}

// FuzzDecode tests that any bytes, with any policy and fit, give a row, or a Failure and a
// zero row, and the same again.
func FuzzDecode(f *testing.F) {
	fits := []Spec{
		{Fit: Stretch},
		{Fit: CenterCrop, ResizeTo: 17},
		{Fit: SlimCenterCrop, ResizeTo: 16},
		{Fit: CentralFraction, Fraction: 0.875},
	}
	seen := map[string]bool{}
	for _, c := range fixtures(f) {
		if !seen[c.File] {
			f.Add(readFixture(f, c.File), byte(len(seen)), byte(len(seen)/len(resizes)))
			seen[c.File] = true
		}
	}
	f.Add(readFixture(f, "unsupported-jpeg2000.jp2"), byte(0), byte(0))
	f.Add([]byte("<html></html>"), byte(0), byte(0))
	f.Fuzz(func(t *testing.T, src []byte, resize, fit byte) {
		s := fits[int(fit)%len(fits)]
		s.Width, s.Height, s.Layout, s.DType = smallSpec.Width, smallSpec.Height, HWC, Uint8
		s.Resize = resizes[int(resize)%len(resizes)]
		for _, b := range backends {
			opt := b.opt
			opt.MaxPixels = 1 << 16
			d := newDecoder(t, s, opt)
			first := status(t, decodeInto(t, d, src))
			if first == codec.StatusPanic {
				t.Errorf("%s: a decoder panicked and was recovered", b.name)
			}
			if again := status(t, decodeInto(t, d, src)); again != first {
				t.Errorf("%s: %s at first, then %s", b.name, first, again)
			}
		}
	})
}
