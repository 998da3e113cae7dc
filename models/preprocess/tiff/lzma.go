package tiff

import "math/bits"

// A rangeDecoder decodes bits by their probabilities.
type rangeDecoder struct {
	src         []uint8
	code, width uint32
	short       bool // the data ended
}

const (
	lzmaHalf  = 1 << 10 // a probability, of 1 << 11
	lzmaShift = 5
)

// A probability is of the bit 0.
type probability uint16

// after returns the probability after a bit: of 0 where all bits of mask are set, and of 1 where
// none is. It has no branch, as which bit comes cannot be predicted.
func (p probability) after(mask uint32) probability {
	v := int32(p)
	return probability(v - (v-int32(mask&(2*lzmaHalf-1<<lzmaShift+1)))>>lzmaShift)
}

func (r *rangeDecoder) fill() {
	if r.width < 1<<24 {
		r.width <<= 8
		r.code <<= 8
		if len(r.src) > 0 {
			r.code |= uint32(r.src[0])
			r.src = r.src[1:]
		} else {
			r.short = true
		}
	}
}

// bit returns 0 or 1.
func (r *rangeDecoder) bit(p *probability) uint32 {
	r.fill()
	bound := r.width >> 11 * uint32(*p)
	if r.code < bound {
		r.width = bound
		*p += (2*lzmaHalf - *p) >> lzmaShift
		return 0
	}
	r.width -= bound
	r.code -= bound
	*p -= *p >> lzmaShift
	return 1
}

// tree returns n bits, the highest first, whose probabilities are a tree of 1<<n.
func (r *rangeDecoder) tree(p []probability, n int) uint32 {
	m := uint32(1)
	code, width := r.code, r.width
	for range n {
		if width < 1<<24 {
			r.code, r.width = code, width
			r.fill()
			code, width = r.code, r.width
		}
		q := &p[m]
		bound := width >> 11 * uint32(*q)
		_, zero := bits.Sub32(code, bound, 0)
		mask := -zero
		width = bound&mask | (width-bound)&^mask
		code -= bound &^ mask
		*q = q.after(mask)
		m = m<<1 | (zero ^ 1)
	}
	r.code, r.width = code, width
	return m - 1<<n
}

// reverse returns n bits, the lowest first.
func (r *rangeDecoder) reverse(p []probability, n int) uint32 {
	m, v := uint32(1), uint32(0)
	for i := range n {
		b := r.bit(&p[m])
		m = m<<1 | b
		v |= b << i
	}
	return v
}

// direct returns n bits of equal probability.
func (r *rangeDecoder) direct(n int) uint32 {
	v := uint32(0)
	for range n {
		r.fill()
		r.width >>= 1
		b := uint32(0)
		if r.code >= r.width {
			r.code -= r.width
			b = 1
		}
		v = v<<1 | b
	}
	return v
}

// A lengthModel decodes the lengths of matches.
type lengthModel struct {
	choice, choice2 probability
	low, mid        [16][8]probability
	high            [256]probability
}

func (l *lengthModel) decode(r *rangeDecoder, position uint32) int {
	if r.bit(&l.choice) == 0 {
		return 2 + int(r.tree(l.low[position][:], 3))
	}
	if r.bit(&l.choice2) == 0 {
		return 10 + int(r.tree(l.mid[position][:], 3))
	}
	return 18 + int(r.tree(l.high[:], 8))
}

// An lzmaModel has the probabilities of LZMA, and the last distances.
type lzmaModel struct {
	lc, lp, pb int

	literal                                   [0x300 << 4]probability // lc + lp is at most 4
	match, longRepeat                         [12 << 4]probability
	repeat, repeat0, repeat1, repeat2         [12]probability
	slot                                      [4][64]probability
	special                                   [128]probability
	align                                     [16]probability
	length, repeatLength                      lengthModel
	state                                     int
	distance, distance1, distance2, distance3 uint32
}

// set sets the numbers of bits that a byte of properties stands for.
func (m *lzmaModel) set(b uint8) bool {
	if b >= 9*5*5 {
		return false
	}
	m.lc, m.lp, m.pb = int(b)%9, int(b)/9%5, int(b)/45
	return m.lc+m.lp <= 4
}

func (m *lzmaModel) reset() {
	for _, p := range [][]probability{m.literal[:], m.match[:], m.longRepeat[:], m.repeat[:], m.repeat0[:], m.repeat1[:], m.repeat2[:],
		m.special[:], m.align[:]} {
		fillHalf(p)
	}
	for i := range m.slot {
		fillHalf(m.slot[i][:])
	}
	for _, l := range []*lengthModel{&m.length, &m.repeatLength} {
		l.choice, l.choice2 = lzmaHalf, lzmaHalf
		for i := range l.low {
			fillHalf(l.low[i][:])
			fillHalf(l.mid[i][:])
		}
		fillHalf(l.high[:])
	}
	m.state, m.distance, m.distance1, m.distance2, m.distance3 = 0, 0, 0, 0, 0
}

