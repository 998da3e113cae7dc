package preprocess

import (
	"bytes"
	"errors"
	"fmt"
	"maps"
	"math/bits"
	"math/rand/v2"
	"slices"
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

// coder writes codes of JPEG.
type coder struct {
	b    []byte
	held uint32
	n    int
}

func (c *coder) code(v uint32, bits int) {
	c.held, c.n = c.held<<bits|v, c.n+bits
	for ; c.n >= 8; c.n -= 8 {
		c.b = append(c.b, byte(c.held>>(c.n-8)))
		if c.b[len(c.b)-1] == 0xff {
			c.b = append(c.b, 0)
		}
	}
}

// value writes the bits of a coefficient of this size.
func (c *coder) value(v, size int) {
	if v < 0 {
		v += 1<<size - 1
	}
	c.code(uint32(v), size)
}

// end fills the last byte with ones.
func (c *coder) end() {
	if c.n > 0 {
		c.code(1<<(8-c.n)-1, 8-c.n)
	}
}

// noisyJPEG returns a baseline JPEG of random coefficients, with components of this sampling, a
// restart marker after every restart units of it if that is not 0, and turned upright by o.
func noisyJPEG(rnd *rand.Rand, w, h, restart int, o codec.Orientation, sampling ...byte) []byte {
	q, n := 1+rnd.IntN(40), byte(len(sampling))
	b := append([]byte("\xff\xd8\xff\xe1\x00\x22Exif\x00\x00MM\x00*\x00\x00\x00\x08\x00\x01\x01\x12\x00\x03\x00\x00\x00\x01\x00"), byte(o), 0, 0, 0, 0, 0, 0)
	b = append(append(b, 0xff, mDQT, 0, 67, 0), bytes.Repeat([]byte{byte(q)}, 64)...)
	b = append(b, 0xff, mDHT, 0, 19+12, 0x00, 0, 0, 0, 12, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11)
	b = append(b, 0xff, mDHT, 0, 19+25, 0x10, 0, 0, 0, 0, 25, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x00)
	for run := range 4 {
		for size := 1; size <= 6; size++ {
			b = append(b, byte(run<<4|size))
		}
	}
	b = append(b, 0xff, 0xdd, 0, 4, 0, byte(restart), 0xff, 0xc0, 0, 8+3*n, 8, byte(h>>8), byte(h), byte(w>>8), byte(w), n)
	maxH, maxV, blocks := 1, 1, 0
	for i, hv := range sampling {
		b = append(b, byte(i+1), hv, 0)
		maxH, maxV = max(maxH, int(hv>>4)), max(maxV, int(hv&15))
	}
	b = append(b, 0xff, mSOS, 0, 6+2*n, n)
	for i := range sampling {
		b = append(b, byte(i+1), 0)
	}
	c := coder{b: append(b, 0, 63, 0)}
	units := ((w + 8*maxH - 1) / (8 * maxH)) * ((h + 8*maxV - 1) / (8 * maxV))
	if n == 1 { // its sampling says nothing
		units, sampling = ((w+7)/8)*((h+7)/8), []byte{0x11}
	}
	dc := make([]int, n)
	for u := range units {
		if restart > 0 && u > 0 && u%restart == 0 {
			c.end()
			c.b = append(c.b, 0xff, 0xd0+byte(blocks&7))
			blocks++
			clear(dc)
		}
		for i, hv := range sampling {
			for range int(hv>>4) * int(hv&15) {
				to := rnd.IntN(2000/q+1) - 1000/q
				size := bits.Len(uint(max(to-dc[i], dc[i]-to)))
				c.code(uint32(size), 4)
				c.value(to-dc[i], size)
				dc[i] = to
				for k := 1 + rnd.IntN(64); k < 60; {
					run, size := rnd.IntN(4), 1+rnd.IntN(6)
					v := 1<<(size-1) + rnd.IntN(1<<(size-1))
					c.code(uint32(1+run*6+size-1), 5)
					c.value(v-2*v*rnd.IntN(2), size)
					k += run + 1
				}
				c.code(0, 5)
			}
		}
	}
	c.end()
	return append(c.b, 0xff, mEOI)
}

// TestPlanes_Equal draws JPEGs of every chroma ratio, of odd and even sides, whole, in doubt and
// damaged, and Specs with every resize, fit and orientation, in grey and in tiles. Every set of
// kernels must give the bytes, or the reason, that the plain C ones give of the pixels of
// libjpeg-turbo.
func TestPlanes_Equal(t *testing.T) {
	requireTurbo(t)
	ratios := [][]byte{{0x11}, {0x22}, {0x11, 0x11, 0x11}, {0x21, 0x11, 0x11}, {0x12, 0x11, 0x11}, {0x41, 0x11, 0x11}, {0x14, 0x11, 0x11},
		{0x42, 0x11, 0x11}, {0x22, 0x21, 0x11}, {0x22, 0x11, 0x12}, {0x22, 0x12, 0x12}, {0x22, 0x22, 0x22}, {0x11, 0x22, 0x11}, {0x22, 0x11, 0x11, 0x22}}
	rnd := rand.New(rand.NewPCG(4, 20))
	failed, whole, taken := 0, 0, 0
	best := newDecoder(t, sizedSpec(1, 1), Options{}).canvas.job.most
	for i := range 1500 {
		s := Spec{Width: 1 + rnd.IntN(70), Height: 1 + rnd.IntN(70), Layout: HWC, DType: Uint8, Fit: fits[rnd.IntN(len(fits))],
			Resize: resizes[rnd.IntN(len(resizes))], BGR: rnd.IntN(3) == 0}
		if rnd.IntN(2) == 0 {
			s.Resize = []Resize{PillowBilinear, PillowBicubic, PillowLanczos}[rnd.IntN(3)]
		}
		if rnd.IntN(3) == 0 {
			s.DType, s.Layout, s.Scale = Float32, []Layout{HWC, CHW}[rnd.IntN(2)], 1.0/255
		}
		if rnd.IntN(8) == 0 {
			s.Grey, s.BGR = []Grey{GreyPillow, GreyOpenCV}[rnd.IntN(2)], false
		}
		switch {
		case s.Fit.Crops():
			s.ResizeTo = max(s.Width, s.Height) + rnd.IntN(30)
		case s.Fit == CentralFraction:
			s.Fraction = 0.01 + 0.99*rnd.Float64()
		case s.Fit.Pads():
			s.Pad = []float32{7, 100, 255}[:3-2*min(len(s.Grey), 1)]
		}
		ratio := []byte{0x22, 0x11, 0x11}
		if rnd.IntN(2) == 0 {
			ratio = ratios[rnd.IntN(len(ratios))]
		}
		w, h, o := 1+rnd.IntN(160), 1+rnd.IntN(160), codec.Orientation(max(1, rnd.IntN(16)-7))
		src := noisyJPEG(rnd, w, h, max(0, rnd.IntN(8)-4), o, ratio...)
		head := bytes.Index(src, []byte{0xff, mSOS})
		switch rnd.IntN(8) {
		case 0:
			src = append(src, "more"...)
		case 1:
			src = src[:head+12+rnd.IntN(len(src)-head-12)]
		case 2, 3:
			for range 1 + rnd.IntN(3) {
				src[head+12+rnd.IntN(len(src)-head-12)] ^= 1 << rnd.IntN(8)
			}
		}
		rows, opt := &rowsOf{size: s.RowBytes()}, Options{}
		if rnd.IntN(5) == 0 {
			s.Tile, s.TileRule, opt.Tiles = 40+rnd.IntN(50), TileMean, rows
		}
		d, err := NewDecoder(s, opt)
		if err != nil {
			t.Fatalf("%+v: %v", s, err)
		}
		decode := func() (row []byte, tiles map[Tile][]byte, why error) {
			row = make([]byte, opt.RowBytes(s))
			rows.rows = nil
			why = d.Decode(row, src)
			return row, rows.rows, why
		}
		d.canvas.use(0)
		want, tiles, why := decode()
		for kernels := best; kernels > 0; kernels-- {
			d.canvas.use(kernels)
			row, others, other := decode()
			if fmt.Sprint(other) != fmt.Sprint(why) || !bytes.Equal(row, want) || !maps.EqualFunc(tiles, others, bytes.Equal) {
				t.Errorf("%d: %dx%d pixels of ratio %x, orientation %d, with kernels %d: %v, else %v; same bytes: %t; %+v", i, w, h, ratio, o,
					kernels, other, why, bytes.Equal(row, want), s)
			}
			if why == nil {
				taken += int(d.canvas.job.ycc)
			}
		}
		d.Close()
		if why == nil {
			whole++
		} else {
			failed++
		}
	}
	if whole < 700 || failed < 200 || best > 0 && taken < 50 {
		t.Errorf("%d decoded, %d of them from planes, and %d failed: too few", whole, taken, failed)
	}
	t.Logf("%d decoded, %d of them from planes, and %d failed", whole, taken, failed)
}

// TestPlanes_Wide draws windows that are wide enough for three planes of bytes between AVX2's
// passes, which must give the bytes of the plain C kernels.
func TestPlanes_Wide(t *testing.T) {
	requireTurbo(t)
	rnd := rand.New(rand.NewPCG(3, 64))
	best := newDecoder(t, sizedSpec(1, 1), Options{}).canvas.job.most
	flat := map[int]int{} // by taps
	for i := range 400 {
		s := Spec{Width: 60 + rnd.IntN(100), Height: 1 + rnd.IntN(60), Layout: HWC, DType: Uint8, Fit: fits[rnd.IntN(len(fits))],
			Resize: []Resize{PillowBilinear, PillowBicubic, PillowLanczos}[rnd.IntN(3)], BGR: rnd.IntN(4) == 0}
		if rnd.IntN(2) == 0 {
			s.DType, s.Layout, s.Mean = Float32, []Layout{HWC, CHW}[rnd.IntN(2)], []float32{1, 2, 3}
		}
		switch {
		case s.Fit.Crops():
			s.ResizeTo = max(s.Width, s.Height) + rnd.IntN(30)
		case s.Fit == CentralFraction:
			s.Fraction = 0.3 + 0.7*rnd.Float64()
		case s.Fit.Pads():
			s.Pad = []float32{7, 100, 255}
		}
		w, h, o := 40+rnd.IntN(340), 32+rnd.IntN(60), codec.Orientation(1+rnd.IntN(4))
		src := noisyJPEG(rnd, w, h, 0, o, 0x22, 0x11, 0x11)
		d := newDecoder(t, s, Options{})
		d.canvas.use(0)
		got, want := make([]byte, s.RowBytes()), make([]byte, s.RowBytes())
		if err := d.Decode(want, src); err != nil {
			t.Fatal(err)
		}
		for kernels := best; kernels > 0; kernels-- {
			d.canvas.use(kernels)
			clear(got)
			if err := d.Decode(got, src); err != nil || !bytes.Equal(got, want) {
				t.Errorf("%d: %dx%d pixels, orientation %d, with kernels %d: other bytes, or %v; %+v", i, w, h, o, kernels, err, s)
			}
			if j := &d.canvas.job; j.ycc == 1 && j.h.flat != nil && j.h.n >= 64 {
				flat[int(j.h.taps)]++
			}
		}
	}
	if best > 0 && (flat[4] < 10 || flat[6] < 10 || flat[8] < 10) {
		t.Errorf("few were planes between the passes, by taps: %v", flat)
	}
	t.Log(flat)
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

// TestPlanes_RGB tests that a JPEG of red, green and blue, two of them at half size, is not taken for
// one of luma and chroma.
func TestPlanes_RGB(t *testing.T) {
	requireTurbo(t)
	src := encodeJPEG(t, codectest.Picture(97, 66, 1), 85)                             // 4:2:0, without a JFIF header
	adobe := []byte{0xff, 0xee, 0, 14, 'A', 'd', 'o', 'b', 'e', 0, 100, 0, 0, 0, 0, 0} // the last: no transformation
	src = slices.Concat(src[:2], adobe, src[2:])
	s := Spec{Width: 40, Height: 30, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	d, plain := planesOf(t, s, false), newDecoder(t, s, Options{})
	plain.canvas.use(0)
	got, want := make([]byte, s.RowBytes()), make([]byte, s.RowBytes())
	if err := errors.Join(d.Decode(got, src), plain.Decode(want, src)); err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(got, want) {
		t.Error("other bytes than without planes")
	}
	if d.canvas.job.ycc != 0 {
		t.Error("it was taken as planes of luma and chroma")
	}
}
