// Package png decodes PNG, as leniently as viewers do: a picture whose pixels are all there
// is decoded, whatever else is wrong with the file.
package png

import (
	"bytes"
	"encoding/binary"
	"errors"
	"hash/crc32"
	"io"

	"github.com/klauspost/compress/zlib" // inflates faster than the standard library

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

const signature = "\x89PNG\r\n\x1a\n"

// Format is PNG's entry in the table of formats.
var Format = codec.Format{
	Name:         "PNG",
	Extensions:   "png apng",
	Signatures:   []string{signature},
	Unmistakable: true,
	New:          func(c codec.Config) (codec.Decoder, error) { return decoder{levelsOf(c.ValueRange)}, nil },
}

// A file is what the chunks of a PNG say about its pixels.
type file struct {
	width, height int
	depth, colour uint8 // as IHDR has them
	interlaced    bool
	palette       [256][3]uint8
	colours       int     // of palette; 0 without one
	clear         []byte  // of tRNS: the alpha of each colour of the palette, or the samples of one colour
	alpha         bool    // the alpha is wanted
	levels        []uint8 // of each value of 16 bits; nil for the upper 8
	data          *idat   // nil without pixels
	long          int64   // bytes of the IDAT chunks
	last          chunk   // of them
}

// Values of file.colour.
const (
	colourGrey      = 0
	colourRGB       = 2
	colourPalette   = 3
	colourGreyAlpha = 4
	colourRGBA      = 6
)

// A chunk is one chunk, or as much of it as the file has.
type chunk struct {
	kind string
	body []byte
	size uint32 // that the header says; more than body has where the file ends early
	sum  []byte // the checksum; nil where the file ends before it
}

// nextChunk returns the chunk at src[at:] and where the next one begins, or false if the
// file ends before the body.
func nextChunk(src []byte, at int) (chunk, int, bool) {
	const header, trailer = 8, 4
	if at+header > len(src) {
		return chunk{}, at, false
	}
	c := chunk{kind: kindOf(src[at+4 : at+header]), size: binary.BigEndian.Uint32(src[at:])}
	end := min(int64(at)+header+int64(c.size), int64(len(src)))
	c.body = src[at+header : end]
	next := int(end) + trailer
	if next <= len(src) {
		c.sum = src[end:next]
	}
	return c, next, true
}

// kindOf returns b as a string. Those of which there may be millions take no memory.
func kindOf(b []byte) string {
	switch string(b) {
	case "IDAT":
		return "IDAT"
	case "tEXt":
		return "tEXt"
	case "zTXt":
		return "zTXt"
	case "iTXt":
		return "iTXt"
	}
	return string(b)
}

// wrong reports whether the checksum is wrong. One that is missing is not.
func (c chunk) wrong() bool {
	if c.sum == nil {
		return false
	}
	sum := crc32.Update(crc32.ChecksumIEEE([]byte(c.kind)), crc32.IEEETable, c.body)
	return sum != binary.BigEndian.Uint32(c.sum)
}

// cut reports whether the file ends within the body.
func (c chunk) cut() bool { return int64(len(c.body)) < int64(c.size) }

// known reports whether the name is four letters, as the name of every chunk is, and the
// size is one that PNG allows.
func (c chunk) known() bool {
	for _, b := range []byte(c.kind) {
		if b|0x20 < 'a' || b|0x20 > 'z' {
			return false
		}
	}
	return c.size <= 1<<31-1
}

// read collects what is needed to decode the pixels. Like every viewer, it expects all
// pixels in the first run of IDAT chunks, and ignores what follows them.
func read(src []byte) (*file, *codec.Failure) {
	p := &file{}
	for at := len(signature); ; {
		c, next, ok := nextChunk(src, at)
		if !ok || !c.known() || p.data != nil && c.kind != "IDAT" {
			break
		}
		switch c.kind {
		case "CgBI":
			return nil, codec.Fail(codec.StatusUnsupported, "PNG as Xcode rewrites it for iOS (CgBI)")
		case "IHDR":
			if f := p.header(c); f != nil {
				return nil, f
			}
		case "PLTE":
			if p.width == 0 {
				break // a palette before the header
			}
			if c.wrong() {
				return nil, codec.Fail(codec.StatusCorrupt, "PLTE chunk with a wrong checksum")
			}
			p.colours = min(len(c.body)/3, len(p.palette))
			for i := range p.colours {
				p.palette[i] = [3]uint8(c.body[3*i:])
			}
		case "tRNS":
			if p.width > 0 && !c.wrong() && !c.cut() {
				p.clear = c.body
			}
		case "IDAT":
			if p.data == nil {
				p.data = newIDAT(src, at)
			}
			p.long += int64(len(c.body))
			p.last = c
		}
		at = next
	}
	switch {
	case p.width == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no IHDR chunk before the pixels")
	case p.data == nil:
		return nil, codec.Fail(codec.StatusCorrupt, "no IDAT chunk")
	case p.colour == colourPalette && p.colours == 0:
		return nil, codec.Fail(codec.StatusCorrupt, "no PLTE chunk before the pixels")
	}
	return p, nil
}

func (p *file) header(c chunk) *codec.Failure {
	const size = 13
	if len(c.body) < size {
		return codec.Fail(codec.StatusCorrupt, "short IHDR chunk")
	}
	if c.wrong() {
		return codec.Fail(codec.StatusCorrupt, "IHDR chunk with a wrong checksum")
	}
	w, h := binary.BigEndian.Uint32(c.body), binary.BigEndian.Uint32(c.body[4:])
	if w < 1 || h < 1 || w > 1<<31-1 || h > 1<<31-1 {
		return codec.Fail(codec.StatusCorrupt, "size of %dx%d", w, h)
	}
	p.width, p.height, p.depth, p.colour = int(w), int(h), c.body[8], c.body[9]
	depths := ""
	switch p.colour {
	case colourGrey:
		depths = "\x01\x02\x04\x08\x10"
	case colourPalette:
		depths = "\x01\x02\x04\x08"
	case colourRGB, colourGreyAlpha, colourRGBA:
		depths = "\x08\x10"
	}
	compression, filter, interlace := c.body[10], c.body[11], c.body[12]
	switch {
	case bytes.IndexByte([]byte(depths), p.depth) < 0:
		return codec.Fail(codec.StatusUnsupported, "PNG of colour type %d with %d bits a sample", p.colour, p.depth)
	case compression != 0 || filter != 0:
		return codec.Fail(codec.StatusUnsupported, "PNG of compression %d, filter %d", compression, filter)
	case interlace > 1:
		return codec.Fail(codec.StatusCorrupt, "interlace method %d", interlace)
	}
	p.interlaced = interlace == 1
	return nil
}

// bits returns how many bits one pixel takes.
func (p *file) bits() int {
	switch p.colour {
	case colourGreyAlpha:
		return 2 * int(p.depth)
	case colourRGB:
		return 3 * int(p.depth)
	case colourRGBA:
		return 4 * int(p.depth)
	}
	return int(p.depth)
}

// A pass is the grid of the pixels that one pass of an interlaced PNG has.
type pass struct{ x, y, dx, dy int }

func (p *file) passes() []pass {
	if !p.interlaced {
		return []pass{{0, 0, 1, 1}}
	}
	return []pass{{0, 0, 8, 8}, {4, 0, 8, 8}, {0, 4, 4, 8}, {2, 0, 4, 4}, {0, 2, 2, 4}, {1, 0, 2, 2}, {0, 1, 1, 2}}
}

// rowBytes returns the bytes of a row of some pixels, with its filter.
func (p *file) rowBytes(pixels int) int { return 1 + (pixels*p.bits()+7)/8 }

// enough reports whether the data are long enough for the pixels: deflate makes at most
// 1,032 bytes of one.
func (p *file) enough() bool {
	const ratio = 1032
	return p.long*ratio >= int64(p.height)*int64(p.rowBytes(p.width)-1)
}

// decode writes the pixels. The data may be longer.
func (p *file) decode(px codec.Pixels) *codec.Failure {
	r, fail := p.open()
	if fail != nil {
		return fail
	}
	if !p.interlaced {
		fail = r.read(p.width, p.height, func(y int, line []byte) bool {
			p.unpack(px.Row(y), line, p.width)
			return true
		})
	} else {
		fail = r.passes(px)
	}
	if fail != nil {
		return fail
	}
	return p.doubts(r.z)
}

// A lineReader reads the lines of pixels.
type lineReader struct {
	p           *file
	z           io.Reader
	line, above []byte
}

func (p *file) open() (*lineReader, *codec.Failure) {
	z, err := zlib.NewReader(p.data)
	if err != nil {
		return nil, failure(err)
	}
	long := p.rowBytes(p.width)
	return &lineReader{p: p, z: z, line: make([]byte, long), above: make([]byte, long)}, nil
}

// read gives h lines of w pixels, without their filter, to each, unless it returns false.
func (r *lineReader) read(w, h int, each func(y int, line []byte) bool) *codec.Failure {
	n, distance := r.p.rowBytes(w), max(1, r.p.bits()/8) // of a byte from the one that its filter uses
	clear(r.above)
	for y := range h {
		line, above := r.line[:n], r.above[:n]
		if _, err := io.ReadFull(r.z, line); err != nil {
			return failure(err)
		}
		if !unfilter(line[0], line[1:], above[1:], distance) {
			return codec.Fail(codec.StatusCorrupt, "row filter %d", line[0])
		}
		if !each(y, line[1:]) {
			return nil
		}
		r.line, r.above = r.above, r.line
	}
	return nil
}

// passes reads the pixels of an interlaced PNG.
func (r *lineReader) passes(px codec.Pixels) *codec.Failure {
	p := r.p
	spread := make([]uint8, 4*p.width) // a row of one pass, before its pixels are copied to their columns
	for _, pass := range p.passes() {
		w, h := (p.width-pass.x+pass.dx-1)/pass.dx, (p.height-pass.y+pass.dy-1)/pass.dy
		if w < 1 || h < 1 {
			continue
		}
		fail := r.read(w, h, func(y int, line []byte) bool {
			row := px.Row(pass.y + y*pass.dy)
			p.unpack(spread, line, w)
			for x := range w {
				copy(row[4*(pass.x+x*pass.dx):][:4], spread[4*x:])
			}
			return true
		})
		if fail != nil {
			return fail
		}
	}
	return nil
}

// doubts decides by the checksums about what was read from z. The checksum of all data
// counts. It may be missing if those of the chunks are right.
func (p *file) doubts(z io.Reader) *codec.Failure {
	const surplus = 64 << 10 // how many bytes to skip to find it
	switch _, err := io.CopyN(io.Discard, z, surplus); {
	case errors.Is(err, zlib.ErrChecksum):
		return failure(err)
	case err != io.EOF && p.data.wrong():
		return codec.Fail(codec.StatusCorrupt, "IDAT chunk with a wrong checksum")
	}
	return nil
}

// failure returns the failure of reading the pixels.
func failure(err error) *codec.Failure {
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	case errors.Is(err, zlib.ErrChecksum):
		return codec.Fail(codec.StatusCorrupt, "pixel data with a wrong checksum")
	}
	return &codec.Failure{Status: codec.StatusCorrupt, Reason: "pixel data: " + err.Error()}
}

