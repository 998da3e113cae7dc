package preprocess

import (
	"math"
	"testing"
	"unsafe"

	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// TestAxis tests with any sizes that the tables stay within the source, that the weights
// of an output are 1 in all, and that no window begins before the one before it, which the
// ring of rows needs. The largest sizes are those of an image of one row or column whose
// short side is resized to maxSide.
func TestAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := rapid.SampledFrom(resizes).Draw(t, "resize")
		key := axisKey{
			start:  rapid.IntRange(0, 100).Draw(t, "start"),
			inputs: rapid.OneOf(rapid.IntRange(1, 300), rapid.IntRange(1, codec.MaxSide)).Draw(t, "inputs"),
			flip:   rapid.Bool().Draw(t, "flip"),
		}
		key.outputs = rapid.OneOf(
			rapid.IntRange(1+key.inputs/1000, 300+key.inputs/1000),
			rapid.IntRange(key.inputs, key.inputs*maxSide),
		).Draw(t, "outputs")
		key.n = rapid.IntRange(1, min(key.outputs, 40)).Draw(t, "n")
		key.offset = rapid.IntRange(0, key.outputs-key.n).Draw(t, "offset")

		var a axis
		defer a.free()
		p := policies[r]
		if p.grows != nil && key.outputs > key.inputs {
			p = *p.grows
		}
		a.set(p, key, kernelsWithDigits)
		var paired axis
		defer paired.free()
		paired.set(p, key, kernelsWithPairs)
		if p.filter != nil {
			checkPairs(t, &paired, &a)
		}
		n, taps := key.n, int(a.c.taps)
		first := unsafe.Slice((*int32)(a.first.pointer()), n)
		before := int32(0)
		for i, lo := range first {
			if lo < before || int(lo) < key.start || int(lo) >= key.start+key.inputs {
				t.Fatalf("output %d begins at %d, want %d or later, and %d to %d", i, lo, before, key.start, key.start+key.inputs-1)
			}
			before = lo
			switch {
			case p.filter != nil:
				w := unsafe.Slice((*int16)(a.weights.pointer()), n*taps*2)[2*i*taps:]
				sum, size := 0, 0
				for k := range taps {
					weight := int(w[k])<<11 + int(w[taps+k])
					if weight != 0 && int(lo)+k >= key.start+key.inputs {
						t.Fatalf("output %d has a weight for %d, outside the source", i, int(lo)+k)
					}
					digits := unsafe.Slice((*int8)(a.digits.pointer()), (n+3)/4*taps*12)[i/4*taps*12+k/4*48+i%4*4+k%4:]
					if v := int(digits[0]) + int(digits[16])<<8 + int(digits[32])<<16; v != weight {
						t.Fatalf("output %d has the digits of %d, want %d", i, v, weight)
					}
					sum += weight
					size += max(weight, -weight)
				}
				// The kernels add up in 32 bits, in any order.
				if most := size*255 + 1<<(22-1); most > math.MaxInt32 {
					t.Fatalf("output %d of white and black pixels reaches %d, which 32 bits do not hold", i, most)
				}
				if off := sum - 1<<22; off < -taps || off > taps {
					t.Fatalf("output %d has weights of %d in all, want %d", i, sum, 1<<22)
				}
			case p.area:
				sum := 0.0
				for _, c := range unsafe.Slice((*float32)(a.cover.pointer()), n*taps)[i*taps:][:taps] {
					sum += float64(c)
				}
				if math.Abs(sum-1) > 1e-5 || int(lo)+taps > key.start+key.inputs {
					t.Fatalf("output %d covers %v of %d pixels that begin at %d, want 1, within the source", i, sum, taps, lo)
				}
			case p.fixed != nil:
				sum := 0
				for k := range taps {
					at := int(unsafe.Slice((*int32)(a.index.pointer()), n*taps)[i*taps+k])
					if at < int(lo) || at >= min(int(lo)+taps, key.start+key.inputs) {
						t.Fatalf("output %d has a weight for %d, want %d or one of the %d after it, within the source", i, at, lo, taps-1)
					}
					sum += int(unsafe.Slice((*int32)(a.fixed.pointer()), n*taps)[i*taps+k])
				}
				if off := sum - 1<<fixedBits; off < -taps || off > taps {
					t.Fatalf("output %d has weights of %d in all, want %d", i, sum, 1<<fixedBits)
				}
			default:
				hi := int(unsafe.Slice((*int32)(a.second.pointer()), n)[i])
				if hi < int(lo) || hi > int(lo)+1 || hi >= key.start+key.inputs {
					t.Fatalf("output %d is between %d and %d, want neighbours within the source", i, lo, hi)
				}
			}
		}
	})
}

