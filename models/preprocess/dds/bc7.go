package dds

import (
	"encoding/binary"
	"math/bits"
)

// modes are how the bits of a block of BC7 are laid out, by the number of zeros that the block
// begins with.
var modes = [8]struct {
	subsets, partition   int  // of the pixels; bits that choose the partition
	rotation, selection  int  // bits: which channel alpha is swapped with; which indices are the colours'
	colour, alpha        int  // bits of a sample
	ownLow, sharedLow    bool // a lowest bit for each end of each subset, or for both ends
	indices, moreIndices int  // bits of an index
}{
	{subsets: 3, partition: 4, colour: 4, ownLow: true, indices: 3},
	{subsets: 2, partition: 6, colour: 6, sharedLow: true, indices: 3},
	{subsets: 3, partition: 6, colour: 5, indices: 2},
	{subsets: 2, partition: 6, colour: 7, ownLow: true, indices: 2},
	{subsets: 1, rotation: 2, selection: 1, colour: 5, alpha: 6, indices: 2, moreIndices: 3},
	{subsets: 1, rotation: 2, colour: 7, alpha: 8, indices: 2, moreIndices: 2},
	{subsets: 1, colour: 7, alpha: 7, ownLow: true, indices: 4},
	{subsets: 2, partition: 6, colour: 5, alpha: 5, ownLow: true, indices: 2},
}

// twoSubsets and threeSubsets are the partitions: the subset of each pixel, in 1 or 2 bits.
var (
	twoSubsets = [64]uint16{
		0xcccc, 0x8888, 0xeeee, 0xecc8, 0xc880, 0xfeec, 0xfec8, 0xec80, 0xc800, 0xffec, 0xfe80, 0xe800, 0xffe8, 0xff00, 0xfff0, 0xf000,
		0xf710, 0x008e, 0x7100, 0x08ce, 0x008c, 0x7310, 0x3100, 0x8cce, 0x088c, 0x3110, 0x6666, 0x366c, 0x17e8, 0x0ff0, 0x718e, 0x399c,
		0xaaaa, 0xf0f0, 0x5a5a, 0x33cc, 0x3c3c, 0x55aa, 0x9696, 0xa55a, 0x73ce, 0x13c8, 0x324c, 0x3bdc, 0x6996, 0xc33c, 0x9966, 0x0660,
		0x0272, 0x04e4, 0x4e40, 0x2720, 0xc936, 0x936c, 0x39c6, 0x639c, 0x9336, 0x9cc6, 0x817e, 0xe718, 0xccf0, 0x0fcc, 0x7744, 0xee22,
	}
	threeSubsets = [64]uint32{
		0xaa685050, 0x6a5a5040, 0x5a5a4200, 0x5450a0a8, 0xa5a50000, 0xa0a05050, 0x5555a0a0, 0x5a5a5050,
		0xaa550000, 0xaa555500, 0xaaaa5500, 0x90909090, 0x94949494, 0xa4a4a4a4, 0xa9a59450, 0x2a0a4250,
		0xa5945040, 0x0a425054, 0xa5a5a500, 0x55a0a0a0, 0xa8a85454, 0x6a6a4040, 0xa4a45000, 0x1a1a0500,
		0x0050a4a4, 0xaaa59090, 0x14696914, 0x69691400, 0xa08585a0, 0xaa821414, 0x50a4a450, 0x6a5a0200,
		0xa9a58000, 0x5090a0a8, 0xa8a09050, 0x24242424, 0x00aa5500, 0x24924924, 0x24499224, 0x50a50a50,
		0x500aa550, 0xaaaa4444, 0x66660000, 0xa5a0a5a0, 0x50a050a0, 0x69286928, 0x44aaaa44, 0x66666600,
		0xaa444444, 0x54a854a8, 0x95809580, 0x96969600, 0xa85454a8, 0x80959580, 0xaa141414, 0x96960000,
		0xaaaa1414, 0xa05050a0, 0xa0a5a5a0, 0x96000000, 0x40804080, 0xa9a8a9a8, 0xaaaaaa44, 0x2a4a5254,
	}
)

