package tiff

// A rangeDecoder decodes bits by their probabilities. It is passed by value, which keeps it in
// registers. The data are src in all calls.
type rangeDecoder struct {
	code, width uint64 // of 32 bits
	at          int    // what of src is read; beyond its end where the data ended
}

const (
	lzmaHalf  = 1 << 10 // a probability, of 1 << 11
	lzmaShift = 5
)

// A probability is of the bit 0.
type probability uint16

// more returns the decoder with at least 25 bits of width.
func (r rangeDecoder) more(src []uint8) rangeDecoder {
	if r.width < 1<<24 {
		r.width <<= 8
		r.code <<= 8
		if r.at < len(src) {
			r.code |= uint64(src[r.at])
		}
		r.at++
	}
	return r
}

// zero reports whether the next bit, which is taken, is 0.
func (r rangeDecoder) zero(p *probability) (rangeDecoder, bool) {
	v := uint64(*p)
	bound := r.width >> 11 * v
	if r.code < bound {
		r.width = bound
		*p = probability(v + (2*lzmaHalf-v)>>lzmaShift)
		return r, true
	}
	r.width -= bound
	r.code -= bound
	*p = probability(v - v>>lzmaShift)
	return r, false
}

// step takes a bit without a branch, as which bit comes cannot be predicted. The mask has all bits
// if it is 0, and none if it is 1.
func (r rangeDecoder) step(p *probability, v uint64) (_ rangeDecoder, mask uint64) {
	bound := r.width >> 11 * v
	rest := r.code - bound
	mask = uint64(int64(rest) >> 63)
	*p = probability(v - uint64(int64(v-mask&(2*lzmaHalf-1<<lzmaShift+1))>>lzmaShift))
	r.code, r.width = rest+bound&mask, r.width-bound+(2*bound-r.width)&mask
	return r, mask
}

// tree returns n bits, the highest first, whose probabilities are a tree of 1<<n.
func (r rangeDecoder) tree(src []uint8, p []probability, n int) (rangeDecoder, int) {
	p = p[:1<<n]
	m, v := uint64(1), uint64(p[1])
	for range n {
		r = r.more(src)
		var zero, one uint64
		if 2*m+1 < uint64(len(p)) {
			zero, one = uint64(p[2*m]), uint64(p[2*m+1])
		}
		var mask uint64
		r, mask = r.step(&p[m], v)
		v = one ^ (one^zero)&mask
		m = m<<1 + 1 + mask
	}
	return r, int(m) - 1<<n
}

// reverse returns n bits, the lowest first.
func (r rangeDecoder) reverse(src []uint8, p []probability, n int) (rangeDecoder, uint32) {
	m, value := uint64(1), uint64(0)
	for i := range n {
		r = r.more(src)
		var mask uint64
		r, mask = r.step(&p[m], uint64(p[m]))
		m = m<<1 + 1 + mask
		value |= (1 + mask) << i
	}
	return r, uint32(value)
}

// direct returns n bits of equal probability.
func (r rangeDecoder) direct(src []uint8, n int) (rangeDecoder, uint32) {
	v := uint64(0)
	for range n {
		r = r.more(src)
		r.width >>= 1
		rest := r.code - r.width
		mask := uint64(int64(rest) >> 63)
		r.code = rest + r.width&mask
		v = v<<1 + 1 + mask
	}
	return r, uint32(v)
}

// literal returns a byte, whose probabilities are a tree. Those of both bits that may come are read
// before it is known which.
func (r rangeDecoder) literal(src []uint8, p *[0x300]probability) (rangeDecoder, uint8) {
	m, v := uint64(1), uint64(p[1])
	for range 8 {
		r = r.more(src)
		zero, one := uint64(p[2*m&0x1fe]), uint64(p[2*m&0x1fe+1])
		var mask uint64
		r, mask = r.step(&p[m&0xff], v)
		v = one ^ (one^zero)&mask
		m = m<<1 + 1 + mask
	}
	return r, uint8(m)
}

// unlike returns a byte, whose probabilities depend on the byte like as long as the bits are the same.
func (r rangeDecoder) unlike(src []uint8, p *[0x300]probability, like uint64) (rangeDecoder, uint8) {
	like <<= 1
	m, same := uint64(1), uint64(0x100)
	for range 8 {
		r = r.more(src)
		at := &p[same+like&same+m]
		var mask uint64
		r, mask = r.step(at, uint64(*at))
		m = m<<1 + 1 + mask
		same &= like ^ mask
		like <<= 1
	}
	return r, uint8(m)
}

// A lengthModel decodes the lengths of matches.
type lengthModel struct {
	choice, choice2 probability
	low, mid        [16][8]probability
	high            [256]probability
}

