package jpeg

import (
	"bytes"
	"encoding/binary"
	"errors"
	"slices"
)

// What is wrong with the coded data of a JPEG.
var (
	errShort   = errors.New("the coded data end before the picture does")
	errCode    = errors.New("a code that its table does not have")
	errOverrun = errors.New("a coefficient beyond the last of its block")
	errRange   = errors.New("a coefficient larger than any of 8 bits a sample")
	errMore    = errors.New("more coded data than the picture has")
	errRestart = errors.New("the restart markers are not in order")
)

// A huffmanTable decodes the codes of one DHT table.
type huffmanTable struct {
	spec    []byte      // 16 counts and the symbols
	fast    [512]uint16 // of the next 9 bits: length of the code and symbol, or 0
	most    [18]int32   // largest code of each length, -1 if there is none
	symbols [17]int32   // index of the symbol of code 0 of each length
}

// newHuffmanTable returns nil where libjpeg would refuse spec.
func newHuffmanTable(spec []byte, dc bool) *huffmanTable {
	t := &huffmanTable{spec: spec}
	code, at := int32(0), int32(0)
	for n := 1; n <= 16; n++ {
		count := int32(spec[n-1])
		t.most[n], t.symbols[n] = -1, at-code
		if count > 0 {
			t.most[n] = code + count - 1
		}
		if code+count >= 1<<n { // no code is all ones
			return nil
		}
		for range count {
			symbol := spec[16+at]
			if dc && symbol > 15 {
				return nil
			}
			if n <= 9 {
				for i := range int32(1) << (9 - n) {
					t.fast[code<<(9-n)|i] = uint16(n)<<8 | uint16(symbol)
				}
			}
			code++
			at++
		}
		code <<= 1
	}
	return t
}

// A bitReader reads the bits of data, whose stuffing is removed, and zeros after them.
type bitReader struct {
	data []byte
	at   int
	acc  uint64 // the next n bits, from the top
	n    int
}

// used returns how many bits were read, including those after the data.
func (b *bitReader) used() int { return 8*b.at - b.n }

// fill makes 48 bits available.
func (b *bitReader) fill() {
	if b.at+8 <= len(b.data) {
		b.acc |= binary.BigEndian.Uint64(b.data[b.at:]) >> b.n
		// The bits of a byte that does not fit whole are read again.
		whole := (64 - b.n) >> 3
		b.at += whole
		b.n += whole << 3
		return
	}
	for b.n <= 56 {
		if b.at < len(b.data) {
			b.acc |= uint64(b.data[b.at]) << (56 - b.n)
		}
		b.at++
		b.n += 8
	}
}

func (b *bitReader) skip(n int) {
	b.acc <<= n
	b.n -= n
}

// bits returns the next n bits, at most 16.
func (b *bitReader) bits(n int) int {
	if b.n < 16 {
		b.fill()
	}
	v := int(b.acc >> 1 >> (63 - n))
	b.skip(n)
	return v
}

// symbol decodes one code, and leaves 16 bits or more available for what follows it.
func (b *bitReader) symbol(t *huffmanTable) (int, error) {
	if b.n < 32 {
		b.fill()
	}
	if f := t.fast[b.acc>>55]; f != 0 {
		b.skip(int(f >> 8))
		return int(f & 0xff), nil
	}
	for n := 1; n <= 16; n++ {
		if code := int32(b.acc >> (64 - n)); code <= t.most[n] {
			b.skip(n)
			return int(t.spec[16+t.symbols[n]+code]), nil
		}
	}
	if b.used()+16 > 8*len(b.data) {
		return 0, errShort
	}
	return 0, errCode
}

// value reads a coefficient of n bits.
func (b *bitReader) value(n int) int32 {
	v := int32(b.acc >> 1 >> (63 - n))
	b.skip(n)
	if v < 1<<n>>1 {
		v -= 1<<n - 1
	}
	return v
}

// block reads a block of a sequential scan. most bounds the coefficients. dc is the first
// coefficient of the last block.
func (b *bitReader) block(dcTable, table *huffmanTable, most *[64]int32, dc *int32) error {
	s, err := b.symbol(dcTable)
	if err != nil {
		return err
	}
	if *dc += b.value(s); max(*dc, -*dc) > most[0] {
		return errRange
	}
	for k := 1; k < 64; k++ {
		rs, err := b.symbol(table)
		if err != nil {
			return err
		}
		s := rs & 15
		if s == 0 {
			if rs != 0xf0 {
				return nil
			}
			k += 15
			continue
		}
		if k += rs >> 4; k > 63 {
			return errOverrun
		}
		if v := b.value(s); max(v, -v) > most[k] {
			return errRange
		}
	}
	return nil
}

// beyond reports whether a coefficient without its low bits is larger than most.
func beyond(v int32, low int, most int32) bool {
	return int64(max(v, -v))<<low > int64(most)
}

// first reads a block of the first scan of its coefficients, which most bounds. run is how
// many blocks have nothing more to read. nonzero are the block's coefficients so far.
func (b *bitReader) first(ac *huffmanTable, scan *scan, most *[64]int32, run *int, nonzero *uint64) error {
	if *run > 0 {
		*run--
		return nil
	}
	for k := scan.from; k <= scan.to; k++ {
		rs, err := b.symbol(ac)
		if err != nil {
			return err
		}
		r, s := rs>>4, rs&15
		if s == 0 {
			if r != 15 {
				*run = 1<<r + b.bits(r) - 1
				return nil
			}
			k += 15
			continue
		}
		if k += r; k > scan.to {
			return errOverrun
		}
		if beyond(b.value(s), scan.low, most[k]) {
			return errRange
		}
		*nonzero |= 1 << k
	}
	return nil
}

// refine reads a block of a later scan of the same coefficients, which has a bit
// for each that is not zero.
func (b *bitReader) refine(ac *huffmanTable, from, to int, run *int, nonzero *uint64) error {
	k := from
	if *run == 0 {
		for ; k <= to; k++ {
			rs, err := b.symbol(ac)
			if err != nil {
				return err
			}
			r, s := rs>>4, rs&15
			switch {
			case s > 1:
				return errCode
			case s == 1:
				b.bits(1)
			case r != 15:
				*run = 1<<r + b.bits(r)
			}
			if *run > 0 {
				break
			}
			for ; k <= to; k++ {
				if *nonzero>>k&1 != 0 {
					b.bits(1)
				} else if r--; r < 0 {
					break
				}
			}
			if k > to {
				return errOverrun
			}
			*nonzero |= uint64(s) << k
		}
	}
	if *run > 0 {
		for ; k <= to; k++ {
			if *nonzero>>k&1 != 0 {
				b.bits(1)
			}
		}
		*run--
	}
	return nil
}

// unstuff returns the coded data that begin at at, without stuffing, and where the marker
// after them begins, or len(src) if there is none.
func unstuff(buf, src []byte, at int) (data []byte, end int) {
	data = slices.Grow(buf[:0], len(src)-at)
	for i := at; ; {
		n := bytes.IndexByte(src[i:], 0xff)
		if n < 0 {
			return append(data, src[i:]...), len(src)
		}
		data = append(data, src[i:i+n]...)
		i += n
		// Before a marker, and in libjpeg before a stuffed zero, several 0xff count
		// as one.
		marker := i
		for i < len(src) && src[i] == 0xff {
			i++
		}
		if i >= len(src) || src[i] != 0 {
			return data, marker
		}
		data = append(data, 0xff)
		i++
	}
}
