package preprocess

import (
	"bytes"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// fitBound returns how near the fits are to the projects that they are named after, in steps of 8
// bits. OpenCV's sums for INTER_CUBIC and INTER_AREA are in float32, and depend on the processor.
func fitBound(c policyCase, turbo bool) bound {
	lossy := strings.HasSuffix(c.File, ".jpg")
	switch {
	case lossy && !turbo:
		return bound{6, 0.5}
	case c.Spec.Resize == OpenCVCubic && c.Source == "opencv":
		return bound{1.001, 0.1} // as Intel's library makes it
	case c.Spec.Resize == OpenCVCubic:
		return bound{1.001, 0.01}
	case c.Spec.Resize == OpenCVArea:
		return bound{1.001, 0.01}
	case c.Spec.DType == Float32:
		return bound{0.001, 0.0001}
	case strings.HasPrefix(c.File, "webp-lossy"):
		return bound{1, 0.05}
	}
	return bound{0, 0}
}

// TestFault19_Fits compares OpenCV's resizes, padding, further crops, grey and backgrounds with
// the references.
func TestFault19_Fits(t *testing.T) {
	cases := policyCases(t, "fits")
	for _, b := range backends {
		t.Run(b.name, func(t *testing.T) {
			turbo := !b.opt.ForcePortable
			if turbo {
				requireTurbo(t)
			}
			worst := map[string]bound{}
			for _, c := range cases {
				d := newDecoder(t, c.Spec, b.opt)
				row := bytes.Repeat([]byte{0xaa}, c.Spec.RowBytes())
				if err := d.Decode(row, readFixture(t, c.File)); err != nil {
					t.Fatalf("%v: %v", c, err)
				}
				step := float64(max(c.Spec.Scale, 0))
				if step == 0 {
					step = 1
				}
				if c.Spec.Std != nil {
					step /= float64(c.Spec.Std[0])
				}
				got, want := numbers(c.Spec, row), numbers(c.Spec, c.tensor)
				for i := range got {
					got[i], want[i] = got[i]/step, want[i]/step
				}
				most, mean := difference(Spec{}, got, want)
				if b := fitBound(c, turbo); most > b.most || mean > b.mean {
					t.Errorf("%v: differs by at most %.4f, on average %.5f; bounds %v", c, most, mean, b)
				}
				kind := c.Source + " " + string(c.Spec.Resize) + " " + string(c.Spec.Fit)
				w := worst[kind]
				worst[kind] = bound{max(w.most, most), max(w.mean, mean)}
			}
			for kind, w := range worst {
				t.Logf("%s: at most %.4f, on average %.5f", kind, w.most, w.mean)
			}
		})
	}
	for _, f := range Fits() {
		inOther := []Fit{Stretch, CenterCrop, SlimCenterCrop, CentralFraction}
		if !slices.ContainsFunc(cases, func(c policyCase) bool { return c.Spec.Fit == f }) && !slices.Contains(inOther, f) {
			t.Errorf("no case of fit %s", f)
		}
	}
}

// TestAlphaOfFormats tests that pictures without transparency, and all of them without a background,
// are as they were.
func TestAlphaOfFormats(t *testing.T) {
	for _, file := range []string{"png-alpha.png", "webp-lossless-alpha.webp", "gif-transparent.gif", "bmp-32.bmp"} {
		s := smallSpec
		plain := make([]byte, s.RowBytes())
		if err := newDecoder(t, s, Options{}).Decode(plain, readFixture(t, file)); err != nil {
			t.Fatal(err)
		}
		s.Background = []int{1, 2, 3}
		d := newDecoder(t, s, Options{})
		blended := make([]byte, s.RowBytes())
		if err := d.Decode(blended, readFixture(t, file)); err != nil {
			t.Fatal(err)
		}
		if transparent := file != "bmp-32.bmp"; bytes.Equal(plain, blended) == transparent {
			t.Errorf("%s: a background changes it: %t, want %t", file, !transparent, transparent)
		}
		// What is left from that picture in its memory is not taken for alpha.
		opaque := make([]byte, s.RowBytes())
		if err := d.Decode(opaque, readFixture(t, "png-rgb.png")); err != nil {
			t.Fatal(err)
		}
		s.Background = nil
		if err := newDecoder(t, s, Options{}).Decode(plain, readFixture(t, "png-rgb.png")); err != nil {
			t.Fatal(err)
		}
		if !bytes.Equal(plain, opaque) {
			t.Errorf("a picture without transparency changed after %s", file)
		}
	}
}

var _ codec.AlphaCanvas = (*canvas)(nil)
