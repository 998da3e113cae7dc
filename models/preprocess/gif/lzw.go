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
	length [lzwCodes]uint16

	next, width int
	bits        uint32
	have        int
	previous    int   // the code before; -1 after a reset
	first       uint8 // first index of its string

	buf  [lzwCodes]uint8
	left []uint8 // of buf, what is not read yet
}

func newLZWReader(f *frame) *lzwReader {
	return &lzwReader{data: f.data, codeBits: f.codeBits, next: 1<<f.codeBits + 2, width: f.codeBits + 1, previous: -1}
}

// read decodes the next len(out) indices.
func (z *lzwReader) read(out []uint8) *codec.Failure {
	for {
		n := copy(out, z.left)
		z.left = z.left[n:]
		if out = out[n:]; len(out) == 0 {
			return nil
		}
		if fail := z.string(); fail != nil {
			return fail
		}
	}
}

// string decodes the string of the next code to buf.
func (z *lzwReader) string() *codec.Failure {
	reset := 1 << z.codeBits
	end := reset + 1
	for {
		for z.have < z.width {
			if z.block == 0 {
				if z.at >= len(z.data) || z.data[z.at] == 0 {
					return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
				}
				z.block = int(z.data[z.at])
				z.at++
			}
			if z.at >= len(z.data) {
				return codec.Fail(codec.StatusTruncated, "ends within the pixels")
			}
			z.bits |= uint32(z.data[z.at]) << z.have
			z.at++
			z.have += 8
			z.block--
		}
		code := int(z.bits & (1<<z.width - 1))
		z.bits >>= z.width
		z.have -= z.width
		switch {
		case code == reset:
			z.next, z.width, z.previous = end+1, z.codeBits+1, -1
			continue
		case code == end:
			return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
		case code > z.next || z.previous < 0 && code > reset || code == z.next && z.next >= lzwCodes:
			return codec.Fail(codec.StatusCorrupt, "code %d of %d", code, z.next)
		}
		// Write the string of code, from its end. The code after the last of the
		// table is the string of previous and its first index.
		length, c := 1, code
		if code == z.next {
			c = z.previous
			length++
		}
		if c > reset {
			length += int(z.length[c]) - 1
		}
		to := length - 1
		if code == z.next {
			z.buf[to] = z.first
			to--
		}
		for ; c > reset; c = int(z.prefix[c]) {
			z.buf[to] = z.last[c]
			to--
		}
		z.first = uint8(c)
		z.buf[0] = z.first
		z.left = z.buf[:length]
		if z.previous >= 0 && z.next < lzwCodes {
			z.prefix[z.next], z.last[z.next], z.length[z.next] = uint16(z.previous), z.first, 2
			if z.previous > reset {
				z.length[z.next] = z.length[z.previous] + 1
			}
			if z.next == 1<<z.width-1 && z.width < lzwBits {
				z.width++
			}
			z.next++
		}
		z.previous = code
		return nil
	}
}
