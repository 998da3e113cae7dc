package jpeg

import (
	"encoding/binary"
	"slices"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// scan checks the scan whose header segment has this body, and writes it.
func (c *checker) scan(body []byte) *codec.Failure {
	s, fail := c.scanHeader(body)
	if fail != nil {
		return fail
	}
	frame := &c.h.frame
	if !frame.progressive && !frame.arithmetic && c.scans == 1 {
		c.addStandardTables()
	}
	for i := range s.comps {
		if fail := s.comps[i].tables(c, s); fail != nil {
			return fail
		}
	}
	if frame.progressive {
		if fail := c.progress(s); fail != nil {
			return fail
		}
	}
	c.writeScan(s)
	if frame.arithmetic {
		if !c.arithmeticData() {
			return c.damaged("scan %d: no coded data", c.scans)
		}
	} else if err := c.scanData(s); err != nil {
		return c.damaged("scan %d: %v", c.scans, err)
	}
	for _, sc := range s.comps {
		for k := s.from; k <= s.to; k++ {
			sc.bits[k] = int8(s.low)
		}
	}
	return nil
}

// A scan is a scan's header.
type scan struct {
	comps     []scanComponent
	from, to  int // coefficients, in the order of the zigzag
	high, low int // bits below those that were read before, and below those read now
}

type scanComponent struct {
	*component
	index          int
	h, v           int // blocks in a unit of the scan
	dc, ac         byte
	dcTable, table *huffmanTable
	most           [64]int32 // the largest coefficients that are possible
	last           int32     // the first coefficient of the last block
}

func (c *checker) scanHeader(body []byte) (*scan, *codec.Failure) {
	if len(body) < 6 || body[0] < 1 || body[0] > 4 || len(body) != 4+2*int(body[0]) {
		return nil, c.damaged("scan %d: a damaged header", c.scans)
	}
	frame := &c.h.frame
	n := int(body[0])
	s := &scan{to: 63}
	units := 0
	next := 0
	for i := range n {
		index := next
		for index < frame.components && frame.comp[index].id != body[1+2*i] {
			index++
		}
		if index == frame.components {
			return nil, c.damaged("scan %d: no component %d where one is due", c.scans, body[1+2*i])
		}
		next = index + 1
		sc := scanComponent{component: &c.comps[index], index: index, h: 1, v: 1, dc: body[2+2*i] >> 4, ac: body[2+2*i] & 15}
		if n > 1 {
			sc.h, sc.v = int(frame.comp[index].h), int(frame.comp[index].v)
		}
		units += sc.h * sc.v
		s.comps = append(s.comps, sc)
	}
	if n > 1 && units > 10 {
		return nil, c.damaged("scan %d: %d blocks in a unit, more than 10", c.scans, units)
	}
	if frame.progressive || frame.arithmetic {
		b := body[1+2*n:]
		s.from, s.to, s.high, s.low = int(b[0]), int(b[1]), int(b[2]>>4), int(b[2]&15)
		bad := s.from > s.to || s.to > 63 || s.low > 13 || s.high != 0 && s.high != s.low+1 ||
			frame.progressive && (s.from == 0 && s.to != 0 || s.from != 0 && n != 1) ||
			!frame.progressive && (s.from != 0 || s.to != 63 || s.low != 0)
		if bad {
			return nil, c.damaged("scan %d: bits %d to %d of coefficients %d to %d", c.scans, s.high, s.low, s.from, s.to)
		}
	}
	c.plain.uneven = c.plain.uneven || n == 1 && frame.components > 1 && c.unevenScan(s.comps[0].index)
	return s, nil
}

// unevenScan reports whether image/jpeg counts the blocks of component i, alone in a
// scan, differently from the standard.
func (c *checker) unevenScan(i int) bool {
	f := &c.h.frame
	h, v := f.comp[i].h, f.comp[i].v
	return h*v > 1 && (c.restart > 0 || h != f.maxH || v != f.maxV)
}

// addStandardTables defines the tables that the image leaves out, as libjpeg-turbo does
// for a frame of Motion JPEG.
func (c *checker) addStandardTables() {
	for class := range c.huffman {
		for i, table := range standardHuffman[class] {
			if c.huffman[class][i] == nil {
				c.huffman[class][i] = []byte(table)
			}
		}
	}
}

// tables finds the component's tables for the scan.
func (sc *scanComponent) tables(c *checker, s *scan) *codec.Failure {
	f := &c.h.frame
	if q := f.comp[sc.index].quant; q > 3 || c.quant[q] == nil {
		return c.damaged("scan %d: no quantisation table %d", c.scans, q)
	}
	if f.arithmetic {
		return nil
	}
	sc.bound(c.quant[f.comp[sc.index].quant])
	find := func(class int, i byte) (*huffmanTable, *codec.Failure) {
		if i > 3 || c.huffman[class][i] == nil {
			return nil, c.damaged("scan %d: no Huffman table %d", c.scans, i)
		}
		t := newHuffmanTable(c.huffman[class][i], class == 0)
		if t == nil {
			return nil, c.damaged("scan %d: a Huffman table with too many codes", c.scans)
		}
		return t, nil
	}
	var fail *codec.Failure
	if s.from == 0 && s.high == 0 {
		if sc.dcTable, fail = find(0, sc.dc); fail != nil {
			return fail
		}
	}
	if s.to > 0 {
		sc.table, fail = find(1, sc.ac)
	}
	return fail
}

// bound finds the largest coefficients. Those of samples of 8 bits are below 1,024 before
// they are rounded to multiples of the table's. Twice as large ones are allowed for
// encoders that overshoot.
func (sc *scanComponent) bound(table []byte) {
	for k := range sc.most {
		q := int32(table[1+k])
		if table[0]>>4 != 0 {
			q = int32(binary.BigEndian.Uint16(table[1+2*k:]))
		}
		sc.most[k] = 2048/max(q, 1) + 1
	}
}

// progress checks that a progressive scan reads the bits that come next.
func (c *checker) progress(s *scan) *codec.Failure {
	for _, sc := range s.comps {
		due := s.from == 0 || sc.bits[0] >= 0
		for k := s.from; k <= s.to; k++ {
			due = due && max(int(sc.bits[k]), 0) == s.high
		}
		if !due {
			return c.damaged("scan %d does not follow from those before it", c.scans)
		}
	}
	return nil
}

// scanData reads the coded data, interval by interval, and writes them without what is
// skipped.
func (c *checker) scanData(s *scan) error {
	wide, high := s.comps[0].wide, s.comps[0].high
	if len(s.comps) > 1 {
		f := &c.h.frame
		wide, high = ceilDiv(c.h.width, 8*int(f.maxH)), ceilDiv(c.h.height, 8*int(f.maxV))
	}
	units := wide * high
	quick := c.quick != nil && !c.h.frame.progressive
	if quick {
		c.quick.prepare(s)
	}
	for done, restarts := 0, byte(0); ; restarts++ {
		c.codedAt = c.at
		c.coded, c.at = unstuff(c.coded, c.src, c.at)
		n := units - done
		if c.restart > 0 {
			n = min(n, c.restart)
		}
		b := bitReader{data: c.coded}
		run := 0
		for k := range s.comps {
			s.comps[k].last = 0
		}
		for i := range n {
			if i == 0 && quick && c.quick.read(&b, s, n) {
				break
			}
			if err := b.unit(s, (done+i)%wide, (done+i)/wide, &run); err != nil {
				return err
			}
		}
		if run > 0 {
			return errOverrun
		}
		c.used = (b.used() + 7) / 8
		c.spare = 8*c.used - b.used()
		c.writeData(c.coded[:c.used])
		if !c.h.frame.progressive && c.continues(b, s) {
			return errMore
		}
		if done += n; done == units {
			c.surplus = c.surplus || c.used < len(c.coded)
			return nil
		}
		marker := mRST0 + restarts&7
		if c.peek() != marker {
			if c.at == len(c.src) {
				return errShort
			}
			return errRestart
		}
		c.marker()
		c.plain.data = append(c.plain.data, 0xff, marker)
	}
}

// peek returns the marker that ended the coded data, 0 at the end of the file.
func (c *checker) peek() byte {
	for i := c.at; i < len(c.src); i++ {
		if c.src[i] != 0xff {
			return c.src[i]
		}
	}
	return 0
}

// continues reports whether the last unit is followed by more units, up to the last byte.
// Then codes are missing or damaged before them, since a picture has as many units as its
// size says.
func (c *checker) continues(b bitReader, s *scan) bool {
	if c.used == len(c.coded) {
		return false
	}
	for 8*len(c.coded)-b.used() >= 8 {
		if b.unit(s, 0, 0, new(int)) != nil {
			return false
		}
	}
	return endsInOnes(c.coded, 8*len(c.coded)-b.used())
}

// unit reads the unit of the scan at (x, y).
func (b *bitReader) unit(s *scan, x, y int, run *int) error {
	for k := range s.comps {
		if err := b.component(&s.comps[k], s, x, y, run); err != nil {
			return err
		}
	}
	if b.used() > 8*len(b.data) {
		return errShort
	}
	return nil
}

// component reads the blocks of one component in the unit at (x, y).
func (b *bitReader) component(sc *scanComponent, s *scan, x, y int, run *int) error {
	if s.from > 0 { // such a scan has one component
		nonzero := &sc.nonzero[y*sc.stride+x]
		if s.high == 0 {
			return b.first(sc.table, s, &sc.most, run, nonzero)
		}
		return b.refine(sc.table, s.from, s.to, run, nonzero)
	}
	for range sc.h * sc.v {
		switch {
		case sc.nonzero == nil:
			if err := b.block(sc.dcTable, sc.table, &sc.most, &sc.last); err != nil {
				return err
			}
		case s.high == 0:
			n, err := b.symbol(sc.dcTable)
			if err != nil {
				return err
			}
			if sc.last += b.value(n); beyond(sc.last, s.low, sc.most[0]) {
				return errRange
			}
		default:
			b.bits(1)
		}
	}
	return nil
}

// arithmeticData copies the coded data without reading them, and reports whether there are
// any. Reading would show no damage: their decoder may need more bytes than there are
// even if they are whole.
func (c *checker) arithmeticData() (any bool) {
	for {
		c.coded, c.at = unstuff(c.coded, c.src, c.at)
		c.used = len(c.coded)
		c.writeData(c.coded)
		any = any || c.used > 0
		marker := c.peek()
		if marker < mRST0 || marker > mRST7 {
			return any
		}
		c.marker()
		c.plain.data = append(c.plain.data, 0xff, marker)
	}
}

// scanRoom is what the tables of a scan, its header and its restart interval take in the plain
// JPEG at most: for each of four components 64 values of 16 bits, and two Huffman tables.
const scanRoom = 4*(5+128+2*(5+16+256)) + 20

// start writes the head of the plain JPEG.
func (c *checker) start(declare colour) {
	f := &c.h.frame
	c.plain.data = append(slices.Grow(c.plain.data[:0], len(c.src)+scanRoom*(1+c.h.scans)), 0xff, mSOI)
	const adobe = "Adobe\x00\x64\x00\x00\x00\x00"
	switch declare {
	case colourYCbCr:
		c.write(mAPP0, []byte("JFIF\x00\x01\x01\x00\x00\x01\x00\x01\x00\x00"))
	case colourRGB, colourCMYK:
		c.write(mAPP14, []byte(adobe+"\x00"))
	case colourYCCK:
		c.write(mAPP14, []byte(adobe+"\x02"))
	}
	b := []byte{8}
	b = binary.BigEndian.AppendUint16(b, uint16(c.h.height))
	b = binary.BigEndian.AppendUint16(b, uint16(c.h.width))
	b = append(b, byte(f.components))
	for i := range f.components {
		b = append(b, byte(i+1), f.comp[i].h<<4|f.comp[i].v, byte(i))
	}
	marker := f.marker
	if marker == mSOF0 {
		marker = mSOF0 + 1 // where more tables are allowed
	}
	c.write(marker, b)
}

// writeScan writes the header of a scan and the tables that it needs.
func (c *checker) writeScan(s *scan) {
	if c.restart != c.interval {
		c.interval = c.restart
		c.write(mDRI, binary.BigEndian.AppendUint16(nil, uint16(c.restart)))
	}
	header := []byte{byte(len(s.comps))}
	for i := range s.comps {
		sc := &s.comps[i]
		if !sc.latched {
			q := c.quant[c.h.frame.comp[sc.index].quant]
			c.write(mDQT, append([]byte{q[0]&0xf0 | byte(sc.index)}, q[1:]...))
			sc.latched = true
		}
		for class, t := range [2]*huffmanTable{sc.dcTable, sc.table} {
			if t != nil {
				c.write(mDHT, append([]byte{byte(class)<<4 | [2]byte{sc.dc, sc.ac}[class]}, t.spec...))
			}
		}
		header = append(header, byte(sc.index+1), sc.dc<<4|sc.ac)
	}
	c.write(mSOS, append(header, byte(s.from), byte(s.to), byte(s.high<<4|s.low)))
}

func (c *checker) write(marker byte, body []byte) {
	c.plain.data = append(c.plain.data, 0xff, marker)
	if marker != mEOI {
		c.plain.data = binary.BigEndian.AppendUint16(c.plain.data, uint16(len(body)+2))
		c.plain.data = append(c.plain.data, body...)
	}
}

func (c *checker) writeData(coded []byte) {
	for _, v := range coded {
		if c.plain.data = append(c.plain.data, v); v == 0xff {
			c.plain.data = append(c.plain.data, 0)
		}
	}
}
