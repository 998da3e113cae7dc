package gif

import "github.com/batchscore/batchscore/models/preprocess/codec"

const (
	lzwBits  = 12 // of the longest code
	lzwCodes = 1 << lzwBits
)

// An lzwReader decodes the indices of a frame in their order. A code stands for a string of
// indices: that of another code and one more.
type lzwReader struct {
	data     []byte // the frame's blocks
	at       int    // in data
	block    int    // bytes left in the block
	codeBits int

	prefix [lzwCodes]uint16
	last   [lzwCodes]uint8
	length [lzwCodes]uint16 // 1 for a code that is an index

	next, width int
	bits        uint32
	have        int
	previous    int   // the code before; -1 after a reset
	first       uint8 // first index of its string

	buf  [lzwCodes]uint8
	left []uint8 // of buf, what is not read yet
}

func newLZWReader(f *frame) *lzwReader {
	z := &lzwReader{data: f.data, codeBits: f.codeBits, next: 1<<f.codeBits + 2, width: f.codeBits + 1, previous: -1}
	for i := range 1 << f.codeBits {
		z.last[i], z.length[i] = uint8(i), 1
	}
	return z
}

// read decodes the next len(out) indices.
func (z *lzwReader) read(out []uint8) *codec.Failure {
	n := copy(out, z.left)
	z.left = z.left[n:]
	return z.strings(out[n:])
}

// strings decodes as many codes as fill out. What their last has more goes to left.
func (z *lzwReader) strings(out []uint8) *codec.Failure {
	reset := 1 << z.codeBits
	end := reset + 1
	// What changes with each code is in variables, which can be in registers.
	data, at, block := z.data, z.at, z.block
	next, width, bits, have := z.next, z.width, z.bits, z.have
	previous, first := z.previous, z.first
	for len(out) > 0 {
		for have < width {
			if block == 0 {
				if at >= len(data) || data[at] == 0 {
					return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
				}
				block = int(data[at])
				at++
			}
			if at >= len(data) {
				return codec.Fail(codec.StatusTruncated, "ends within the pixels")
			}
			bits |= uint32(data[at]) << have
			at++
			have += 8
			block--
		}
		code := int(bits & (1<<width - 1))
		bits >>= width
		have -= width
		switch {
		case code == reset:
			next, width, previous = end+1, z.codeBits+1, -1
			continue
		case code == end:
			return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
		case code > next || previous < 0 && code > reset || code == next && next >= lzwCodes:
			return codec.Fail(codec.StatusCorrupt, "code %d of %d", code, next)
		}
		// The code after the last of the table is the string of previous and its
		// first index.
		c, length := code, 1
		if code == next {
			c = previous
			length += int(z.length[c&(lzwCodes-1)])
		} else {
			length = int(z.length[c&(lzwCodes-1)])
		}
		to, over := out, length > len(out)
		if over {
			to = z.buf[:]
		}
		to = to[:length]
		known := length
		if code == next {
			known--
			to[known] = first
		}
		z.expand(to[:known], uint(c))
		first = to[0]
		if previous >= 0 && next < lzwCodes {
			z.prefix[next], z.last[next], z.length[next] = uint16(previous), first, z.length[previous]+1
			if next == 1<<width-1 && width < lzwBits {
				width++
			}
			next++
		}
		previous = code
		if over {
			n := copy(out, to)
			z.left = to[n:]
			break
		}
		out = out[length:]
	}
	z.at, z.block = at, block
	z.next, z.width, z.bits, z.have = next, width, bits, have
	z.previous, z.first = previous, first
	return nil
}

// expand writes the string of code c, which has the length of out, from its end.
func (z *lzwReader) expand(out []uint8, c uint) {
	for i := len(out) - 1; i >= 0; i-- {
		c &= lzwCodes - 1
		out[i] = z.last[c]
		c = uint(z.prefix[c])
	}
}
