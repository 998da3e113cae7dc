package tiff

import (
	"bytes"
	"math/rand/v2"
	"testing"
)

// plainLZW expands a list of codes as the specification says: a table of strings. It stops
// at a code that is not in the table.
func plainLZW(codes []int) (out []byte, ok bool) {
	var table [][]byte
	var last []byte
	for _, code := range codes {
		var s []byte
		switch next := lzwFirst + len(table); {
		case code == lzwClear:
			table, last = nil, nil
			continue
		case code == lzwEnd:
			return out, true
		case code < lzwClear:
			s = []byte{byte(code)}
		case last != nil && code < next:
			s = table[code-lzwFirst]
		case last != nil && code == next && next < lzwCodes:
			s = append(bytes.Clone(last), last[0])
		default:
			return out, false
		}
		if last != nil && lzwFirst+len(table) < lzwCodes {
			table = append(table, append(bytes.Clone(last), s[0]))
		}
		out, last = append(out, s...), s
	}
	return out, true
}

// packLZW returns codes as a strip has them.
func packLZW(codes []int, old bool) []byte {
	var out []byte
	acc, have, width, next, after := 0, 0, 9, lzwFirst, false
	early := 1
	if old {
		early = 0
	}
	for _, code := range codes {
		if old {
			acc |= code << have
		} else {
			acc = acc<<width | code
		}
		for have += width; have >= 8; have -= 8 {
			if old {
				out, acc = append(out, byte(acc)), acc>>8
			} else {
				out = append(out, byte(acc>>(have-8)))
				acc &= 1<<(have-8) - 1
			}
		}
		if code == lzwClear {
			width, next, after = 9, lzwFirst, true
			continue
		}
		if !after && next < lzwCodes {
			if next++; next+early == 1<<width && width < 12 {
				width++
			}
		}
		after = false
	}
	if old {
		return append(out, byte(acc), 0, 0)
	}
	return append(out, byte(acc<<(8-have)), 0, 0)
}

// TestLZW_Window tests that what is decoded row by row, with a window of it, is what a table
// of strings gives: with clear codes anywhere, with tables that stay full, and with strings
// of every length. The window never grows.
func TestLZW_Window(t *testing.T) {
	rnd := rand.New(rand.NewPCG(1, 46))
	var flip [256]uint8
	for i := range flip {
		flip[i] = uint8(i)
	}
	z := &lzwReader{}
	for k := range 12 {
		old := k%3 == 2
		codes, next := []int{lzwClear, 0}, lzwFirst // an old strip begins with an odd second byte
		long := k%2 == 0                            // each string one longer than the one before
		for i := range 1500 * (1 + k%6) {
			code := next
			switch {
			case rnd.IntN(2000) == 0:
				codes, next = append(codes, lzwClear, rnd.IntN(256)), lzwFirst
				continue
			case next == lzwCodes, !long && rnd.IntN(3) > 0:
				code = lzwFirst + rnd.IntN(next-lzwFirst+min(1, lzwCodes-next))
			case !long:
				code = rnd.IntN(256)
			}
			if i == 4000 && k == 5 {
				code = lzwEnd
			}
			codes = append(codes, code)
			next = min(next+1, lzwCodes)
		}
		want, ok := plainLZW(codes)
		if !ok {
			t.Fatal("codes that are not in the table")
		}
		src := packLZW(codes, old)
		z.open(src, &flip, len(want))
		room := cap(z.window)
		got := make([]byte, len(want))
		for at := 0; at < len(got); {
			n := min(1+rnd.IntN(9000), len(got)-at)
			if m, err := z.read(got[at:][:n]); m != n || err != nil {
				t.Fatalf("case %d: %d bytes of %d at %d of %d: %v", k, m, n, at, len(want), err)
			}
			at += n
		}
		if !bytes.Equal(got, want) {
			t.Fatalf("case %d: other bytes than from a table", k)
		}
		if cap(z.window) != room {
			t.Errorf("case %d: the window grew from %d to %d bytes", k, room, cap(z.window))
		}
	}
}
