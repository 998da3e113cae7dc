package tiff

import (
	"encoding/binary"
	"errors"
	"hash"
	"hash/crc32"
	"hash/crc64"
)

// Errors of LZMA data.
var (
	errXZ     = errors.New("bad LZMA data")
	errFilter = errors.New("an LZMA filter that is not decoded")
	errSum    = errors.New("a wrong checksum")
)

// An xzReader expands the first block of an .xz stream: LZMA2, after which the filter "delta"
// may add up bytes, as libtiff writes it.
type xzReader struct {
	lzma2
	distance int // of the filter; 0 without one
	last     [256]uint8
	at       int // of the filter in last
	sum      hash.Hash
	sumBytes int // of the checksum in the file
}

// crc64Table is that of ECMA-182.
var crc64Table = crc64.MakeTable(crc64.ECMA)

// open begins a stream of which n bytes are read.
func (z *xzReader) open(src []uint8, n int) error {
	z.distance, z.at, z.sum, z.sumBytes = 0, 0, nil, 0
	clear(z.last[:])
	const header = 12
	if len(src) < header+1 {
		return errShort
	}
	if string(src[:7]) != "\xfd7zXZ\x00\x00" || crc32.ChecksumIEEE(src[6:8]) != binary.LittleEndian.Uint32(src[8:]) {
		return errXZ
	}
	switch src[7] {
	case 0:
	case 1:
		z.sum = crc32.NewIEEE()
	case 4:
		z.sum = crc64.New(crc64Table)
	}
	if src[7] <= 15 {
		z.sumBytes = []int{0, 4, 4, 4, 8, 8, 8, 16, 16, 16, 32, 32, 32, 64, 64, 64}[src[7]]
	}
	src = src[header:]
	size := 4 * (int(src[0]) + 1)
	if src[0] == 0 || len(src) < size {
		return errShort
	}
	block := src[:size-4]
	if crc32.ChecksumIEEE(block) != binary.LittleEndian.Uint32(src[size-4:]) {
		return errXZ
	}
	dictionary, err := z.filters(block)
	if err != nil {
		return err
	}
	z.lzma2.open(src[size:], dictionary, n)
	return nil
}

// dictionaryOf returns how many bytes the matches of a stream may refer to, which begins with
// src; 0 if it is not decoded.
func dictionaryOf(src []uint8) int {
	const header = 12
	if len(src) <= header || len(src) < header+4*(int(src[header])+1) {
		return 0
	}
	z := &xzReader{}
	n, err := z.filters(src[header:][:4*int(src[header])])
	if err != nil {
		return 0
	}
	return n
}

// filters reads the header of a block, and returns how many bytes matches may refer to.
func (z *xzReader) filters(block []uint8) (int, error) {
	if len(block) < 8 {
		return 0, errXZ
	}
	flags := block[1]
	b := block[2:]
	number := func() (v uint64) {
		for shift := 0; len(b) > 0 && shift < 63; shift += 7 {
			c := b[0]
			b = b[1:]
			if v |= uint64(c&0x7f) << shift; c < 0x80 {
				break
			}
		}
		return v
	}
	for _, size := range []uint8{0x40, 0x80} { // of the block, coded and not
		if flags&size != 0 {
			number()
		}
	}
	for i := range int(flags&3) + 1 {
		id, size := number(), number()
		if size != 1 || len(b) < 1 {
			return 0, errFilter
		}
		v := b[0]
		b = b[1:]
		switch last := i == int(flags&3); {
		case id == 3 && !last && z.distance == 0:
			z.distance = int(v) + 1
		case id == 0x21 && last && v <= 40:
			if v == 40 {
				return 1<<32 - 1, nil
			}
			return (2 | int(v)&1) << (v/2 + 11), nil
		default:
			return 0, errFilter
		}
	}
	return 0, errFilter
}

// read fills dst, unless the data end or are bad.
func (z *xzReader) read(dst []uint8) (int, error) {
	n, err := z.lzma2.read(dst)
	out := dst[:n]
	switch d := z.distance; {
	case d == 0:
	case d == 1:
		v := z.last[0]
		for i := range out {
			v += out[i]
			out[i] = v
		}
		z.last[0] = v
	default:
		for i := range out {
			out[i] += z.last[(z.at-d)&255]
			z.last[z.at&255] = out[i]
			z.at++
		}
	}
	if z.sum != nil {
		_, _ = z.sum.Write(out)
	}
	return n, err
}

// check compares the checksum, if the data end where they are read to.
func (z *xzReader) check() error {
	var more [1]uint8
	if n, err := z.lzma2.read(more[:]); n > 0 || err != nil || z.sum == nil || !z.over {
		return nil
	}
	from := z.source[:len(z.source)-len(z.src)]
	at := len(from) + (4-len(from)%4)%4
	if at+z.sumBytes > len(z.source) {
		return nil
	}
	sum := z.sum.Sum(nil) // the highest byte first, in the file last
	for i, b := range z.source[at : at+z.sumBytes] {
		if sum[len(sum)-1-i] != b {
			return errSum
		}
	}
	return nil
}

