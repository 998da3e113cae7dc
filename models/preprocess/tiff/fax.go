package tiff

import (
	"errors"
	"fmt"
	"strings"
	"sync"
)

// isFax reports whether the blocks are CCITT data.
func (t *picture) isFax() bool {
	switch t.compression {
	case faxRLE, faxWords, group3, group4:
		return true
	}
	return false
}

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

	// What no code of a run or a mode stands for.
	faxBad = -1 // no bits of it are taken
	faxEnd = -2 // zeros: the beginning of an end-of-line code

	faxCodeBits = 13 // of the longest code
)

// A faxCode is what the next bits mean.
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
		zeros := 11
		if i == 0 {
			zeros = 7
		}
		for bits, c := range tables[i] {
			switch {
			case c.length > 0:
			case bits>>(faxCodeBits-zeros) == 0:
				tables[i][bits] = faxCode{faxEnd, uint8(zeros)}
			default:
				tables[i][bits] = faxCode{faxBad, 0}
			}
		}
	}
	return tables
})

// A faxDecoder decodes the strips or tiles of CCITT data, row by row. It continues after bad
// codes as libtiff does: what is not decoded of a row is white.
type faxDecoder struct {
	data   []uint8
	flip   *[256]uint8 // applied to each byte of data
	width  int
	order  uint64 // the value of Compression
	twoD   bool   // Group 3 of two dimensions
	y      int    // of the next row
	marked bool   // the rows begin with end-of-line codes
	begun  bool   // the zeros of an end-of-line code were taken
	ended  bool   // the rows are over, and the rest is white

	bits uint64 // the next ones first
	have int    // how many of bits may be taken
	took int    // bits, since the block began

	// The lengths of the runs of this row and of the row above. The first run is white.
	runs, above []int32
	most        int // runs of a row
	length      int // of the run so far, if it has several codes
	at          int // where the runs end
}

var (
	errFaxEnd   = errors.New("the data end")
	errFaxAbove = errors.New("a code for runs that the row above has not")
	errFaxRuns  = errors.New("more runs than the row has pixels for")
)

// need makes n bits available, at most 32, with zeros after the end. It reports whether any
// was left.
func (f *faxDecoder) need(n int) bool {
	for f.have <= 56 && len(f.data) > 0 {
		f.bits |= uint64(f.flip[f.data[0]]) << (56 - f.have)
		f.data = f.data[1:]
		f.have += 8
	}
	if f.have == 0 {
		return false
	}
	f.have = max(f.have, n)
	return true
}

// peek returns the next n bits, which are available.
func (f *faxDecoder) peek(n int) int { return int(f.bits >> (64 - n)) }

// take skips n bits, which are available.
func (f *faxDecoder) take(n int) {
	f.bits <<= n
	f.have -= n
	f.took += n
}

// code takes a code, and returns what it means. width is that of the longest code. ok is false
// at the end of the data.
func (f *faxDecoder) code(table *[1 << faxCodeBits]faxCode, width int) (v int, ok bool) {
	if !f.need(width) {
		return 0, false
	}
	c := table[f.peek(faxCodeBits)]
	f.take(int(c.length))
	return int(c.value), true
}

// open begins a strip or tile.
func (f *faxDecoder) open(data []uint8, flip *[256]uint8, t *picture) {
	w := int32(t.blockW)
	*f = faxDecoder{data: data, flip: flip, width: t.blockW, order: t.compression, twoD: t.twoD, runs: f.runs[:0]}
	f.most = (t.blockW + 1 + 31) / 32 * 32
	if f.twoD || f.order == group4 {
		f.most *= 2
	}
	f.above = append(f.above[:0], w, 0)
	f.marked = f.order == group3 && f.hasMark()
}

// hasMark reports whether there is an end-of-line code in the data. Some writers leave out all
// of them.
func (f *faxDecoder) hasMark() bool {
	zeros := 0
	for _, b := range f.data {
		v := f.flip[b]
		for i := 7; i >= 0; i-- {
			if v>>i&1 == 0 {
				zeros++
				continue
			}
			if zeros >= 11 {
				return true
			}
			zeros = 0
		}
	}
	return false
}

// next decodes a row and fills dst with the first bits of it, one for each pixel, 1 for
// black.
func (f *faxDecoder) next(dst []uint8) error {
	err := f.decode()
	if err != nil {
		return fmt.Errorf("row %d: %w", f.y, err)
	}
	clear(dst)
	x := 0
	for i, n := range f.runs {
		n := min(max(int(n), 0), f.width-x)
		if i%2 == 1 {
			fillBits(dst, x, min(x+n, 8*len(dst)))
		}
		x += n
	}
	f.runs = append(f.runs, 0)
	f.runs, f.above = f.above, f.runs
	f.y++
	return nil
}

// decode finds the runs of the next row.
func (f *faxDecoder) decode() error {
	f.runs, f.length, f.at = f.runs[:0], 0, 0
	if f.ended {
		return f.mend()
	}
	if f.marked && !f.mark() {
		return errFaxEnd
	}
	flat := f.order != group4
	if f.twoD {
		if !f.need(1) {
			return errFaxEnd
		}
		flat = f.peek(1) == 1
		f.take(1)
	}
	tables := faxTables()
	var err error
	if flat {
		err = f.flatRow(tables)
	} else {
		err = f.row(tables)
	}
	if err != nil {
		return err
	}
	if err := f.mend(); err != nil {
		return err
	}
	switch {
	case f.order == group4 && f.begun:
		// The end of the block, which may have fewer rows.
		if f.y == 0 || !f.need(13) || f.peek(13) != 1<<12|1 {
			return errFaxEnd
		}
		f.ended = true
	case f.order == faxRLE && f.took%8 != 0:
		f.align(8)
	case f.order == faxWords && f.took%16 != 0:
		f.align(16)
	}
	return nil
}

