package dds

import (
	"encoding/binary"
	"math/bits"
)

type mode struct {
	subsets, partition   int  // of the pixels; bits that choose the partition
	rotation, selection  int  // bits: which channel alpha is swapped with; which indices are the colours'
	colour, alpha        int  // bits of a sample
	ownLow, sharedLow    bool // a lowest bit for each end of each subset, or for both ends
	indices, moreIndices int  // bits of an index
}

// modes are how the bits of a block of BC7 are laid out, by the number of zeros that the block
// begins with.
var modes = [8]mode{
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

// The pixels whose index is stored without its highest bit: of the second of two subsets, and of
// the second and the third of three. Of the first subset it is the first.
var (
	anchorOfTwo = [64]uint8{
		15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 2, 8, 2, 2, 8, 8, 15, 2, 8, 2, 2, 8, 8, 2, 2,
		15, 15, 6, 8, 2, 8, 15, 15, 2, 8, 2, 2, 2, 15, 15, 6, 6, 2, 6, 8, 15, 15, 2, 2, 15, 15, 15, 15, 15, 2, 2, 15,
	}
	anchorOfThree = [64]uint8{
		3, 3, 15, 15, 8, 3, 15, 15, 8, 8, 6, 6, 6, 5, 3, 3, 3, 3, 8, 15, 3, 3, 6, 10, 5, 8, 8, 6, 8, 5, 15, 15,
		8, 15, 3, 5, 6, 10, 8, 15, 15, 3, 15, 5, 15, 15, 15, 15, 3, 15, 5, 5, 5, 8, 5, 10, 5, 10, 8, 13, 15, 12, 3, 3,
	}
	anchorOfThree2 = [64]uint8{
		15, 8, 8, 3, 15, 15, 3, 8, 15, 15, 15, 15, 15, 15, 15, 8, 15, 8, 15, 3, 15, 8, 15, 8, 3, 15, 6, 10, 15, 15, 10, 8,
		15, 3, 15, 10, 10, 8, 9, 10, 6, 15, 8, 15, 3, 6, 6, 8, 15, 3, 15, 15, 15, 15, 15, 15, 15, 15, 15, 15, 3, 15, 15, 8,
	}
)

// weights are how much of the second end an index stands for, of 64, by the bits of an index.
var weights = [5][]uint64{
	2: {0, 21, 43, 64}, 3: {0, 9, 18, 27, 37, 46, 55, 64}, 4: {0, 4, 9, 13, 17, 21, 26, 30, 34, 38, 43, 47, 51, 55, 60, 64},
}

// bitReader reads the bits of a block, the lowest first.
type bitReader struct{ low, high uint64 }

// read reads n bits, fewer than 64.
func (r *bitReader) read(n int) uint64 {
	v := r.low & (1<<(n&63) - 1)
	r.low = r.low>>(n&63) | r.high<<1<<((63-n)&63)
	r.high >>= n & 63
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
	partition, rotation, selection := int(r.read(m.partition)), int(r.read(m.rotation)), r.read(m.selection)
	ends := r.ends(m)
	first, second := r.indices(m.indices, m.subsets, partition), uint64(0)
	firstBits, secondBits := m.indices, m.moreIndices
	if m.moreIndices > 0 { // and one subset
		second = r.indices(m.moreIndices, 1, 0)
		if selection == 1 {
			first, second, firstBits, secondBits = second, first, secondBits, firstBits
		}
	}
	var colours [4][16]uint32 // by subset and index
	for s := range m.subsets {
		palette(&colours[s], ends[2*s], ends[2*s+1], firstBits)
	}
	mask := uint64(1)<<firstBits - 1
	switch m.subsets {
	case 1:
		for i := range to {
			binary.LittleEndian.PutUint32(to[i][:], colours[0][first&mask&15])
			first >>= firstBits & 63
		}
	case 2:
		for i, set := 0, twoSubsets[partition&63]; i < len(to); i, set = i+1, set>>1 {
			binary.LittleEndian.PutUint32(to[i][:], colours[set&1][first&mask&15])
			first >>= firstBits & 63
		}
	case 3:
		for i, set := 0, threeSubsets[partition&63]; i < len(to); i, set = i+1, set>>2 {
			binary.LittleEndian.PutUint32(to[i][:], colours[set&3][first&mask&15])
			first >>= firstBits & 63
		}
	}
	if m.moreIndices > 0 {
		palette(&colours[1], ends[0], ends[1], secondBits)
		mask = 1<<secondBits - 1
		for i := range to {
			to[i][3] = uint8(colours[1][second&mask&15] >> 24)
			second >>= secondBits & 63
		}
	}
	if rotation > 0 {
		for i := range to {
			to[i][3], to[i][rotation-1] = to[i][rotation-1], to[i][3]
		}
	}
}

// ends reads the two colours of each subset, each channel in 16 bits of a number.
func (r *bitReader) ends(m *mode) (ends [6]uint64) {
	n := 2 * m.subsets
	var samples [4][6]uint64
	for c := range 4 {
		size := m.colour
		if c == 3 {
			size = m.alpha
		}
		all := r.read(n * size)
		for i := range n {
			samples[c][i] = all & (1<<(size&63) - 1)
			all >>= size & 63
		}
	}
	low := uint64(0)
	for i := range n {
		if m.ownLow || m.sharedLow && i%2 == 0 {
			low = r.read(1)
		}
		for c := range 4 {
			size, v := m.colour, samples[c][i]
			if c == 3 {
				size = m.alpha
			}
			if size == 0 {
				ends[i] |= 255 << 48
				continue
			}
			if m.ownLow || m.sharedLow {
				v, size = v<<1|low, size+1
			}
			v <<= (8 - size) & 63
			ends[i] |= (v | v>>(size&63)) << (16 * c)
		}
	}
	return ends
}

// palette fills the colours from one end to the other, for indices of so many bits. All channels
// are computed at once: no sum is more than 16 bits.
func palette(colours *[16]uint32, a, b uint64, indexBits int) {
	const half, low = 32 * 0x0001_0001_0001_0001, 0x00ff_00ff_00ff_00ff
	for i, w := range weights[indexBits] {
		v := (a*(64-w) + b*w + half) >> 6 & low
		v = (v | v>>8) & 0x0000_ffff_0000_ffff
		colours[i&15] = uint32(v | v>>16)
	}
}

// indices reads the indices of all pixels, each in as many bits.
func (r *bitReader) indices(size, subsets, partition int) uint64 {
	anchors := anchorsOf(subsets, partition)
	all := r.read(16*size - bits.OnesCount(anchors))
	for ; anchors != 0; anchors &= anchors - 1 { // whose highest bits are missing
		before := uint64(1)<<((bits.TrailingZeros(anchors)+1)*size-1) - 1
		all = all&before | all&^before<<1
	}
	return all
}

// anchorsOf returns a bit for each pixel whose index is stored without its highest bit.
func anchorsOf(subsets, partition int) uint {
	switch subsets {
	case 2:
		return 1 | 1<<anchorOfTwo[partition]
	case 3:
		return 1 | 1<<anchorOfThree[partition] | 1<<anchorOfThree2[partition]
	}
	return 1
}