// unfilter undoes a row's filter in place. It returns false for a filter that does not
// exist.
func unfilter(filter byte, line, above []byte, distance int) bool {
	switch filter {
	case 0:
	case 1: // left
		for i := distance; i < len(line); i++ {
			line[i] += line[i-distance]
		}
	case 2: // above
		for i, b := range above[:len(line)] {
			line[i] += b
		}
	case 3: // the mean of both
		for i := range min(distance, len(line)) {
			line[i] += above[i] / 2
		}
		for i := distance; i < len(line); i++ {
			line[i] += uint8((int(line[i-distance]) + int(above[i])) / 2)
		}
	case 4: // left, above or above left, whichever is nearest to left + above - above left
		switch distance {
		case 3:
			unpaeth3(line, above)
		case 4:
			unpaeth4(line, above)
		default:
			for i := range min(distance, len(line)) {
				line[i] += above[i]
			}
			for i := distance; i < len(line); i++ {
				line[i] += paeth(int(line[i-distance]), int(above[i]), int(above[i-distance]))
			}
		}
	default:
		return false
	}
	return true
}

// unpaeth3 undoes the filter of pixels of three bytes.
func unpaeth3(line, above []byte) {
	var a, b, c, leftA, leftB, leftC int // left, and above it
	for len(line) >= 3 && len(above) >= 3 {
		x, y, z := int(above[0]), int(above[1]), int(above[2])
		a = int(line[0] + paeth(a, x, leftA))
		b = int(line[1] + paeth(b, y, leftB))
		c = int(line[2] + paeth(c, z, leftC))
		line[0], line[1], line[2] = uint8(a), uint8(b), uint8(c)
		leftA, leftB, leftC = x, y, z
		line, above = line[3:], above[3:]
	}
}

