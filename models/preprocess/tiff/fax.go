package tiff

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// The codes of ITU-T T.4 for runs of 0 to 63 pixels, then for runs of 64, 128 and so on to
// 1,728.
const (
	faxWhite = `
	00110101 000111 0111 1000 1011 1100 1110 1111 10011 10100 00111 01000 001000 000011 110100 110101 101010
	101011 0100111 0001100 0001000 0010111 0000011 0000100 0101000 0101011 0010011 0100100 0011000 00000010
	00000011 00011010 00011011 00010010 00010011 00010100 00010101 00010110 00010111 00101000 00101001 00101010
	00101011 00101100 00101101 00000100 00000101 00001010 00001011 01010010 01010011 01010100 01010101 00100100
	00100101 01011000 01011001 01011010 01011011 01001010 01001011 00110010 00110011 00110100 11011 10010 010111
	0110111 00110110 00110111 01100100 01100101 01101000 01100111 011001100 011001101 011010010 011010011
	011010100 011010101 011010110 011010111 011011000 011011001 011011010 011011011 010011000 010011001
	010011010 011000 010011011`
	faxBlack = `
	0000110111 010 11 10 011 0011 0010 00011 000101 000100 0000100 0000101 0000111 00000100 00000111 000011000
	0000010111 0000011000 0000001000 00001100111 00001101000 00001101100 00000110111 00000101000 00000010111
	00000011000 000011001010 000011001011 000011001100 000011001101 000001101000 000001101001 000001101010
	000001101011 000011010010 000011010011 000011010100 000011010101 000011010110 000011010111 000001101100
	000001101101 000011011010 000011011011 000001010100 000001010101 000001010110 000001010111 000001100100
	000001100101 000001010010 000001010011 000000100100 000000110111 000000111000 000000100111 000000101000
	000001011000 000001011001 000000101011 000000101100 000001011010 000001100110 000001100111 0000001111
	000011001000 000011001001 000001011011 000000110011 000000110100 000000110101 0000001101100 0000001101101
	0000001001010 0000001001011 0000001001100 0000001001101 0000001110010 0000001110011 0000001110100
	0000001110101 0000001110110 0000001110111 0000001010010 0000001010011 0000001010100 0000001010101
	0000001011010 0000001011011 0000001100100 0000001100101`
	// For runs of 1,792, 1,856 and so on to 2,560, of both colours.
	faxLong = `
	00000001000 00000001100 00000001101 000000010010 000000010011 000000010100 000000010101 000000010110
	000000010111 000000011100 000000011101 000000011110 000000011111`
	// For modes of two dimensions, in the order of the constants below.
	faxModes = "0001 001 1 011 000011 0000011 010 000010 0000010 0000001"
)

const (
	faxPass = iota
	faxHorizontal
	faxVertical  // the first of 7: by 0, 1, 2 and 3 to the right, by 1, 2 and 3 to the left
	faxExtension = 9

	faxCodeBits = 13 // of the longest code
)

// Kinds of fax data that are not decoded.
var (
	errFaxUncompressed = errors.New("with uncompressed fax data")
	errFaxMarks        = errors.New("with end-of-line codes behind the rows only")
)

// A faxCode is what the next bits mean. A length of 0 means that they are not a code.
type faxCode struct {
	value  int16
	length uint8
}

// faxTables has, for modes, white runs and black runs, the code with which each sequence of
// faxCodeBits bits begins.
var faxTables = sync.OnceValue(func() *[3][1 << faxCodeBits]faxCode {
	tables := new([3][1 << faxCodeBits]faxCode)
	for i, codes := range []string{faxModes, faxWhite + faxLong, faxBlack + faxLong} {
		for v, code := range strings.Fields(codes) {
			if i > 0 && v > 63 {
				v = (v - 63) * 64
			}
			bits := 0
			for _, c := range code {
				bits = bits<<1 | int(c-'0')
			}
			free := faxCodeBits - len(code)
			for low := range 1 << free {
				tables[i][bits<<free|low] = faxCode{int16(v), uint8(len(code))}
			}
		}
	}
	return tables
})

// A faxDecoder decodes the strips or tiles of CCITT data, row by row. Unlike libtiff, which
// invents the rest of a damaged row, it stops with an error.
type faxDecoder struct {
	data   []uint8
	flip   *[256]uint8 // applied to each byte of data
	width  int
	order  uint64 // the value of Compression
	twoD   bool   // Group 3 of two dimensions
	marked bool   // the rows begin with end-of-line codes
	y      int    // of the next row

	bits uint64 // the next ones first
	have int    // how many of bits are data

	// Where the runs of this row and of the row above end. The first run is white.
	ends, above []int32
}

// peek returns the next n bits, at most 32, with zeros after the end.
func (f *faxDecoder) peek(n int) int {
	for f.have <= 56 && len(f.data) > 0 {
		f.bits |= uint64(f.flip[f.data[0]]) << (56 - f.have)
		f.data = f.data[1:]
		f.have += 8
	}
	return int(f.bits >> (64 - n))
}

// take skips the next n bits, and reports whether there were so many.
func (f *faxDecoder) take(n int) bool {
	if n > f.have {
		return false
	}
	f.bits <<= n
	f.have -= n
	return true
}

var (
	errFaxCode  = errors.New("a bad code")
	errFaxEnd   = errors.New("the data end")
	errFaxWidth = errors.New("a run beyond the row")
	errFaxRuns  = errors.New("more runs than the row has pixels for")
)

