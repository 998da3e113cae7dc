package preprocess

import (
	"bytes"
	"fmt"
	"image"
	"maps"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/codec/codectest"
)

// twin resizes, turns and packs in plain Go, by the definitions: it turns the image upright
// first, and skips nothing. With Pillow's policies, weights are rounded to 22 bits and values
// to 8 bits after each pass. With the other policies values are not rounded.
func twin(s Spec, img *image.NRGBA, o codec.Orientation) []float64 {
	img = surroundTwin(s, turnUpright(img, o))
	g := s.plan(img.Rect.Dx(), img.Rect.Dy(), 1)
	left, w := s.kept(img.Rect.Dx())
	top, h := s.kept(img.Rect.Dy())
	img = img.SubImage(image.Rect(left, top, left+w, top+h)).(*image.NRGBA)
	p := policies[s.Resize].of(w, h, g)
	rounded := p.filter != nil
	out := make([]float64, 0, s.Width*s.Height*3)
	cols, rows := make([]taps, g.w), make([]taps, g.h)
	for i := range cols {
		cols[i] = tapsOf(p, g.x+i, w, g.resizedW)
	}
	for i := range rows {
		rows[i] = tapsOf(p, g.y+i, h, g.resizedH)
	}
	if rounded {
		for _, t := range slices.Concat(cols, rows) {
			for k, v := range t.weights {
				t.weights[k] = math.Round(v*(1<<22)) / (1 << 22)
			}
		}
	}
	// Sums of such weights are exact in float64.
	round := func(v float64) float64 { return min(max(math.Floor(v+0.5), 0), 255) }
	mid := make([]float64, h*g.w*3)
	for y := range h {
		for x, t := range cols {
			for c := range 3 {
				v := 0.0
				for k, weight := range t.weights {
					v += weight * float64(img.Pix[y*img.Stride+(t.first+k)*4+c])
				}
				if rounded {
					v = round(v)
				}
				mid[(y*g.w+x)*3+c] = v
			}
		}
	}
	for _, t := range rows {
		for x := range g.w {
			for c := range 3 {
				v := 0.0
				for k, weight := range t.weights {
					v += weight * mid[((t.first+k)*g.w+x)*3+c]
				}
				switch {
				case rounded, p.fixed != nil:
					v = round(v)
				case p.bytes:
					v = math.Floor(v + 0.5)
				}
				out = append(out, v)
			}
		}
	}
	return twinPack(s, padTwin(s, g, out))
}

// surroundTwin makes the square of SquarePad.
func surroundTwin(s Spec, img *image.NRGBA) *image.NRGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	if s.Fit != SquarePad {
		return img
	}
	side, x, y := max(w, h), 0, 0
	if s.Position != TopLeft {
		x, y = (side-w)/2, (side-h)/2
	}
	out := image.NewNRGBA(image.Rect(0, 0, side, side))
	for i := range out.Pix {
		out.Pix[i] = uint8(append(s.Pad, 0)[i%4])
	}
	for row := range h {
		copy(out.Pix[(y+row)*out.Stride+4*x:][:4*w], img.Pix[row*img.Stride:])
	}
	return out
}

// padTwin puts the pixels of the window into the tensor.
func padTwin(s Spec, g geometry, window []float64) []float64 {
	if !s.Fit.Pads() {
		return window
	}
	out := make([]float64, 3*s.Width*s.Height)
	for i := range out {
		out[i] = float64(s.Pad[i%3])
	}
	for y := range g.h {
		copy(out[3*((g.upright.atY+y)*s.Width+g.upright.atX):][:3*g.w], window[3*y*g.w:])
	}
	return out
}

type taps struct {
	first   int
	weights []float64
}

func tapsOf(p policy, i, inputs, outputs int) taps {
	scale := float64(inputs) / float64(outputs)
	switch {
	case p.nearest:
		at := scale / 2
		for range i {
			at += scale
		}
		return taps{int(at), []float64{1}}
	case p.area:
		// Divide each input into as many parts as there are outputs, and give the
		// parts to the outputs in order.
		t := taps{first: i * inputs / outputs}
		for part := i * inputs; part < (i+1)*inputs; part++ {
			k := part/outputs - t.first
			if k == len(t.weights) {
				t.weights = append(t.weights, 0)
			}
			t.weights[k]++
		}
		for k := range t.weights {
			t.weights[k] /= float64(inputs)
		}
		return t
	case p.fixed != nil:
		grown := float64(outputs) / float64(inputs) // OpenCV computes the scale from it
		at, x := position(i, 1/grown)
		if p.covers {
			at, x = covering(i, 1/grown, grown)
		}
		n := int(2 * p.support)
		var w [8]float32
		if at < 0 && n == 2 {
			at, x = 0, 0
		}
		p.fixed(x, w[:n])
		t := taps{first: max(at-n/2+1, 0), weights: make([]float64, 0, n)}
		t.first = min(t.first, inputs-1)
		for k, v := range w[:n] {
			source := min(max(at-n/2+1+k, 0), inputs-1) - t.first
			for len(t.weights) <= source {
				t.weights = append(t.weights, 0)
			}
			t.weights[source] += math.RoundToEven(float64(v)*(1<<11)) / (1 << 11)
		}
		return t
	case p.position != nil:
		at := max(p.position(i, inputs, outputs), 0)
		lo := int(at)
		if lo >= inputs-1 {
			return taps{inputs - 1, []float64{1}}
		}
		f := at - float64(lo)
		return taps{lo, []float64{1 - f, f}}
	}
	stretch := max(scale, 1)
	center := (float64(i) + 0.5) * scale
	lo := max(int(center-p.support*stretch+0.5), 0)
	hi := min(int(center+p.support*stretch+0.5), inputs)
	t := taps{first: lo}
	sum := 0.0
	for k := lo; k < hi; k++ {
		t.weights = append(t.weights, (float64(k)-center+0.5)/stretch)
	}
	p.filter(t.weights)
	for _, v := range t.weights {
		sum += v
	}
	for k := range t.weights {
		t.weights[k] /= sum
	}
	return t
}