// unpaeth4 undoes the filter of pixels of four bytes.
func unpaeth4(line, above []byte) {
	var left, corner [4]int
	for len(line) >= 4 && len(above) >= 4 {
		a0, a1, a2, a3 := int(above[0]), int(above[1]), int(above[2]), int(above[3])
		left[0] = int(line[0] + paeth(left[0], a0, corner[0]))
		left[1] = int(line[1] + paeth(left[1], a1, corner[1]))
		left[2] = int(line[2] + paeth(left[2], a2, corner[2]))
		left[3] = int(line[3] + paeth(left[3], a3, corner[3]))
		line[0], line[1], line[2], line[3] = uint8(left[0]), uint8(left[1]), uint8(left[2]), uint8(left[3])
		corner = [4]int{a0, a1, a2, a3}
		line, above = line[4:], above[4:]
	}
}

// paeth has no branch, as which is nearest cannot be predicted.
func paeth(left, above, corner int) uint8 {
	toLeft, toAbove := above-corner, left-corner
	toCorner := toLeft + toAbove
	toLeft, toAbove, toCorner = abs(toLeft), abs(toAbove), abs(toCorner)
	best := left
	if toAbove < toLeft {
		best = above
	}
	if toCorner < min(toLeft, toAbove) {
		best = corner
	}
	return uint8(best)
}