// weightAt returns the weight that an output of a filter has for an input.
func (a *axis) weightAt(output, input int) int {
	n, taps := int(a.c.n), int(a.c.taps)
	t := input - int(unsafe.Slice((*int32)(a.first.pointer()), n)[output])
	if t < 0 || t >= taps {
		return 0
	}
	w := unsafe.Slice((*int16)(a.weights.pointer()), n*taps*2)[2*output*taps:]
	return int(w[t])<<11 + int(w[taps+t])
}

// checkPairs tests that an axis for kernels with pairs has the weights of another, and that
// all four channels of an output have the same pairs.
func checkPairs(t *rapid.T, paired, a *axis) {
	n, taps := int(paired.c.n), int(paired.c.taps)
	first := unsafe.Slice((*int32)(paired.first.pointer()), n)
	for i, lo := range first {
		if i > 0 && lo < first[i-1] {
			t.Fatalf("output %d begins at %d, before the one before it", i, lo)
		}
		for k := range taps {
			want := a.weightAt(i, int(lo)+k)
			if got := paired.weightAt(i, int(lo)+k); got != want {
				t.Fatalf("output %d has a weight of %d for %d, want %d", i, got, int(lo)+k, want)
			}
			if taps > mostPaired {
				continue
			}
			pairs := unsafe.Slice((*int16)(paired.pairs.pointer()), (n+3)&^3*taps*8)[i/2*taps*16+k&^1*16+i%2*8+k%2:]
			if paired.c.flat != nil {
				flat := unsafe.Slice((*int16)(paired.flat.pointer()), (n+7)&^7*taps*3)[i&^7*taps*3+k/2*48+i%8*2+k%2:]
				at := int(first[i&^3]) + int(uint8(flat[0]))
				if v := int(flat[32])<<11 + int(flat[16]); v != want || at != int(lo)+k || uint8(flat[0]) > 15 {
					t.Fatalf("output %d has %d for %d in planes, want %d for %d", i, v, at, want, int(lo)+k)
				}
			}
			for c := range 4 {
				if v := int(pairs[16+2*c])<<11 + int(pairs[2*c]); v != want {
					t.Fatalf("output %d has the pair of %d for channel %d, want %d", i, v, c, want)
				}
			}
		}
	}
}

// TestAxes tests that an axis is kept while sizes alternate, and replaced after many others.
func TestAxes(t *testing.T) {
	var s axes
	defer s.free()
	p := policies[PillowBilinear]
	key := func(inputs int) axisKey { return axisKey{inputs: inputs, outputs: 8, n: 8} }
	for _, inputs := range []int{10, 20, largeAxis, 10, 20, largeAxis} {
		if got := s.get(p, key(inputs)); got.n != 8 {
			t.Fatalf("axis of %d inputs has %d outputs, want 8", inputs, got.n)
		}
	}
	if s.next != 2 {
		t.Errorf("%d axes were computed, want 2", s.next)
	}
	kept := func(inputs int) bool {
		for i := range s.kept {
			if s.kept[i].key == key(inputs) {
				return true
			}
		}
		return false
	}
	for inputs := range len(s.kept) - 2 {
		s.get(p, key(100+inputs))
	}
	if kept(10) || !kept(20) || !kept(largeAxis) {
		t.Errorf("kept 10: %t, 20: %t, %d: %t; want the last two", kept(10), kept(20), largeAxis, kept(largeAxis))
	}
}