// The pixels whose index is stored without its highest bit, as hexadecimal digits: of the second
// of two subsets, and of the second and the third of three. Of the first subset it is the first.
const (
	anchorOfTwo    = "fffffffffffffffff282288f28228822ff6828ff28222ff66268ff22fffff22f"
	anchorOfThree  = "33ff83ff88666533338f336a588685ff8f356a8ff3f5ffff3f55585a5a8dfc33"
	anchorOfThree2 = "f883ff38fffffff8f8f3f8f83f6affa8f3faa89a6f8f3668f3ffffffffff3ff8"
)

// weights are how much of the second end an index stands for, of 64, by the bits of an index.
var weights = [5][]int{
	2: {0, 21, 43, 64}, 3: {0, 9, 18, 27, 37, 46, 55, 64}, 4: {0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64},
}

// bitReader reads the bits of a block, the lowest first.
type bitReader struct{ low, high uint64 }

func (r *bitReader) read(n int) int {
	v := int(r.low & (1<<n - 1))
	r.low = r.low>>n | r.high<<(64-n)
	r.high >>= n
	return v
}

// bc7 decodes a block of BC7.
func bc7(to *block, src []byte) {
	mode := bits.TrailingZeros8(src[0])
	if mode == 8 { // reserved
		*to = block{}
		return
	}
	m := &modes[mode]
	r := &bitReader{low: binary.LittleEndian.Uint64(src), high: binary.LittleEndian.Uint64(src[8:])}
	r.read(mode + 1)
	partition, rotation, selection := r.read(m.partition), r.read(m.rotation), r.read(m.selection)
	var ends [6][4]int // two of each subset
	n := 2 * m.subsets
	for c := range 4 {
		size := m.colour
		if c == 3 {
			size = m.alpha
		}
		for i := range n {
			ends[i][c] = r.read(size)
		}
	}
	low := 0
	for i := range n {
		if m.ownLow || m.sharedLow && i%2 == 0 {
			low = r.read(1)
		}
		for c := range 4 {
			size := m.colour
			if c == 3 {
				size = m.alpha
			}
			v := ends[i][c]
			if (m.ownLow || m.sharedLow) && size > 0 {
				v, size = v<<1|low, size+1
			}
			if size == 0 {
				v = 255
			} else if v <<= 8 - size; size < 8 {
				v |= v >> size
			}
			ends[i][c] = v
		}
	}
	var first, second [16]int
	for i := range first {
		size := m.indices
		if isAnchor(m.subsets, partition, i) {
			size--
		}
		first[i] = r.read(size)
	}
	colourBits, alphaBits := m.indices, m.indices
	second = first
	if m.moreIndices > 0 {
		for i := range second {
			size := m.moreIndices
			if i == 0 {
				size--
			}
			second[i] = r.read(size)
		}
		alphaBits = m.moreIndices
		if selection == 1 {
			first, second, colourBits, alphaBits = second, first, alphaBits, colourBits
		}
	}
	for i := range to {
		s := subset(m.subsets, partition, i)
		a, b := &ends[2*s], &ends[2*s+1]
		for c := range 4 {
			w := weights[colourBits][first[i]]
			if c == 3 {
				w = weights[alphaBits][second[i]]
			}
			to[i][c] = uint8(((64-w)*a[c] + w*b[c] + 32) >> 6)
		}
		if rotation > 0 {
			to[i][3], to[i][rotation-1] = to[i][rotation-1], to[i][3]
		}
	}
}

// subset returns which subset a pixel is in.
func subset(subsets, partition, pixel int) int {
	switch subsets {
	case 2:
		return int(twoSubsets[partition] >> pixel & 1)
	case 3:
		return int(threeSubsets[partition] >> (2 * pixel) & 3)
	}
	return 0
}

// isAnchor reports whether the index of a pixel is stored without its highest bit.
func isAnchor(subsets, partition, pixel int) bool {
	const digits = "0123456789abcdef"
	d := digits[pixel]
	switch {
	case pixel == 0:
		return true
	case subsets == 2:
		return anchorOfTwo[partition] == d
	case subsets == 3:
		return anchorOfThree[partition] == d || anchorOfThree2[partition] == d
	}
	return false
}