func abs(v int) int {
	sign := v >> 63
	return (v ^ sign) - sign
}

// unpack writes w pixels of line to row. Alpha is dropped unless it is wanted, and samples of 16
// bits keep their upper 8.
func (p *file) unpack(row []uint8, line []byte, w int) {
	if p.alpha {
		p.unpackAlpha(row, line, w)
	}
	step := p.bits() / 8
	wide := int(p.depth) / 8 // bytes from sample to sample
	if wide == 2 && p.levels != nil {
		p.unpackLevels(row, line, w)
		return
	}
	switch p.colour {
	case colourRGB, colourRGBA:
		if p.depth == 8 {
			unpackBytes(row[:4*w], line, step)
			return
		}
		for x := range w {
			q := line[x*step:][:2*wide+1]
			codec.Set(row, x, q[0], q[wide], q[2*wide])
		}
	case colourGreyAlpha:
		for x := range w {
			v := line[x*step]
			codec.Set(row, x, v, v, v)
		}
	case colourPalette:
		for x := range w {
			c := p.palette[codec.Packed(line, x, int(p.depth))]
			codec.Set(row, x, c[0], c[1], c[2])
		}
	case colourGrey:
		if p.depth >= 8 {
			for x := range w {
				v := line[x*step]
				codec.Set(row, x, v, v, v)
			}
			return
		}
		scale := 255 / (1<<p.depth - 1)
		for x := range w {
			v := codec.Packed(line, x, int(p.depth)) * uint8(scale)
			codec.Set(row, x, v, v, v)
		}
	}
}

// unpackBytes writes pixels of three or four bytes.
func unpackBytes(row, line []byte, step int) {
	if step == 4 {
		for ; len(row) >= 4 && len(line) >= 4; row, line = row[4:], line[4:] {
			row[0], row[1], row[2] = line[0], line[1], line[2]
		}
		return
	}
	for ; len(row) >= 4 && len(line) >= 3; row, line = row[4:], line[3:] {
		row[0], row[1], row[2] = line[0], line[1], line[2]
	}
}

// begin reads what src says about its pixels and checks it.
func begin(src []byte, bounds codec.Bounds) (*file, codec.Orientation, *codec.Failure) {
	o, fail := walk(src, bounds)
	if fail != nil {
		return nil, 0, fail
	}
	p, fail := read(src)
	if fail != nil {
		return nil, 0, fail
	}
	if fail := bounds.CheckSize(p.width, p.height); fail != nil {
		return nil, 0, fail
	}
	if !p.enough() {
		return nil, 0, codec.Fail(codec.StatusTruncated, "fewer pixels than the header says")
	}
	return p, o, nil
}

// ended returns the failure of decoding the pixels, which the end of the file may explain.
func (p *file) ended(fail *codec.Failure) *codec.Failure {
	if fail != nil && p.last.cut() {
		return codec.Fail(codec.StatusTruncated, "ends within the pixels")
	}
	return fail
}

// A decoder decodes PNG. It keeps nothing of one.
type decoder struct{ levels []uint8 }

// Close does nothing.
func (decoder) Close() {}

// Need is codec.Decoder's.
func (decoder) Need(src []byte, bounds codec.Bounds) codec.Need { return need(src, bounds) }

// Decode is codec.Decoder's.
func (d decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	p, o, fail := begin(src, bounds)
	if fail != nil {
		return fail, nil
	}
	px := to.Prepare(p.width, p.height, o, nil)
	p.alpha, p.levels = p.transparent() && codec.Alpha(to), d.levels
	fail = p.ended(p.decode(px))
	if fail == nil && p.canBeDark() {
		var l codec.Levels
		l.Look(px)
		l.Tell(to)
	}
	return fail, nil
}
