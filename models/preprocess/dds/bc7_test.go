package dds

import (
	"encoding/binary"
	"fmt"
	"testing"
)

// TestRotation tests that a block of BC7 with a rotation has its alpha in the channel that the rotation
// names, and that channel's values as alpha, as the format's definition says.
func TestRotation(t *testing.T) {
	// Mode 5: both ends have red 1, green 2 and blue 3 of 127, and alpha 200 of 255.
	plain := [4]uint8{1 << 1, 2 << 1, 3 << 1, 200}
	for rotation := range 4 {
		t.Run(fmt.Sprint(rotation), func(t *testing.T) {
			var low, high uint64
			at := 0
			put := func(v uint64, n int) {
				if at < 64 {
					low |= v << at
				}
				if at+n > 64 {
					high |= v << 1 >> max(0, 65-at) << max(0, at-64)
				}
				at += n
			}
			put(1<<5, 6)
			put(uint64(rotation), 2)
			for _, v := range []uint64{1, 1, 2, 2, 3, 3} {
				put(v, 7)
			}
			put(200, 8)
			put(200, 8)
			var got block
			bc7(&got, binary.LittleEndian.AppendUint64(binary.LittleEndian.AppendUint64(nil, low), high))
			want := plain
			if rotation > 0 {
				want[3], want[rotation-1] = want[rotation-1], want[3]
			}
			for i, pixel := range got {
				if pixel != want {
					t.Fatalf("pixel %d is %v, want %v", i, pixel, want)
				}
			}
		})
	}
}