func fillHalf(p []probability) {
	for i := range p {
		p[i] = lzmaHalf
	}
}

// expand expands to out until it has stop bytes, or a match continues past them, but not past
// most. Matches refer to out from begins on. A byte's position is its index and offset. ok is
// false where a match refers to what is not there, or where the data end.
func (m *lzmaModel) expand(r *rangeDecoder, out []uint8, stop, most, begins int, offset uint32) (_ []uint8, ok bool) {
	positions, literals := uint32(1)<<m.pb-1, uint32(1)<<m.lp-1
	for len(out) < stop {
		at := uint32(len(out)) + offset
		position := at & positions
		if r.bit(&m.match[m.state<<4|int(position)]) == 0 {
			before := uint32(0)
			if len(out) > begins {
				before = uint32(out[len(out)-1])
			}
			context := (at&literals)<<m.lc | before>>(8-m.lc)
			p := (*[0x300]probability)(m.literal[0x300*context:])
			v := uint32(1)
			code, width, src := r.code, r.width, r.src
			if m.state >= 7 {
				if int(m.distance) >= len(out)-begins {
					return out, false
				}
				like := uint32(out[len(out)-1-int(m.distance)])
				same := uint32(0x100) // while the bits are those of like
				for v < 0x100 {
					if width < 1<<24 {
						width, code = width<<8, code<<8
						if len(src) > 0 {
							code |= uint32(src[0])
							src = src[1:]
						} else {
							r.short = true
						}
					}
					like <<= 1
					q := &p[same+like&same+v]
					bound := width >> 11 * uint32(*q)
					_, zero := bits.Sub32(code, bound, 0)
					mask := -zero
					width = bound&mask | (width-bound)&^mask
					code -= bound &^ mask
					*q = q.after(mask)
					v = v<<1 | (zero ^ 1)
					same &= like ^ mask
				}
			} else {
				for v < 0x100 {
					if width < 1<<24 {
						width, code = width<<8, code<<8
						if len(src) > 0 {
							code |= uint32(src[0])
							src = src[1:]
						} else {
							r.short = true
						}
					}
					q := &p[v]
					bound := width >> 11 * uint32(*q)
					_, zero := bits.Sub32(code, bound, 0)
					mask := -zero
					width = bound&mask | (width-bound)&^mask
					code -= bound &^ mask
					*q = q.after(mask)
					v = v<<1 | (zero ^ 1)
				}
			}
			r.code, r.width, r.src = code, width, src
			out = append(out, uint8(v))
			switch {
			case m.state < 4:
				m.state = 0
			case m.state < 10:
				m.state -= 3
			default:
				m.state -= 6
			}
			if r.short {
				return out, false
			}
			continue
		}
		n := m.copy(r, position)
		if r.short || int(m.distance) >= len(out)-begins || n > most-len(out) {
			return out, false
		}
		from := len(out) - 1 - int(m.distance)
		if from+n <= len(out) {
			out = append(out, out[from:from+n]...)
			continue
		}
		for i := range n {
			out = append(out, out[from+i])
		}
	}
	return out, true
}

// copy decodes a match, whose distance becomes the last one, and returns its length.
func (m *lzmaModel) copy(r *rangeDecoder, position uint32) int {
	after := func(literal, other int) {
		if m.state < 7 {
			m.state = literal
		} else {
			m.state = other
		}
	}
	if r.bit(&m.repeat[m.state]) == 0 {
		m.distance1, m.distance2, m.distance3 = m.distance, m.distance1, m.distance2
		n := m.length.decode(r, position)
		after(7, 10)
		m.distance = m.far(r, n)
		return n
	}
	if r.bit(&m.repeat0[m.state]) == 0 {
		if r.bit(&m.longRepeat[m.state<<4|int(position)]) == 0 {
			after(9, 11)
			return 1
		}
	} else {
		d := m.distance1
		if r.bit(&m.repeat1[m.state]) != 0 {
			d = m.distance2
			if r.bit(&m.repeat2[m.state]) != 0 {
				d = m.distance3
				m.distance3 = m.distance2
			}
			m.distance2 = m.distance1
		}
		m.distance1, m.distance = m.distance, d
	}
	n := m.repeatLength.decode(r, position)
	after(8, 11)
	return n
}

// far decodes the distance of a match of n bytes.
func (m *lzmaModel) far(r *rangeDecoder, n int) uint32 {
	slot := r.tree(m.slot[min(n-2, 3)][:], 6)
	if slot < 4 {
		return slot
	}
	bits := int(slot>>1) - 1
	d := (2 | slot&1) << bits
	if slot < 14 {
		return d + r.reverse(m.special[d-slot:], bits)
	}
	d += r.direct(bits-4) << 4
	return d + r.reverse(m.align[:], 4)
}
