package tiff

import (
	"encoding/binary"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A reader decodes the blocks of a picture.
type reader struct {
	t      *picture
	bounds codec.Bounds
	e      *expander
	line   []uint8 // of samples, of one block
	spread func(px codec.Pixels, y int, line []uint8, plane int)
	finish func(row []uint8) // makes colours of a row of samples
	sums   bool              // spread undoes the predictor
	level  *leveller         // nil if 8 bits of the samples are kept
	inner  innerReader
}

func newReader(t *picture, bounds codec.Bounds) *reader {
	r := &reader{t: t, bounds: bounds, finish: t.finisher()}
	if t.inner != nil {
		return r
	}
	r.e = newExpander(t)
	r.line = make([]uint8, t.readBytes(min(t.blockW, t.width)))
	r.spread = t.spreader()
	if spread := t.tableSpreader(r.finish); spread != nil {
		r.spread, r.finish = spread, func([]uint8) {}
	}
	if t.stretch != nil {
		numbers := &leveller{t: t, order: t.numberOrder(), values: make([]float64, min(t.blockW, t.width))}
		t.stretch.numbers = numbers
		r.spread, r.finish = t.stretch.spread, func([]uint8) {}
		if t.needsLargest() {
			r.level = numbers
		}
		return r
	}
	if t.isWide() {
		r.level = &leveller{t: t, order: t.numberOrder(), values: make([]float64, min(t.blockW, t.width))}
	} else if t.predictor == 2 && t.bits == 8 && !t.planar && t.samples == 3 && t.used == 3 {
		r.spread, r.sums = spreadSums, true
	}
	return r
}

// free ends the use of the reader.
func (r *reader) free() {
	if r.e != nil {
		r.e.free()
	}
}

// measure finds the largest sample of the picture, where its pixels depend on it. It leaves
// the picture as it is.
func (r *reader) measure() (*codec.Failure, error) {
	if r.level == nil {
		return nil, nil
	}
	spread := r.level.spread
	if r.t.stretch != nil {
		spread = r.spread
	}
	r.spread = r.level.measure
	for j := range r.t.down {
		if fail, err := r.blocks(codec.Pixels{Width: r.t.width, Height: r.t.rows(j)}, j); fail != nil || err != nil {
			return fail, err
		}
	}
	r.level.settle()
	r.spread = spread
	return nil, nil
}

// band decodes row j of the grid of blocks to px, which is as wide as the picture.
func (r *reader) band(px codec.Pixels, j int) (*codec.Failure, error) {
	if fail, err := r.blocks(px, j); fail != nil || err != nil {
		return fail, err
	}
	for y := range px.Height {
		r.finish(px.Row(y))
	}
	return nil, nil
}

// blocks writes the samples of row j of the grid to the bytes of their pixels. Without bytes
// it reads them only.
func (r *reader) blocks(px codec.Pixels, j int) (*codec.Failure, error) {
	t := r.t
	for plane := range t.planes() {
		for k := range t.across {
			left := k * t.blockW
			to := codec.Pixels{Width: min(t.blockW, t.width-left), Height: px.Height}
			if px.Bytes != nil {
				to = part(px, left, 0, to.Width, px.Height)
			}
			i := (plane*t.down+j)*t.across + k
			if t.inner != nil {
				if fail, err := r.innerBlock(to, i, plane); fail != nil || err != nil {
					return fail, err
				}
				continue
			}
			if fail := r.open(i); fail != nil {
				return fail, nil
			}
			if fail := r.read(to, i, plane, true); fail != nil {
				return fail, nil
			}
		}
	}
	return nil, nil
}

// open begins block i.
func (r *reader) open(i int) *codec.Failure {
	data, fail := r.t.block(i)
	if fail == nil {
		r.e.open(data, r.t.lines(r.t.rows(i/r.t.across%r.t.down)), r.t.lineBytes())
	}
	return fail
}

// read decodes the next rows of block i to px, and what follows the last of them.
func (r *reader) read(px codec.Pixels, i, plane int, last bool) *codec.Failure {
	t := r.t
	line := r.line[:t.readBytes(px.Width)]
	whole := t.lineBytes()
	var err error
	for y := 0; y < px.Height && err == nil; y += t.subY {
		if err = r.e.read(line, whole); err == nil {
			if !r.sums {
				t.unpredict(line)
			}
			r.spread(px, y, line, plane)
		}
	}
	if err == nil && last {
		err = r.e.close()
	}
	if err == nil {
		return nil
	}
	fail := r.e.failure(t.coded(i/t.across%t.down), err)
	if fail.Status == codec.StatusCorrupt {
		fail.Reason = fmt.Sprintf("block %d: %s", i, fail.Reason)
	}
	return fail
}

// readBytes returns how many bytes of a line of one block are read for the first w pixels.
func (t *picture) readBytes(w int) int {
	if t.predictor == 3 { // which spreads a number over the line
		return t.lineBytes()
	}
	return t.partBytes(w)
}

// unpredict adds up the differences of a line.
func (t *picture) unpredict(line []uint8) {
	n := t.perBlock()
	switch {
	case t.predictor == 1:
	case t.bits == 8 && n == 3:
		var r, g, b uint8 // not read from memory again
		for ; len(line) >= 3; line = line[3:] {
			r, g, b = r+line[0], g+line[1], b+line[2]
			line[0], line[1], line[2] = r, g, b
		}
	case t.bits == 8, t.predictor == 3: // the third is for bytes of numbers
		for x := n; x < len(line); x++ {
			line[x] += line[x-n]
		}
	case t.bits == 16:
		for x := 2 * n; x+2 <= len(line); x += 2 {
			t.order.PutUint16(line[x:], t.order.Uint16(line[x:])+t.order.Uint16(line[x-2*n:]))
		}
	case t.bits == 32:
		for x := 4 * n; x+4 <= len(line); x += 4 {
			t.order.PutUint32(line[x:], t.order.Uint32(line[x:])+t.order.Uint32(line[x-4*n:]))
		}
	default:
		for x := 8 * n; x+8 <= len(line); x += 8 {
			t.order.PutUint64(line[x:], t.order.Uint64(line[x:])+t.order.Uint64(line[x-8*n:]))
		}
	}
}

// channels returns which bytes of a pixel a block's samples go to: from first up to last.
func (t *picture) channels(plane int) (first, last int) {
	if t.planar {
		return plane, plane + 1
	}
	return 0, t.used
}

// spreader returns the function that writes the samples of a block's line, as 8 bits, to the
// bytes of their pixels in row y: the first sample to the first byte.
func (t *picture) spreader() func(px codec.Pixels, y int, line []uint8, plane int) {
	switch {
	case t.subX*t.subY > 1:
		return t.spreadShared
	case t.bits == 8 && !t.planar && t.samples == 3 && t.used == 3:
		return func(px codec.Pixels, y int, line []uint8, _ int) {
			row := px.Row(y)
			for len(row) >= 4 && len(line) >= 4 {
				binary.LittleEndian.PutUint32(row, binary.LittleEndian.Uint32(line)&0xffffff)
				row, line = row[4:], line[3:]
			}
			if len(row) >= 4 && len(line) == 3 {
				row[0], row[1], row[2] = line[0], line[1], line[2]
			}
		}
	case t.bits == 8 && !t.planar && t.samples == 4 && t.used >= 3:
		return func(px codec.Pixels, y int, line []uint8, _ int) { copy(px.Row(y), line) }
	case t.bits == 8 || t.bits == 16:
		return t.spreadBytes
	case t.bits > 8:
		return t.spreadBits
	}
	return t.spreadFew
}

// spreadSums undoes the predictor of samples of 8 bits, three a pixel, and spreads them, which takes
// one pass over the line. A sum has the three bytes of a pixel: the highest bits of them carry nowhere.
func spreadSums(px codec.Pixels, y int, line []uint8, _ int) {
	const high = 0x808080
	row, sum := px.Row(y), uint32(0)
	for len(row) >= 4 && len(line) >= 4 {
		v := binary.LittleEndian.Uint32(line) & 0xffffff
		sum = (sum&^high + v&^high) ^ (sum^v)&high
		binary.LittleEndian.PutUint32(row, sum)
		row, line = row[4:], line[3:]
	}
	if len(row) >= 4 && len(line) == 3 {
		row[0], row[1], row[2] = uint8(sum)+line[0], uint8(sum>>8)+line[1], uint8(sum>>16)+line[2]
	}
}

// isWide reports whether the pixels depend on the largest sample.
func (t *picture) isWide() bool { return t.kind != unsigned || t.bits > 16 }

// tableSpreader returns a spreader of whole pixels by a table, where the upper 8 bits of one
// sample say all of a pixel; otherwise nil.
func (t *picture) tableSpreader(finish func(row []uint8)) func(px codec.Pixels, y int, line []uint8, plane int) {
	if t.isWide() || t.used != 1 || t.perBlock() != 1 || t.bits > 8 && t.bits != 16 || 8%t.bits != 0 && t.bits != 16 {
		return nil
	}
	bits := min(t.bits, 8)
	var colours [4 * 256]uint8
	for v := range 1 << bits {
		colours[4*v] = uint8(v)
		if t.photometric != palette {
			colours[4*v] = uint8(v * 255 / (1<<bits - 1))
		}
	}
	finish(colours[:4<<bits])
	var table [256]uint32
	for v := range table {
		table[v] = binary.LittleEndian.Uint32(colours[4*v:])
	}
	step, at := 1, 0
	switch {
	case t.bits == 1:
		return spreadBilevel(table[0], table[1])
	case t.bits < 8:
		mask, perByte := uint8(1)<<bits-1, 8/bits
		return func(px codec.Pixels, y int, line []uint8, _ int) {
			row := px.Row(y)
			for x := 0; 4*x < len(row); x++ {
				v := line[x/perByte] >> (8 - bits*(x%perByte+1)) & mask
				binary.LittleEndian.PutUint32(row[4*x:], table[v])
			}
		}
	case t.bits == 16:
		if step = 2; t.order == binary.LittleEndian {
			at = 1
		}
	}
	return func(px codec.Pixels, y int, line []uint8, _ int) {
		row, i := px.Row(y), at
		for ; len(row) >= 4; row = row[4:] {
			binary.LittleEndian.PutUint32(row, table[line[i]])
			i += step
		}
	}
}

// spreadBilevel returns a spreader of pixels of one bit, which are one of two colours.
func spreadBilevel(zero, one uint32) func(px codec.Pixels, y int, line []uint8, plane int) {
	table := new([16][16]uint8) // four pixels
	for v := range table {
		for x := range 4 {
			colour := zero
			if v>>(3-x)&1 != 0 {
				colour = one
			}
			binary.LittleEndian.PutUint32(table[v][4*x:], colour)
		}
	}
	return func(px codec.Pixels, y int, line []uint8, _ int) {
		row := px.Row(y)
		for _, b := range line {
			if len(row) < 32 {
				var last [32]uint8
				copy(last[:], table[b>>4][:])
				copy(last[16:], table[b&15][:])
				copy(row, last[:])
				return
			}
			*(*[16]uint8)(row) = table[b>>4]
			*(*[16]uint8)(row[16:]) = table[b&15]
			row = row[32:]
		}
	}
}

// spreadBytes is for samples of one or two bytes, of which it takes the upper.
func (t *picture) spreadBytes(px codec.Pixels, y int, line []uint8, plane int) {
	row := px.Row(y)
	width := t.bits / 8
	step := t.perBlock() * width
	first, last := t.channels(plane)
	for c := first; c < last; c++ {
		at := (c - first) * width
		if width == 2 && t.order == binary.LittleEndian {
			at++
		}
		for x := c; x < len(row); x += 4 {
			row[x] = line[at]
			at += step
		}
	}
}

// spreadBits is for samples of 9 to 15 bits, of which it takes the upper 8. They have their
// highest bit first whatever the order of bytes is.
func (t *picture) spreadBits(px codec.Pixels, y int, line []uint8, plane int) {
	row := px.Row(y)
	first, last := t.channels(plane)
	for c := first; c < last; c++ {
		at := (c - first) * t.bits
		for x := c; x < len(row); x += 4 {
			i, shift := at>>3, at&7
			row[x] = line[i]<<shift | line[i+1]>>(8-shift)
			at += t.perBlock() * t.bits
		}
	}
}

// spreadFew is for samples of fewer than 8 bits. Those that are not an index are spread over 0 to
// 255.
func (t *picture) spreadFew(px codec.Pixels, y int, line []uint8, plane int) {
	row := px.Row(y)
	var scale [128]uint8
	most := 1<<t.bits - 1
	for v := range most + 1 {
		scale[v] = uint8(v * 255 / most)
		if t.photometric == palette {
			scale[v] = uint8(v)
		}
	}
	first, last := t.channels(plane)
	if n := t.perBlock(); n > 1 || 8%t.bits != 0 {
		for c := first; c < last; c++ {
			at := (c - first) * t.bits
			for x := c; x < len(row); x += 4 {
				v := uint16(line[at>>3]) << 8
				if at>>3+1 < len(line) {
					v |= uint16(line[at>>3+1])
				}
				row[x] = scale[v>>(16-at&7-t.bits)&uint16(most)]
				at += n * t.bits
			}
		}
		return
	}
	x := first
	for _, b := range line {
		for shift := 8 - t.bits; shift >= 0 && x < len(row); shift -= t.bits {
			row[x] = scale[int(b>>shift)&most]
			x += 4
		}
	}
}

// spreadShared is for YCbCr whose chroma is that of several pixels. A line has the rows of
// pixels that share it: for each group of them all their luma, and Cb and Cr.
func (t *picture) spreadShared(px codec.Pixels, y int, line []uint8, _ int) {
	size := t.subX * t.subY
	for v := range min(t.subY, px.Height-y) {
		row, from := px.Row(y+v), line
		for x := 0; x < px.Width; x += t.subX {
			group := from[:size+2]
			for u := range min(t.subX, px.Width-x) {
				codec.Set(row, x+u, group[v*t.subX+u], group[size], group[size+1])
			}
			from = from[size+2:]
		}
	}
}
