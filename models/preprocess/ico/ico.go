// Package ico decodes the largest picture of icons and cursors of Windows. The pictures in them
// are PNG or BMP.
package ico

import (
	"bytes"
	"encoding/binary"
	"math/bits"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// The entries of the table of formats.
var (
	ICO = codec.Format{Name: "ICO", Extensions: "ico", Signatures: []string{"\x00\x00\x01\x00"}, New: newDecoder}
	CUR = codec.Format{Name: "CUR", Extensions: "cur", Signatures: []string{"\x00\x00\x02\x00"}, Match: isCUR, New: newDecoder}
)

const (
	headerBytes = 6
	entryBytes  = 16
	pngHeader   = "\x89PNG\r\n\x1a\n"
)

// isCUR checks the first of a cursor's images, since the signature, mostly zeros, is common in
// other files.
func isCUR(src []byte) bool {
	return len(src) >= headerBytes+entryBytes && src[9] == 0 && binary.LittleEndian.Uint16(src[4:]) > 0 && binary.LittleEndian.Uint32(src[14:]) > 0
}

type decoder struct{ config codec.Config }

func newDecoder(c codec.Config) (codec.Decoder, error) { return &decoder{c}, nil }

func (*decoder) Close() {}

// An entry is one picture of an icon.
type entry struct {
	width, height int
	depth         int // bits a pixel, or a guess
	at            int
}

// entries yields the pictures of the file.
func entries(src []byte) func(yield func(entry) bool) {
	return func(yield func(entry) bool) {
		for i := range int(binary.LittleEndian.Uint16(src[4:])) {
			b := src[min(headerBytes+i*entryBytes, len(src)):]
			if len(b) < entryBytes {
				return
			}
			e := entry{width: int(b[0]), height: int(b[1]), depth: int(binary.LittleEndian.Uint16(b[6:])), at: int(binary.LittleEndian.Uint32(b[12:]))}
			if e.depth == 0 && b[2] > 0 {
				e.depth = bits.Len8(b[2] - 1)
			}
			if e.depth == 0 {
				e.depth = 256
			}
			if !yield(e) {
				return
			}
		}
	}
}

// best returns where the picture is that Pillow takes: of an icon the one of most pixels, and of
// those the one of fewest bits a pixel; of a cursor one that is larger both ways than those before.
func best(src []byte) int {
	cursor := src[2] == 2
	b := entry{at: -1}
	for e := range entries(src) {
		if !cursor { // 0 stands for 256
			e.width, e.height = (e.width-1)&255+1, (e.height-1)&255+1
		}
		size, most := e.width*e.height, b.width*b.height
		switch {
		case b.at < 0,
			cursor && e.width > b.width && e.height > b.height,
			!cursor && (size > most || size == most && e.depth < b.depth):
			b = e
		}
	}
	return b.at
}

// find returns the decoder of the picture, and the picture as that decoder reads it, at most so
// many bytes of it.
func (d *decoder) find(src []byte, most int) (codec.Decoder, []byte, *codec.Failure) {
	if len(src) < headerBytes+entryBytes {
		return nil, nil, codec.Fail(codec.StatusTruncated, "ends within the header")
	}
	at := best(src)
	switch {
	case at < 0:
		return nil, nil, codec.Fail(codec.StatusCorrupt, "no picture")
	case at >= len(src):
		return nil, nil, codec.Fail(codec.StatusTruncated, "ends before the picture")
	}
	picture, format := src[at:], "PNG"
	if !bytes.HasPrefix(picture, []byte(pngHeader)) {
		format = "BMP"
		var fail *codec.Failure
		if picture, fail = plainBMP(picture[:min(len(picture), most)]); fail != nil {
			return nil, nil, fail
		}
	}
	inner := d.config.InnerDecoder(format)
	if inner == nil {
		return nil, nil, codec.Fail(codec.StatusUnsupported, "%s in an icon is not decoded", format)
	}
	return inner, picture, nil
}

// plainBMP returns a copy of a bitmap without its mask, which an icon counts in the height.
func plainBMP(src []byte) ([]byte, *codec.Failure) {
	const least = 40
	if len(src) < least {
		return nil, codec.Fail(codec.StatusTruncated, "ends within the header of the picture")
	}
	if size := binary.LittleEndian.Uint32(src); size < least || size > 124 {
		return nil, codec.Fail(codec.StatusCorrupt, "the picture is neither PNG nor BMP")
	}
	b := bytes.Clone(src)
	width, height := int32(binary.LittleEndian.Uint32(b[4:])), int32(binary.LittleEndian.Uint32(b[8:]))/2
	if width <= 0 || height == 0 {
		return nil, codec.Fail(codec.StatusCorrupt, "size of %dx%d", width, height)
	}
	binary.LittleEndian.PutUint32(b[8:], uint32(height))
	binary.LittleEndian.PutUint16(b[12:], 1) // planes, which some writers leave out
	return b, nil
}

func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	inner, picture, fail := d.find(src, len(src))
	if fail != nil {
		return fail, nil
	}
	f, err := inner.Decode(picture, bounds, codec.Stored(to))
	codec.Collect(int64(len(picture)))
	return f, err
}

// Need is what the picture takes, and a copy of a bitmap.
func (d *decoder) Need(src []byte, bounds codec.Bounds) codec.Need {
	const head = 4096 // more than the headers and the palette of a bitmap
	inner, picture, fail := d.find(src, head)
	if fail != nil {
		return codec.Need{}
	}
	n := inner.Need(picture, bounds)
	n.Bytes += int64(len(src))
	return n
}