func turnUpright(img *image.NRGBA, o codec.Orientation) *image.NRGBA {
	w, h := img.Rect.Dx(), img.Rect.Dy()
	uw, uh := w, h
	if o >= 5 {
		uw, uh = h, w
	}
	out := image.NewNRGBA(image.Rect(0, 0, uw, uh))
	for y := range uh {
		for x := range uw {
			sx, sy := codectest.Stored(o, x, y, w, h)
			copy(out.Pix[y*out.Stride+4*x:][:4], img.Pix[sy*img.Stride+4*sx:][:4])
		}
	}
	return out
}

func twinPack(s Spec, rgb []float64) []float64 {
	out := make([]float64, len(rgb))
	n := len(rgb) / 3
	for i := range n {
		for c := range 3 {
			from := c
			if s.BGR {
				from = 2 - c
			}
			v := rgb[3*i+from]
			if s.DType == Float32 {
				if s.Scale != 0 {
					v *= float64(s.Scale)
				}
				if s.Mean != nil {
					v -= float64(s.Mean[from])
				}
				if s.Std != nil {
					v /= float64(s.Std[from])
				}
			}
			if s.Layout == CHW {
				out[c*n+i] = v
			} else {
				out[3*i+c] = v
			}
		}
	}
	return out
}

// renderRow returns the row that the C kernels make of img.
func renderRow(d *Decoder, img *image.NRGBA, o codec.Orientation) []byte {
	row := make([]byte, d.spec.RowBytes())
	px := d.canvas.Prepare(img.Rect.Dx(), img.Rect.Dy(), o, nil)
	for y := range px.Height {
		copy(px.Row(y), img.Pix[y*img.Stride:])
	}
	d.canvas.render(row)
	return row
}

func noise(w, h int, seed uint64) *image.NRGBA {
	img := image.NewNRGBA(image.Rect(0, 0, w, h))
	rnd := rand.New(rand.NewPCG(seed, 1))
	for i := range img.Pix {
		img.Pix[i] = uint8(rnd.Uint32())
	}
	return img
}

// resizes are all policies, in a fixed order.
var resizes = slices.Sorted(maps.Keys(policies))