// align skips the bits up to a multiple of n.
func (f *faxDecoder) align(n int) {
	n -= f.took % n
	if f.need(n) {
		f.take(n)
	}
}

// mark takes the next end-of-line code, and what is before it.
func (f *faxDecoder) mark() bool {
	for !f.begun {
		if !f.need(11) {
			return false
		}
		if f.peek(11) == 0 {
			break
		}
		f.take(1)
	}
	for {
		if !f.need(8) {
			return false
		}
		if f.peek(8) != 0 {
			break
		}
		f.take(8)
	}
	for f.peek(1) == 0 {
		f.take(1)
	}
	f.take(1)
	f.begun = false
	return true
}

// end ends a run n pixels after where its last code began.
func (f *faxDecoder) end(n int) error {
	if len(f.runs) >= f.most {
		return errFaxRuns
	}
	f.runs = append(f.runs, int32(f.length+n))
	f.at += n
	f.length = 0
	return nil
}

// mend makes the runs as long as the row.
func (f *faxDecoder) mend() error {
	if f.length != 0 {
		if err := f.end(0); err != nil {
			return err
		}
	}
	for f.at > f.width && len(f.runs) > 0 {
		f.at -= int(f.runs[len(f.runs)-1])
		f.runs = f.runs[:len(f.runs)-1]
	}
	switch {
	case f.at == f.width:
		return nil
	case f.at > f.width:
		f.runs = append(f.runs, int32(f.width), 0)
		return nil
	}
	f.at = max(f.at, 0)
	if len(f.runs)%2 != 0 { // black
		if err := f.end(0); err != nil {
			return err
		}
	}
	return f.end(f.width - f.at)
}

// run reads the codes of a run: any number of long ones and a short one. known is false where
// there is another code.
func (f *faxDecoder) run(tables *[3][1 << faxCodeBits]faxCode, colour int) (known bool, err error) {
	for {
		v, ok := f.code(&tables[1+colour], 12+colour)
		switch {
		case !ok:
			return false, errFaxEnd
		case v < 0:
			f.begun = f.begun || v == faxEnd
			return false, nil
		case v < 64:
			return true, f.end(v)
		}
		f.at += v
		f.length += v
		if f.at > 1<<30 {
			return false, errFaxRuns
		}
	}
}

// flatRow decodes a row of one dimension. After a code that is not a run, the rest is left out.
func (f *faxDecoder) flatRow(tables *[3][1 << faxCodeBits]faxCode) error {
	for {
		for colour := range 2 {
			if known, err := f.run(tables, colour); !known || err != nil {
				return err
			}
			if f.at >= f.width {
				return nil
			}
		}
		if n := len(f.runs); f.runs[n-1] == 0 && f.runs[n-2] == 0 {
			f.runs = f.runs[:n-2]
		}
	}
}

// row decodes a row of two dimensions. After a code that is not known the rest is left out.
func (f *faxDecoder) row(tables *[3][1 << faxCodeBits]faxCode) error {
	// b1 is where, in the row above, the first run ends that is to the right of the runs of
	// this row and has their colour; next is the run after it.
	b1, next := int(f.above[0]), 1
	past := false // the row above has no more runs
	above := func() int {
		if next >= len(f.above) {
			past = true
			return 0
		}
		next++
		return int(f.above[next-1])
	}
	seek := func() {
		for len(f.runs) > 0 && b1 <= f.at && b1 < f.width && !past {
			b1 += above() + above()
		}
	}
	for f.at < f.width {
		if len(f.runs) >= f.most {
			return errFaxRuns
		}
		mode, ok := f.code(&tables[0], 7)
		switch {
		case !ok:
			return errFaxEnd
		case past && mode != faxHorizontal && mode >= 0:
			return errFaxAbove // libtiff takes what is left of earlier rows
		case mode == faxPass:
			seek()
			b1 += above()
			if past {
				return errFaxAbove
			}
			f.length += b1 - f.at
			f.at = b1
			b1 += above()
		case mode == faxHorizontal:
			colour := len(f.runs) % 2
			for k := range 2 {
				if known, err := f.run(tables, colour^k); err != nil {
					return err
				} else if !known {
					f.begun = false
					return nil
				}
			}
			seek()
		case mode >= faxVertical && mode < faxVertical+4: // to the right
			if seek(); past {
				return errFaxAbove
			}
			if err := f.end(b1 - f.at + mode - faxVertical); err != nil {
				return err
			}
			b1 += above()
		case mode >= faxVertical && mode < faxExtension: // to the left
			by := mode - faxVertical - 3
			if seek(); past {
				return errFaxAbove
			}
			if b1 < f.at+by {
				return nil
			}
			if err := f.end(b1 - f.at - by); err != nil {
				return err
			}
			if next > 0 {
				next--
				b1 -= int(f.above[next])
			}
		default:
			if mode != faxBad {
				f.runs = append(f.runs, int32(f.width-f.at))
			}
			if mode == faxEnd {
				if !f.need(4) {
					return errFaxEnd
				}
				f.take(4)
				f.begun = true
			}
			return nil
		}
	}
	if f.length != 0 {
		if f.length+f.at < f.width {
			if !f.need(1) {
				return errFaxEnd
			}
			if f.peek(1) == 0 {
				return nil
			}
			f.take(1)
		}
		return f.end(0)
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
