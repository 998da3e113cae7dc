package tiff

import "errors"

var errLZW = errors.New("a bad LZW code")

const (
	lzwClear, lzwEnd, lzwFirst = 256, 257, 258
	lzwCodes                   = 4096
	// lzwStep is how many bytes are decoded at a time.
	lzwStep = 4096
	// lzwMost is how much of what was decoded the table may refer to: each of its
	// strings is one byte longer than another, at most.
	// After them come the steps in which the table becomes full, and in which it is.
	lzwMost = (lzwCodes-lzwFirst)*(lzwCodes-lzwFirst+3)/2 + 4*lzwStep
)

// An lzwString is where in the window a string is.
type lzwString struct{ start, length int32 }

// An lzwReader expands TIFF's LZW. A string of the table is the string before it and one
// more byte, so that it is copied from where it was first decoded. That is in a window
// that begins with the last clear code and ends when the table is full.
type lzwReader struct {
	src  []uint8
	flip *[256]uint8 // applied to each coded byte

	strings [lzwCodes]lzwString
	acc     uint64
	have    int
	width   int
	next    int
	last    int  // the length of the last string; -1 after a clear code
	old     bool // as before TIFF 6
	begun   bool
	ended   bool
	err     error

	window  []uint8
	at      int  // what of window is read
	keep    int  // how much of window a full table refers to; -1 while it is not full
	cleared bool // the table refers to nothing of window
}

// open begins a block that is read up to its byte n.
func (z *lzwReader) open(src []uint8, flip *[256]uint8, n int) {
	if most := min(n+2*lzwStep, lzwMost); cap(z.window) < most {
		z.window = make([]uint8, 0, most)
	}
	z.src, z.flip, z.window = src, flip, z.window[:0]
	z.acc, z.have, z.width, z.next, z.last = 0, 0, 9, lzwFirst, -1
	z.begun, z.ended, z.err, z.at, z.keep, z.cleared = false, false, nil, 0, -1, false
	// Codes become longer one code early, and have their highest bit first. Neither
	// was so before TIFF 6; the first code shows which kind it is.
	z.old = len(src) >= 2 && flip[src[0]] == 0 && flip[src[1]]&1 != 0
}

func (z *lzwReader) read(dst []uint8) (int, error) {
	n := 0
	for {
		m := copy(dst[n:], z.window[z.at:])
		z.at += m
		if n += m; n == len(dst) {
			return n, nil
		}
		if z.ended {
			return n, z.err
		}
		z.decode()
	}
}

// decode decodes about lzwStep bytes to the window, of which all is read.
func (z *lzwReader) decode() {
	switch {
	case z.cleared:
		z.window, z.cleared = z.window[:0], false
	case z.next == lzwCodes:
		if z.keep < 0 {
			z.keep = len(z.window)
		}
		z.window = z.window[:z.keep]
	}
	z.at = len(z.window)
	early := 1
	if z.old {
		early = 0
	}
	w, src, acc, have, width, next, last := z.window, z.src, z.acc, z.have, z.width, z.next, z.last
	flip := z.flip
	end := len(w) + lzwStep
	for len(w) < end {
		for have < width {
			if len(src) == 0 {
				z.ended = true
				break
			}
			if z.old {
				acc |= uint64(flip[src[0]]) << have
				src, have = src[1:], have+8
				continue
			}
			if len(src) >= 4 { // all that acc has room for
				acc = acc<<32 | uint64(flip[src[0]])<<24 | uint64(flip[src[1]])<<16 | uint64(flip[src[2]])<<8 | uint64(flip[src[3]])
				src, have = src[4:], have+32
				continue
			}
			acc = acc<<8 | uint64(flip[src[0]])
			src, have = src[1:], have+8
		}
		if z.ended {
			break
		}
		have -= width
		var code int
		if z.old {
			code = int(acc & (1<<width - 1))
			acc >>= width
		} else {
			code = int(acc >> have & (1<<width - 1))
		}
		if code == lzwEnd || !z.begun && code != lzwClear {
			z.ended = true
			if !z.begun {
				z.err = errLZW
			}
			break
		}
		z.begun = true
		if code == lzwClear {
			width, next, last, z.keep = 9, lzwFirst, -1, -1
			if z.cleared = len(w) > z.at; z.cleared {
				break
			}
			w, z.at = w[:0], 0
			end = lzwStep
			continue
		}
		if last >= 0 && next < lzwCodes {
			z.strings[next] = lzwString{int32(len(w) - last), int32(last + 1)}
			next++
			if next+early == 1<<width && width < 12 {
				width++
			}
		}
		if code < lzwClear {
			w = append(w, uint8(code))
			last = 1
			continue
		}
		if code >= next || last < 0 {
			z.ended, z.err = true, errLZW
			break
		}
		from, n := int(z.strings[code].start), int(z.strings[code].length)
		to := len(w)
		switch {
		case n <= 8 && to+8 <= cap(w): // with bytes that the next string writes over
			*(*[8]uint8)(w[to : to+8]) = *(*[8]uint8)(w[from : from+8 : cap(w)])
			w = w[:to+n]
			w[to+n-1] = w[from+n-1] // which may be the first of them
		case from+n <= to:
			w = append(w, w[from:from+n]...)
		default: // the last byte is the first of them
			w = append(w, w[from:from+n-1]...)
			w = append(w, w[from])
		}
		last = n
	}
	z.window, z.src, z.acc, z.have, z.width, z.next, z.last = w, src, acc, have, width, next, last
}
