package tiff

import (
	"encoding/binary"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// decode writes the pixels.
func (t *picture) decode(px codec.Pixels) *codec.Failure {
	e := newExpander(t)
	buf := make([]uint8, t.partBytes(min(t.blockW, t.width)))
	for i := range t.planes() * t.across * t.down {
		plane, j, k := i/(t.across*t.down), i/t.across%t.down, i%t.across
		if plane >= t.used {
			break
		}
		data, fail := t.block(i)
		if fail != nil {
			return fail
		}
		rows, rowBytes := t.rows(j), t.rowBytes()
		left := k * t.blockW
		w := min(t.blockW, t.width-left)
		e.open(data, rows, rowBytes)
		var err error
		for y := 0; y < rows && err == nil; y++ {
			if err = e.read(buf[:t.partBytes(w)], rowBytes); err == nil {
				row := buf[:t.partBytes(w)]
				if t.predicted {
					t.unpredict(row)
				}
				t.spread(px.Row(j*t.blockH + y)[4*left:][:4*w], row, plane)
			}
		}
		if err == nil {
			err = e.close()
		}
		if err != nil {
			fail := e.failure(rows*rowBytes, err)
			if fail.Status == codec.StatusCorrupt {
				fail.Reason = fmt.Sprintf("block %d: %s", i, fail.Reason)
			}
			return fail
		}
	}
	finish := t.finisher()
	for y := range t.height {
		finish(px.Row(y))
	}
	return nil
}

// unpredict adds up the differences of a row.
func (t *picture) unpredict(row []uint8) {
	n := t.perBlock()
	if t.bits == 8 {
		for x := n; x < len(row); x++ {
			row[x] += row[x-n]
		}
		return
	}
	for x := 2 * n; x+2 <= len(row); x += 2 {
		t.order.PutUint16(row[x:], t.order.Uint16(row[x:])+t.order.Uint16(row[x-2*n:]))
	}
}

// spread writes the samples of a block's row, as 8 bits, to the bytes of their pixels: the
// first sample to the first byte.
func (t *picture) spread(px, row []uint8, plane int) {
	first, last := 0, t.used
	if t.planar {
		first, last = plane, plane+1
	}
	if t.bits < 8 { // there is one sample
		mask := uint8(1)<<t.bits - 1
		scale := uint8(1)
		if t.photometric != palette {
			scale = 255 / mask
		}
		perByte := 8 / t.bits
		for x := 0; 4*x < len(px); x++ {
			shift := 8 - t.bits*(x%perByte+1)
			px[4*x+first] = row[x/perByte] >> shift & mask * scale
		}
		return
	}
	width := t.bits / 8
	step := t.perBlock() * width
	for c := first; c < last; c++ {
		at := (c - first) * width
		if width == 2 && t.order == binary.LittleEndian {
			at++ // the upper byte
		}
		for x := 0; x < len(px)/4; x++ {
			px[4*x+c] = row[at]
			at += step
		}
	}
}

// finisher returns the function that makes colours of a row of samples.
func (t *picture) finisher() func(row []uint8) {
	switch {
	case t.photometric == palette:
		var table [256][3]uint8
		colours := t.fields[tagColorMap]
		for i := range 1 << t.bits {
			for c := range 3 {
				table[i][c] = uint8(t.at(colours, c<<t.bits+i) >> 8)
			}
		}
		return func(row []uint8) {
			for x := 0; x < len(row); x += 4 {
				c := table[row[x]]
				row[x], row[x+1], row[x+2] = c[0], c[1], c[2]
			}
		}
	case t.photometric == rgb && t.associated:
		return func(row []uint8) {
			for x := 0; x < len(row); x += 4 {
				for c := range 3 {
					row[x+c] = divideAlpha(row[x+c], row[x+3], 0)
				}
			}
		}
	case t.photometric == rgb:
		return func([]uint8) {}
	}
	flip := uint8(0)
	if t.photometric == whiteIsZero {
		flip = 0xff
	}
	return func(row []uint8) {
		for x := 0; x < len(row); x += 4 {
			v := row[x] ^ flip
			if t.associated {
				v = divideAlpha(v, row[x+1], v)
			}
			row[x], row[x+1], row[x+2] = v, v, v
		}
	}
}

// divideAlpha returns the colour that was multiplied by alpha, as Pillow does: rounded down,
// and white if it is more than alpha.
func divideAlpha(v, alpha, transparent uint8) uint8 {
	if alpha == 0 {
		return transparent
	}
	return uint8(min(int(v)*255/int(alpha), 255))
}