func (f *faxDecoder) code(table *[1 << faxCodeBits]faxCode) (int, error) {
	c := table[f.peek(faxCodeBits)]
	switch {
	case f.have == 0, c.length == 0 && f.peek(12) == 1: // the end of the data, or of the line
		return 0, errFaxEnd
	case c.length == 0:
		return 0, errFaxCode
	case !f.take(int(c.length)):
		return 0, errFaxEnd
	}
	return int(c.value), nil
}

// run reads the length of a run: any number of long codes and a short one.
func (f *faxDecoder) run(tables *[3][1 << faxCodeBits]faxCode, colour int) (int, error) {
	for n := 0; ; {
		v, err := f.code(&tables[1+colour])
		if err != nil {
			return 0, err
		}
		if n += v; n > f.width {
			return 0, errFaxWidth
		}
		if v < 64 {
			return n, nil
		}
	}
}

// open begins a strip or tile.
func (f *faxDecoder) open(data []uint8, flip *[256]uint8, t *picture) {
	w := int32(t.blockW)
	*f = faxDecoder{data: data, flip: flip, width: t.blockW, order: t.compression, twoD: t.twoD,
		ends: f.ends[:0], above: append(f.above[:0], w, w, w, w)}
	f.marked = f.order == group3 && f.hasMark()
}

// next decodes a row and fills dst with the first bits of it, one for each pixel, 1 for
// black.
func (f *faxDecoder) next(dst []uint8) error {
	tables := faxTables()
	flat := f.order != group4
	if f.marked && !f.mark() {
		return fmt.Errorf("row %d: no end-of-line code before it", f.y)
	}
	if f.twoD {
		flat = f.peek(1) == 1
		f.take(1)
	}
	f.ends = f.ends[:0]
	var err error
	if flat {
		err = f.flatRow(tables)
	} else {
		err = f.row(tables)
	}
	switch {
	case err != nil && f.order == group3 && !f.marked && f.peek(11) == 0:
		return errFaxMarks // libtiff skips to the first mark
	case err != nil:
		return fmt.Errorf("row %d: %w", f.y, err)
	}
	clear(dst)
	w := int32(f.width)
	if len(f.ends)%2 != 0 {
		f.ends = append(f.ends, w)
	}
	for i := 0; i < len(f.ends); i += 2 {
		fillBits(dst, int(f.ends[i]), min(int(f.ends[i+1]), 8*len(dst)))
	}
	f.ends = append(f.ends, w, w, w, w)
	f.ends, f.above = f.above, f.ends
	f.y++
	return nil
}

// hasMark reports whether the data begin with an end-of-line code. Some writers leave out
// all of them.
func (f *faxDecoder) hasMark() bool { return f.peek(11) == 0 }

// mark takes an end-of-line code, with the zeros that may precede it.
func (f *faxDecoder) mark() bool {
	if f.peek(11) != 0 {
		return false
	}
	for f.peek(1) == 0 {
		if !f.take(1) {
			return false
		}
	}
	return f.take(1)
}

// end records where a run ends. It bounds their number, since runs of no pixels could fill
// the memory.
func (f *faxDecoder) end(at int) error {
	if len(f.ends) > 2*f.width {
		return errFaxRuns
	}
	f.ends = append(f.ends, int32(at))
	return nil
}

// flatRow reads a row that does not refer to the one above.
func (f *faxDecoder) flatRow(tables *[3][1 << faxCodeBits]faxCode) error {
	for at, colour := 0, 0; ; colour ^= 1 {
		n, err := f.run(tables, colour)
		if err != nil {
			return err
		}
		if at += n; at > f.width {
			return errFaxWidth
		}
		if err := f.end(at); err != nil || at == f.width {
			return err
		}
	}
}

// row reads a row that refers to the one above. at, the first pixel that is not known yet,
// is T.6's a0. f.above[i] is its b1: the first end, right of at, of a run of the current
// colour.
func (f *faxDecoder) row(tables *[3][1 << faxCodeBits]faxCode) error {
	at, colour, i := -1, 0, 0
	for at < f.width {
		mode, err := f.code(&tables[0])
		if err != nil {
			return err
		}
		if i > 0 {
			i--
		}
		if i&1 != colour {
			i++
		}
		for above := int(f.above[i]); above <= at && above < f.width; above = int(f.above[i]) {
			i += 2
		}
		switch mode {
		case faxPass:
			at = int(f.above[i+1])
		case faxHorizontal:
			at = max(at, 0)
			for k := range 2 {
				n, err := f.run(tables, colour^k)
				if err != nil {
					return err
				}
				if at += n; at > f.width {
					return errFaxWidth
				}
				if err := f.end(at); err != nil {
					return err
				}
			}
		case faxExtension:
			return errFaxUncompressed
		default:
			by := mode - faxVertical
			if by > 3 {
				by = 3 - by
			}
			to := int(f.above[i]) + by
			if to < max(at, 0) || to > f.width {
				return errFaxWidth
			}
			at = to
			if err := f.end(at); err != nil {
				return err
			}
			colour ^= 1
		}
	}
	return nil
}

// fillBits sets the bits of a row from index from up to index to.
func fillBits(row []uint8, from, to int) {
	for ; from < to && from&7 != 0; from++ {
		row[from/8] |= 0x80 >> (from & 7)
	}
	for ; from+8 <= to; from += 8 {
		row[from/8] = 0xff
	}
	for ; from < to; from++ {
		row[from/8] |= 0x80 >> (from & 7)
	}
}
