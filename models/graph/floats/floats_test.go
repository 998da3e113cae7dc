package floats

import (
	"bytes"
	"math"
	"testing"
)

func TestBytes(t *testing.T) {
	numbers := []float32{1, -2.5, float32(math.Inf(1)), math.Float32frombits(0x7f812345), 0}
	want := []byte{9, 0, 0, 0x80, 0x3f, 0, 0, 0x20, 0xc0, 0, 0, 0x80, 0x7f, 0x45, 0x23, 0x81, 0x7f, 0, 0, 0, 0}
	got := Append([]byte{9}, numbers)
	if !bytes.Equal(got, want) {
		t.Fatalf("% x, want % x", got, want)
	}
	again := make([]float32, len(numbers))
	Decode(again, got[1:])
	for i, v := range again {
		if math.Float32bits(v) != math.Float32bits(numbers[i]) {
			t.Errorf("number %d is %v, want %v", i, v, numbers[i])
		}
	}
}
