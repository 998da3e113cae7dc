package convert

import (
	"math"
	"testing"
)

// half is compared with a search for the nearest of all float16.
func TestHalfRoundsToTheNearest(t *testing.T) {
	value := func(h uint16) float64 {
		exponent, mantissa := int(h>>10&31), float64(h&0x3ff)
		if exponent == 0 {
			return math.Ldexp(mantissa, -24)
		}
		return math.Ldexp(1024+mantissa, exponent-25)
	}
	for h := uint16(0); h < 0x7bff; h++ {
		low, high := value(h), value(h+1)
		middle := float32((low + high) / 2)
		even := h + h&1
		for f, want := range map[float32]uint16{
			float32(low): h, math.Nextafter32(middle, 0): h, middle: even, math.Nextafter32(middle, 1e9): h + 1,
		} {
			if got := half(f); got != want {
				t.Fatalf("half(%g) = %#x, want %#x", f, got, want)
			}
			if got := half(-f); f != 0 && got != want|0x8000 {
				t.Fatalf("half(%g) = %#x, want %#x", -f, got, want|0x8000)
			}
		}
	}
	for f, want := range map[float32]uint16{65519: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00, float32(math.Inf(-1)): 0xfc00, 1e-30: 0} {
		if got := half(f); got != want {
			t.Errorf("half(%g) = %#x, want %#x", f, got, want)
		}
	}
	if got := half(float32(math.NaN())); got&0x7c00 != 0x7c00 || got&0x3ff == 0 {
		t.Errorf("half(NaN) = %#x, want NaN", got)
	}
}