// An lzma2 expands chunks of LZMA2, whose window holds what matches may refer to.
type lzma2 struct {
	source []uint8 // all chunks
	src    []uint8 // what is left of them
	over   bool    // the last chunk was read
	err    error

	window []uint8
	most   int // bytes that matches may refer to
	begins int // where in window they begin
	offset int // of the position in the data that of window counts from
	at     int // what of window is read

	left   int // bytes of the chunk that are not expanded
	packed bool
	coded  lzmaStream
	model  lzmaModel
	known  bool // the model was set
	goOnly bool // C is not used, which is slower
}

// lzmaStep is how many bytes are expanded at a time, except for a last match.
const lzmaStep = 1 << 16

// lzmaWindow returns how large the window is for data of n bytes.
func lzmaWindow(dictionary, n int) int {
	return min(n, dictionary+max(dictionary/4, 2*lzmaStep)) + lzmaStep + 512
}

func (z *lzma2) open(src []uint8, dictionary, n int) {
	if size := lzmaWindow(dictionary, n); cap(z.window) < size {
		z.window = make([]uint8, 0, size)
	}
	z.window, z.source, z.src, z.most = z.window[:0], src, src, dictionary
	z.over, z.err, z.begins, z.offset, z.at, z.left, z.known = false, nil, 0, 0, 0, 0, false
}

// read fills dst, unless the data end or are bad.
func (z *lzma2) read(dst []uint8) (int, error) {
	n := 0
	for {
		m := copy(dst[n:], z.window[z.at:])
		z.at += m
		if n += m; n == len(dst) {
			return n, nil
		}
		if z.over || z.err != nil {
			return n, z.err
		}
		z.err = z.expand()
	}
}

// expand expands more to the window, of which all is read.
func (z *lzma2) expand() error {
	if cap(z.window)-len(z.window) < lzmaStep+300 {
		from := max(z.begins, len(z.window)-z.most, len(z.window)-(cap(z.window)-lzmaStep-300))
		n := copy(z.window, z.window[from:])
		z.window, z.begins = z.window[:n], max(0, z.begins-from)
		z.offset += from
		z.at = n
	}
	if z.left == 0 {
		if err := z.chunk(); err != nil || z.over {
			return err
		}
	}
	n := min(z.left, lzmaStep)
	if !z.packed {
		if n = min(n, len(z.src)); n == 0 {
			return errShort
		}
		z.window = append(z.window, z.src[:n]...)
		z.src = z.src[n:]
		z.left -= n
		return nil
	}
	before := len(z.window)
	var ok bool
	expand := (*lzmaModel).expandFast
	if z.goOnly {
		expand = (*lzmaModel).expand
	}
	z.window, ok = expand(&z.model, &z.coded, z.window, before+n, before+z.left, z.begins, uint32(z.offset))
	z.left -= len(z.window) - before
	switch {
	case !ok && z.coded.short():
		return errShort
	case !ok:
		return errXZ
	}
	return nil
}

// forget begins new data, which refer to nothing before.
func (z *lzma2) forget() { z.begins, z.offset = len(z.window), -len(z.window) }

// chunk reads the header of the next chunk.
func (z *lzma2) chunk() error {
	if len(z.src) == 0 {
		return errShort
	}
	control := z.src[0]
	switch {
	case control == 0:
		z.src = z.src[1:]
		z.over = true
		return nil
	case control == 1 || control == 2:
		if len(z.src) < 3 {
			return errShort
		}
		if control == 1 {
			z.forget()
		}
		z.left, z.packed = int(binary.BigEndian.Uint16(z.src[1:]))+1, false
		z.src = z.src[3:]
		return nil
	case control < 0x80:
		return errXZ
	}
	if len(z.src) < 6 {
		return errShort
	}
	z.left = int(control&0x1f)<<16 + int(binary.BigEndian.Uint16(z.src[1:])) + 1
	size := int(binary.BigEndian.Uint16(z.src[3:])) + 1
	reset, head := control>>5&3, 5
	if reset == 3 {
		z.forget()
	}
	if reset >= 2 {
		if !z.model.set(z.src[5]) {
			return errXZ
		}
		z.known, head = true, 6
	}
	if !z.known {
		return errXZ
	}
	if reset >= 1 {
		z.model.reset()
	}
	size = min(size, len(z.src)-head)
	if size < 5 {
		return errShort
	}
	z.packed = true
	z.coded = lzmaStream{src: z.src[head+5 : head+size], rc: rangeDecoder{code: uint64(binary.BigEndian.Uint32(z.src[head+1:])), width: 1<<32 - 1}}
	z.src = z.src[head+size:]
	return nil
}
