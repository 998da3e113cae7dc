package float16

import (
	"math"
	"testing"
)

// TestBits compares with a search for the nearest of all float16.
func TestBits(t *testing.T) {
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
			if got := Bits(f); got != want {
				t.Fatalf("Bits(%g) = %#x, want %#x", f, got, want)
			}
			if got := Bits(-f); f != 0 && got != want|0x8000 {
				t.Fatalf("Bits(%g) = %#x, want %#x", -f, got, want|0x8000)
			}
		}
	}
	for f, want := range map[float32]uint16{
		0: 0, 65519: 0x7bff, 65520: 0x7c00, 1e30: 0x7c00, float32(math.Inf(-1)): 0xfc00, 1e-30: 0,
		1: 0x3c00, -2: 0xc000, 1. / 3: 0x3555, 2049: 0x6800, 2051: 0x6802, 1. / (1 << 14): 0x400, 0.99999 / (1 << 14): 0x400,
	} {
		if got := Bits(f); got != want {
			t.Errorf("Bits(%g) = %#x, want %#x", f, got, want)
		}
	}
	if got := Bits(float32(math.Copysign(0, -1))); got != 0x8000 {
		t.Errorf("Bits(-0) = %#x, want 0x8000", got)
	}
	if got := Bits(float32(math.NaN())); got&0x7c00 != 0x7c00 || got&0x3ff == 0 {
		t.Errorf("Bits(NaN) = %#x, want NaN", got)
	}
}

// TestValue: every float16 is itself after a way there and back, and each of the powers of two is
// that power.
func TestValue(t *testing.T) {
	for h := range 1 << 16 {
		v := Value(uint16(h))
		if isNumber := h&0x7fff <= 0x7c00; isNumber != (v == v) || isNumber && Bits(v) != uint16(h) {
			t.Fatalf("Value(%#04x) = %v, which is %#04x", h, v, Bits(v))
		}
	}
	for exponent := -24; exponent < 16; exponent++ {
		h := uint16((exponent + 15) << 10)
		if exponent < -14 {
			h = 1 << (exponent + 24)
		}
		if v := Value(h); float64(v) != math.Ldexp(1, exponent) {
			t.Errorf("Value(%#04x) = %v, want 2^%d", h, v, exponent)
		}
	}
	if v := Value(0xfc00); !math.IsInf(float64(v), -1) {
		t.Errorf("Value(0xfc00) = %v, want -Inf", v)
	}
}
