package preprocess

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// planesOf returns a decoder of spec that takes planes where this processor has kernels for
// it: those for AVX-512 if wide and if it has them, or those for AVX2.
func planesOf(t *testing.T, s Spec, wide bool) *Decoder {
	t.Helper()
	kernels := kernelsWithPairs
	if wide {
		kernels = kernelsWithDigits
	}
	d := newDecoder(t, s, Options{})
	d.canvas.use(min(kernels, d.canvas.job.most))
	return d
}

// TestPlanes tests that a JPEG becomes the same bytes through its planes as through the pixels
// of libjpeg-turbo: with odd and even sides, at every edge, cropped, mirrored, resized both
// ways, and progressive.
func TestPlanes(t *testing.T) {
	requireTurbo(t)
	noisy := func(w, h int) []byte { return encodeJPEG(t, noise(w, h, uint64(w*h)), 100) }
	photo := func(w, h int) []byte { return encodeJPEG(t, codectest.Picture(w, h, 1), 85) }
	sources := map[string][]byte{"progressive": readFixture(t, "jpeg-progressive.jpg"), "420": readFixture(t, "jpeg-420.jpg")}
	for _, size := range [][2]int{{32, 32}, {33, 47}, {47, 33}, {48, 64}, {63, 95}, {64, 33}, {97, 66}, {161, 99}, {300, 201}} {
		sources[fmt.Sprint("noise ", size)], sources[fmt.Sprint("photo ", size)] = noisy(size[0], size[1]), photo(size[0], size[1])
	}
	for _, o := range []int{2, 3, 4, 6} {
		sources[fmt.Sprint("orientation ", o)] = readFixture(t, fmt.Sprintf("exif-%d.jpg", o))
	}
	base := Spec{Width: 40, Height: 30, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	specs := []Spec{base}
	for _, edit := range []func(*Spec){
		func(s *Spec) { s.Width, s.Height = 300, 201 },
		func(s *Spec) { s.Width, s.Height = 5, 90 },
		func(s *Spec) { s.Resize = PillowLanczos },
		func(s *Spec) { s.BGR = true },
		func(s *Spec) { s.Fit, s.ResizeTo = CenterCrop, 90 },
		func(s *Spec) { s.Fit, s.Fraction = CentralFraction, 0.5 },
		func(s *Spec) { s.Fit, s.Pad = Letterbox, []float32{9, 8, 7} },
		func(s *Spec) { s.DType, s.Scale, s.Mean = Float32, 1.0/255, []float32{0.1, 0.2, 0.3} },
		func(s *Spec) { s.DType, s.Layout = Float32, CHW },
		func(s *Spec) { s.Grey = GreyPillow },
		func(s *Spec) { s.ScaledDecode, s.Width, s.Height = true, 20, 20 },
	} {
		s := base
		edit(&s)
		specs = append(specs, s)
	}
	taken := 0
	for i, s := range specs {
		plain := newDecoder(t, s, Options{})
		plain.canvas.use(0)
		for _, wide := range []bool{false, true} {
			planar := planesOf(t, s, wide)
			for name, src := range sources {
				got, want := make([]byte, s.RowBytes()), make([]byte, s.RowBytes())
				if err := errors.Join(planar.Decode(got, src), plain.Decode(want, src)); err != nil {
					t.Fatalf("spec %d, %s: %v", i, name, err)
				}
				if !bytes.Equal(got, want) {
					t.Errorf("spec %d, %s, AVX-512 %t: other bytes through planes", i, name, wide)
				}
				taken += int(planar.canvas.job.ycc)
			}
		}
	}
	if d := planesOf(t, base, false); d.canvas.job.most == kernelsWithPairs && taken < 300 {
		t.Errorf("%d pictures were taken as planes, want 300 or more", taken)
	}
}

// TestPlanes_Damage tests that a damaged JPEG fails with the same reason, and that the next one
// is decoded as if it had not been there.
func TestPlanes_Damage(t *testing.T) {
	requireTurbo(t)
	s := Spec{Width: 40, Height: 30, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	planar, plain := planesOf(t, s, false), newDecoder(t, s, Options{})
	plain.canvas.use(0)
	whole := encodeJPEG(t, noise(99, 77, 1), 90)
	rnd := rand.New(rand.NewPCG(1, 2))
	failed := 0
	for range 200 {
		src := bytes.Clone(whole)
		src[700+rnd.IntN(len(src)-700)] ^= 1 << rnd.IntN(8)
		if rnd.IntN(4) == 0 {
			src = src[:700+rnd.IntN(len(src)-700)]
		}
		for _, src := range [][]byte{src, whole} {
			got, want := make([]byte, s.RowBytes()), make([]byte, s.RowBytes())
			a, b := planar.Decode(got, src), plain.Decode(want, src)
			if fmt.Sprint(a) != fmt.Sprint(b) || !bytes.Equal(got, want) {
				t.Fatalf("through planes: %v, else: %v; same bytes: %t", a, b, bytes.Equal(got, want))
			}
			if a != nil {
				failed++
			}
		}
	}
	if failed < 20 {
		t.Errorf("%d pictures failed, want 20 or more", failed)
	}
}

// TestPlanes_Colours tests the colours of every Cb with every Cr, by the definition in libjpeg:
// fractions of 16 bits, rounded to the nearest, G of the sum of both parts.
func TestPlanes_Colours(t *testing.T) {
	const width, height = 64, 32
	s := Spec{Width: width, Height: height, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	d := planesOf(t, s, false)
	c := d.canvas
	if c.job.most != kernelsWithPairs {
		t.Skip("a processor without AVX2 takes no planes")
	}
	row := make([]byte, s.RowBytes())
	c.Prepare(width, height, 1, []codec.Scale{})
	planes, ok := c.Planes()
	if !ok {
		t.Fatal("the canvas does not want planes")
	}
	for y := range height {
		for x := range width {
			planes.Y[y*planes.YPitch+x] = uint8(4*x + y%4)
		}
	}
	fill := func(b []byte, v int) {
		for i := range b {
			b[i] = uint8(v)
		}
	}
	for cb := range 256 {
		fill(planes.Cb, cb)
		for cr := range 256 {
			fill(planes.Cr, cr)
			c.render(row)
			b, r := cb-128, cr-128
			red, green, blue := (91881*r+1<<15)>>16, (-22554*b-46802*r+1<<15)>>16, (116130*b+1<<15)>>16
			for i, p := 0, row; len(p) > 0; i, p = i+1, p[3:] {
				y := 4*(i%width) + i/width%4
				if want := [3]byte{codec.Clamp(y + red), codec.Clamp(y + green), codec.Clamp(y + blue)}; [3]byte(p[:3]) != want {
					t.Fatalf("Y %d, Cb %d, Cr %d: %v, want %v", y, cb, cr, p[:3], want)
				}
			}
		}
	}
}
