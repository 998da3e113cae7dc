package tiff

import (
	"encoding/binary"
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A leveller makes 8 bits of samples that have a sign, more than 16 bits or a fraction. How it
// does depends on the largest of them.
type leveller struct {
	t      *picture
	order  binary.ByteOrder
	values []float64 // of one channel of a line
	most   float64
	shift  int  // of whole numbers to the right
	unit   bool // real numbers of at most 1
}

// numberOrder returns the order of the bytes of a number, in which the third predictor is not
// that of the file.
func (t *picture) numberOrder() binary.ByteOrder {
	if t.predictor == 3 {
		return binary.BigEndian
	}
	return t.order
}

// measure looks for the largest sample. It has the parameters of reader.spread.
func (l *leveller) measure(px codec.Pixels, _ int, line []uint8, plane int) {
	first, last := l.t.channels(plane)
	for c := first; c < last; c++ {
		for _, v := range l.read(line, px.Width, c-first) {
			if v > l.most {
				l.most = v
			}
		}
	}
}

// fits reports whether the four bytes of a pixel have room for its number.
func (l *leveller) fits() bool {
	return l.t.stretch == nil && l.t.used == 1 && !l.t.planar && l.t.bits <= 32
}

// inPlace decodes the picture to px, first its numbers and then, when the largest is known,
// their levels in their place.
func (r *reader) inPlace(px codec.Pixels) *codec.Failure {
	l, t := r.level, r.t
	real := t.kind == float
	r.spread = func(part codec.Pixels, y int, line []uint8, _ int) {
		row := part.Row(y)
		most := l.most
		for x, v := range l.read(line, part.Width, 0) {
			if !(v > 0) { // NaN too
				v = 0
			}
			most = max(most, v)
			if real {
				binary.LittleEndian.PutUint32(row[4*x:], math.Float32bits(float32(v)))
			} else {
				binary.LittleEndian.PutUint32(row[4*x:], uint32(v))
			}
		}
		l.most = most
	}
	for j := range t.down {
		if fail, _ := r.blocks(part(px, 0, j*t.blockH, t.width, t.rows(j)), j); fail != nil {
			return fail
		}
	}
	l.settle()
	for y := range px.Height {
		row := px.Row(y)
		for ; len(row) >= 4; row = row[4:] {
			v := binary.LittleEndian.Uint32(row)
			switch {
			case real:
				v = uint32(l.of(float64(math.Float32frombits(v))))
			default:
				v = min(v>>l.shift, 255)
			}
			binary.LittleEndian.PutUint32(row, v*0x010101)
		}
	}
	return nil
}

// settle chooses the levels when all samples were seen.
func (l *leveller) settle() {
	switch {
	case l.t.kind == float:
		l.unit = l.most <= 1
	case l.t.kind == signed:
		l.shift = shiftFor(l.most, 1)
	default:
		l.shift = shiftFor(l.most, 0)
	}
	if l.t.bits == 24 {
		l.shift = min(l.shift, 16)
	}
}

// shiftFor returns how many bits are left out of numbers up to most, in 8, 16, 32 or 64 bits,
// of which one may be the sign.
func shiftFor(most float64, sign int) int {
	switch {
	case most < 1<<8:
		return 0
	case most < float64(uint64(1)<<(16-sign)):
		return 8 - sign
	case most < float64(uint64(1)<<(32-sign)):
		return 24 - sign
	}
	return 56 - sign
}

// spread writes the levels of samples, as reader.spread.
func (l *leveller) spread(px codec.Pixels, y int, line []uint8, plane int) {
	row := px.Row(y)
	first, last := l.t.channels(plane)
	for c := first; c < last; c++ {
		for x, v := range l.read(line, px.Width, c-first) {
			row[4*x+c] = l.of(v)
		}
	}
}

// of returns the level of a number.
func (l *leveller) of(v float64) uint8 {
	switch {
	case !(v > 0): // NaN too
		return 0
	case l.unit:
		return uint8(float64(v*255) + 0.5)
	case l.t.kind == float || l.shift == 0:
		return uint8(min(v, 255))
	}
	return uint8(min(uint64(v)>>l.shift, 255))
}

// read returns the numbers of channel c of the first n pixels of a line. Those of real numbers
// that were predicted are in planes of their bytes, over the whole line.
func (l *leveller) read(line []uint8, n, c int) []float64 {
	t := l.t
	to := l.values[:n]
	size := t.bits / 8
	step := t.perBlock() * size
	if t.predictor == 3 {
		numbers := len(line) / size
		var b [8]uint8
		for x := range to {
			for i := range size {
				b[i] = line[i*numbers+x*t.perBlock()+c]
			}
			to[x] = l.real(b[:])
		}
		return to
	}
	if t.bits%8 != 0 {
		for x, at := 0, c*t.bits; x < n; x, at = x+1, at+t.perBlock()*t.bits {
			v := uint32(0)
			for i := range 3 {
				v <<= 8
				if at>>3+i < len(line) {
					v |= uint32(line[at>>3+i])
				}
			}
			to[x] = float64(v >> (24 - at&7 - t.bits) & (1<<t.bits - 1))
		}
		return to
	}
	at := c * size
	switch little := t.order == binary.LittleEndian; {
	case t.kind == float && size == 4 && little:
		for x := range to {
			to[x] = float64(math.Float32frombits(binary.LittleEndian.Uint32(line[at:])))
			at += step
		}
	case t.kind == float:
		for x := range to {
			to[x] = l.real(line[at:])
			at += step
		}
	case size == 2 && little && t.kind == unsigned:
		for x := range to {
			to[x] = float64(binary.LittleEndian.Uint16(line[at:]))
			at += step
		}
	case size == 2 && little:
		for x := range to {
			to[x] = float64(int16(binary.LittleEndian.Uint16(line[at:])))
			at += step
		}
	case size == 4 && little && t.kind == signed:
		for x := range to {
			to[x] = float64(int32(binary.LittleEndian.Uint32(line[at:])))
			at += step
		}
	case size == 4 && little:
		for x := range to {
			to[x] = float64(binary.LittleEndian.Uint32(line[at:]))
			at += step
		}
	default:
		for x := range to {
			to[x] = l.whole(line[at:])
			at += step
		}
	}
	return to
}

// whole returns a number without a fraction.
func (l *leveller) whole(b []uint8) float64 {
	if l.t.kind == signed {
		switch l.t.bits {
		case 8:
			return float64(int8(b[0]))
		case 16:
			return float64(int16(l.order.Uint16(b)))
		case 32:
			return float64(int32(l.order.Uint32(b)))
		}
		return float64(int64(l.order.Uint64(b)))
	}
	switch l.t.bits {
	case 8:
		return float64(b[0])
	case 16:
		return float64(l.order.Uint16(b))
	case 24:
		return float64(l.three(b))
	case 32:
		return float64(l.order.Uint32(b))
	}
	return float64(l.order.Uint64(b))
}

// three returns the number in three bytes.
func (l *leveller) three(b []uint8) uint32 {
	if l.order == binary.LittleEndian {
		return uint32(b[0]) | uint32(b[1])<<8 | uint32(b[2])<<16
	}
	return uint32(b[2]) | uint32(b[1])<<8 | uint32(b[0])<<16
}

// real returns a number with a fraction, of 16, 24, 32 or 64 bits.
func (l *leveller) real(b []uint8) float64 {
	switch l.t.bits {
	case 16:
		return small(uint32(l.order.Uint16(b)), 10, 15)
	case 24:
		return small(l.three(b), 16, 63)
	case 32:
		return float64(math.Float32frombits(l.order.Uint32(b)))
	}
	return math.Float64frombits(l.order.Uint64(b))
}

// small returns a number of a sign, an exponent with this bias and a fraction of so many bits.
func small(v uint32, fraction, bias int) float64 {
	f := v & (1<<fraction - 1)
	e := int(v>>fraction) & (2*bias + 1)
	sign := 1.0
	if v>>fraction > uint32(2*bias+1) {
		sign = -1
	}
	switch {
	case e == 2*bias+1 && f != 0:
		return math.NaN()
	case e == 2*bias+1:
		return math.Inf(int(sign))
	case e == 0:
		return sign * math.Ldexp(float64(f), 1-bias-fraction)
	}
	return sign * math.Ldexp(float64(f|1<<fraction), e-bias-fraction)
}