func (l *lengthModel) decode(r rangeDecoder, src []uint8, position uint32) (_ rangeDecoder, n int) {
	short := false
	if r, short = r.more(src).zero(&l.choice); short {
		r, n = r.tree(src, l.low[position][:], 3)
		return r, n + 2
	}
	if r, short = r.more(src).zero(&l.choice2); short {
		r, n = r.tree(src, l.mid[position][:], 3)
		return r, n + 10
	}
	r, n = r.tree(src, l.high[:], 8)
	return r, n + 18
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

// nextState is the state after a literal.
var nextState = [12]int{0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 4, 5}

// An lzmaStream is coded data and how far they are decoded.
type lzmaStream struct {
	src []uint8
	rc  rangeDecoder
}

// short reports whether the data ended.
func (z *lzmaStream) short() bool { return z.rc.at > len(z.src) }

// expand expands to out until it has stop bytes, or a match continues past them, but not past
// most. Matches refer to out from begins on. A byte's position is its index and offset. ok is
// false where a match refers to what is not there, or where the data end.
func (m *lzmaModel) expand(z *lzmaStream, out []uint8, stop, most, begins int, offset uint32) (_ []uint8, ok bool) {
	positions, literals := uint32(1)<<m.pb-1, uint32(1)<<m.lp-1
	r, src := z.rc, z.src
	defer func() { z.rc = r }()
	for len(out) < stop {
		at := uint32(len(out)) + offset
		position := at & positions
		var literal bool
		if r, literal = r.more(src).zero(&m.match[m.state<<4|int(position)]); literal {
			before := uint32(0)
			if len(out) > begins {
				before = uint32(out[len(out)-1])
			}
			context := (at&literals)<<m.lc | before>>(8-m.lc)
			p := (*[0x300]probability)(m.literal[0x300*context:])
			var v uint8
			if m.state < 7 {
				r, v = r.literal(src, p)
			} else {
				if int(m.distance) >= len(out)-begins {
					return out, false
				}
				r, v = r.unlike(src, p, uint64(out[len(out)-1-int(m.distance)]))
			}
			out = append(out, v)
			m.state = nextState[m.state]
			if r.at > len(src) {
				return out, false
			}
			continue
		}
		var n int
		r, n = m.copy(r, src, position)
		if r.at > len(src) || int(m.distance) >= len(out)-begins || n > most-len(out) {
			return out, false
		}
		from := len(out) - 1 - int(m.distance)
		if n > 16 && from+n <= len(out) {
			out = append(out, out[from:from+n]...)
			continue
		}
		for i := range n {
			out = append(out, out[from+i])
		}
	}
	return out, true
}

// after sets the state after a match.
func (m *lzmaModel) after(literal, other int) {
	if m.state < 7 {
		m.state = literal
	} else {
		m.state = other
	}
}

// copy decodes a match, whose distance becomes the last one, and returns its length.
func (m *lzmaModel) copy(r rangeDecoder, src []uint8, position uint32) (_ rangeDecoder, n int) {
	var zero bool
	if r, zero = r.more(src).zero(&m.repeat[m.state]); zero {
		m.distance1, m.distance2, m.distance3 = m.distance, m.distance1, m.distance2
		r, n = m.length.decode(r, src, position)
		m.after(7, 10)
		r, m.distance = m.far(r, src, n)
		return r, n
	}
	if r, zero = r.more(src).zero(&m.repeat0[m.state]); zero {
		if r, zero = r.more(src).zero(&m.longRepeat[m.state<<4|int(position)]); zero {
			m.after(9, 11)
			return r, 1
		}
	} else {
		d := m.distance1
		if r, zero = r.more(src).zero(&m.repeat1[m.state]); !zero {
			d = m.distance2
			if r, zero = r.more(src).zero(&m.repeat2[m.state]); !zero {
				d = m.distance3
				m.distance3 = m.distance2
			}
			m.distance2 = m.distance1
		}
		m.distance1, m.distance = m.distance, d
	}
	r, n = m.repeatLength.decode(r, src, position)
	m.after(8, 11)
	return r, n
}

// far decodes the distance of a match of n bytes.
func (m *lzmaModel) far(r rangeDecoder, src []uint8, n int) (rangeDecoder, uint32) {
	r, v := r.tree(src, m.slot[min(n-2, 3)][:], 6)
	slot := uint32(v)
	if slot < 4 {
		return r, slot
	}
	bits := int(slot>>1) - 1
	d := (2 | slot&1) << bits
	var low uint32
	if slot < 14 {
		r, low = r.reverse(src, m.special[d-slot:], bits)
		return r, d + low
	}
	r, low = r.direct(src, bits-4)
	d += low << 4
	r, low = r.reverse(src, m.align[:], 4)
	return r, d + low
}