// TestKernelTwin draws sizes, specs and orientations. Every set of kernels must give the same
// bits as the plain C ones, and for Pillow's policies as the twin. For the others the kernels
// compute in float32 and round for Uint8, and the twin computes in float64.
func TestKernelTwin(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		side := rapid.OneOf(rapid.IntRange(1, 9), rapid.IntRange(1, 140), rapid.SampledFrom([]int{31, 32, 33, 1000}))
		s := Spec{
			Width:  rapid.IntRange(1, 70).Draw(t, "width"),
			Height: rapid.IntRange(1, 70).Draw(t, "height"),
			Layout: HWC, DType: Uint8, Fit: Stretch,
			Resize: rapid.SampledFrom(resizes).Draw(t, "resize"),
			BGR:    rapid.Bool().Draw(t, "bgr"),
		}
		if rapid.Bool().Draw(t, "float") {
			s.DType = Float32
			s.Layout = rapid.SampledFrom([]Layout{HWC, CHW}).Draw(t, "layout")
			s.Scale = rapid.SampledFrom([]float32{0, 1, 1.0 / 255}).Draw(t, "scale")
			if rapid.Bool().Draw(t, "normalise") {
				s.Mean, s.Std = []float32{0.4, 0.5, 0.6}, []float32{0.21, 0.225, 0.229}
			}
		}
		s.Fit = rapid.SampledFrom(fits).Draw(t, "fit")
		switch {
		case s.Fit.Crops():
			s.ResizeTo = max(s.Width, s.Height) + rapid.IntRange(0, 30).Draw(t, "margin")
		case s.Fit == CentralFraction:
			s.Fraction = rapid.Float64Range(0.01, 1).Draw(t, "fraction")
		case s.Fit.Pads():
			s.Pad = []float32{7, 100, 255}
			if s.Fit != PaddlePadRight {
				s.Position = rapid.SampledFrom([]Position{"", Center, TopLeft}).Draw(t, "position")
			}
		}
		o := codec.Orientation(rapid.IntRange(1, 8).Draw(t, "orientation"))
		width := rapid.OneOf(side, rapid.Just(s.Width)).Draw(t, "image width")
		height := rapid.OneOf(side, rapid.Just(s.Height)).Draw(t, "image height")
		img := noise(width, height, rapid.Uint64().Draw(t, "seed"))

		d, err := NewDecoder(s, Options{ForcePortable: true})
		if err != nil {
			t.Fatal(err)
		}
		defer d.Close()
		best := d.canvas.job.most
		fast := renderRow(d, img, o)
		for kernels := range best {
			d.canvas.use(kernels)
			if !bytes.Equal(fast, renderRow(d, img, o)) {
				t.Fatalf("kernels %d and %d differ", kernels, best)
			}
		}
		got, want := numbers(s, fast), twin(s, img, o)
		step, rounding := 1.0, 0.0
		switch {
		case s.DType == Float32:
			if s.Scale != 0 {
				step *= float64(s.Scale)
			}
			if s.Std != nil {
				step /= 0.21
			}
		case policies[s.Resize].bytes:
			rounding = 1
		case policies[s.Resize].filter == nil:
			rounding = 0.5
		}
		if s.DType == Float32 && policies[s.Resize].bytes {
			rounding = 1
		}
		for i := range want {
			if !(math.Abs(got[i]-want[i])/step < rounding+0.001) {
				t.Fatalf("value %d is %v, want %v as the twin", i, got[i], want[i])
			}
		}
	})
}

// TestScaledDecodeOfFraction tests that the part that is kept does not fall below the target
// size.
func TestScaledDecodeOfFraction(t *testing.T) {
	requireTurbo(t)
	s := Spec{Width: 60, Height: 50, Layout: HWC, DType: Uint8, Resize: TFBilinearLegacy, Fit: CentralFraction,
		Fraction: 0.5, ScaledDecode: true}
	d := newDecoder(t, s, Options{})
	row := make([]byte, s.RowBytes())
	for _, c := range []struct{ w, h, wantW, wantH int }{
		{w: 480, h: 400, wantW: 120, wantH: 100},
		{w: 464, h: 400, wantW: 232, wantH: 200}, // of 116 columns, 58 would be kept
		{w: 472, h: 400, wantW: 118, wantH: 100},
		{w: 960, h: 800, wantW: 120, wantH: 100},
	} {
		if err := d.Decode(row, encodeJPEG(t, codectest.Picture(c.w, c.h, 3), 95)); err != nil {
			t.Fatal(err)
		}
		if w, h := int(d.canvas.job.width), int(d.canvas.job.height); w != c.wantW || h != c.wantH {
			t.Errorf("%dx%d decoded to %dx%d, want %dx%d", c.w, c.h, w, h, c.wantW, c.wantH)
		}
	}
}

// TestScaledDecode tests that the size never falls below the target, and that the pixels are
// near to those of the full decode.
func TestScaledDecode(t *testing.T) {
	requireTurbo(t)
	s := Spec{Width: 60, Height: 50, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch, ScaledDecode: true}
	d := newDecoder(t, s, Options{})
	s.ScaledDecode = false
	full := newDecoder(t, s, Options{})
	for _, c := range []struct{ w, h, wantW, wantH int }{
		{w: 60, h: 50, wantW: 60, wantH: 50},
		{w: 61, h: 51, wantW: 61, wantH: 51},
		{w: 480, h: 400, wantW: 60, wantH: 50},
		{w: 480, h: 399, wantW: 60, wantH: 50},
		{w: 479, h: 393, wantW: 60, wantH: 50},
		{w: 479, h: 392, wantW: 120, wantH: 98},
		{w: 2000, h: 50, wantW: 2000, wantH: 50},
		{w: 30, h: 30, wantW: 30, wantH: 30},
	} {
		t.Run(fmt.Sprintf("%dx%d", c.w, c.h), func(t *testing.T) {
			src := encodeJPEG(t, codectest.Picture(c.w, c.h, 3), 95)
			a, b := make([]byte, s.RowBytes()), make([]byte, s.RowBytes())
			if err := d.Decode(a, src); err != nil {
				t.Fatal(err)
			}
			if err := full.Decode(b, src); err != nil {
				t.Fatal(err)
			}
			if w, h := int(d.canvas.job.width), int(d.canvas.job.height); w != c.wantW || h != c.wantH {
				t.Errorf("decoded to %dx%d, want %dx%d", w, h, c.wantW, c.wantH)
			}
			if _, mean := difference(s, numbers(s, a), numbers(s, b)); mean > 10 {
				t.Errorf("differs from the full decode by %.2f on average, want at most 10", mean)
			}
		})
	}
}
