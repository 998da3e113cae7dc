package png

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"io"
	"unicode/utf8"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/exif"
)

// walk follows the chunks and finds the orientation. It does not matter what is missing
// after the pixels. Whether they are whole shows when they are decoded.
func walk(src []byte, bounds codec.Bounds) (codec.Orientation, *codec.Failure) {
	var m metadata
	o, pixels := codec.Orientation(1), false
	for at := len(signature); ; {
		c, next, ok := nextChunk(src, at)
		at = next
		switch {
		case (!ok || !c.known()) && pixels:
			return m.orientation(), nil
		case !ok:
			return o, codec.Fail(codec.StatusTruncated, "ends before the pixels")
		case !c.known():
			return o, codec.Fail(codec.StatusCorrupt, "chunk %q of %d bytes", c.kind, c.size)
		case c.cut() && c.kind != "IDAT" && c.kind != "IEND":
			return o, codec.Fail(codec.StatusTruncated, "ends within a chunk")
		}
		switch body := c.body; c.kind {
		case "IHDR":
			if len(body) < 8 {
				return o, codec.Fail(codec.StatusCorrupt, "short IHDR chunk")
			}
			w, h := binary.BigEndian.Uint32(body), binary.BigEndian.Uint32(body[4:])
			if w > 1<<31-1 || h > 1<<31-1 {
				return o, codec.Fail(codec.StatusCorrupt, "size of %dx%d", w, h)
			}
			if f := bounds.CheckSize(int(w), int(h)); f != nil {
				return o, f
			}
		case "IDAT":
			pixels = true
		case "fcTL":
			if pixels { // further frames follow
				return m.orientation(), nil
			}
		case "IEND":
			return m.orientation(), nil
		}
		m.add(c.kind, c.body)
	}
}

// metadata collects what the chunks of a PNG say about its orientation.
type metadata struct {
	exif    []byte // read first
	profile []byte // EXIF in hexadecimal digits, as ImageMagick writes it; replaces exif
	xmpText []byte // XMP of a text chunk; replaces xmp
	xmp     []byte
	moves   bool // the PNG has several frames
	shown   bool // the pixels of the first frame have begun
	done    bool // what follows belongs to later frames
	text    int  // bytes of text that were decompressed

	packed   bytes.Reader
	zlib     io.ReadCloser // nil before the first text
	unpacked []byte
}

// orientation returns how the picture is to be turned.
func (m *metadata) orientation() codec.Orientation {
	found := exif.Metadata{EXIF: m.exif, XMP: m.xmpText}
	if m.exif == nil && m.profile != nil {
		var ok bool
		if found.EXIF, ok = rawProfile(m.profile); !ok {
			return 1
		}
	}
	if len(found.XMP) == 0 {
		found.XMP = m.xmp
	}
	return found.Orientation()
}

// rawProfile decodes the hexadecimal digits after the third line.
func rawProfile(text []byte) ([]byte, bool) {
	for range 3 {
		_, after, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return []byte{}, true
		}
		text = after
	}
	b, high := make([]byte, 0, len(text)/2), -1
	for _, c := range text {
		v := bytes.IndexByte([]byte("0123456789abcdef"), c|0x20)
		switch {
		case c == ' ', '\t' <= c && c <= '\r':
			continue
		case v < 0 || c < '0':
			return b, false
		case high < 0:
			high = v
		default:
			b, high = append(b, uint8(high<<4|v)), -1
		}
	}
	return b, high < 0
}

// add reads a chunk, before the pixels or after them. Of several chunks the last counts.
func (m *metadata) add(kind string, body []byte) {
	if m.done {
		return
	}
	switch kind {
	case "acTL":
		m.moves = len(body) >= 4 && binary.BigEndian.Uint32(body) > 1
	case "IDAT":
		m.shown = true
	case "fcTL":
		m.done = m.moves && m.shown
	case "eXIf":
		m.exif = body
		if m.exif == nil {
			m.exif = []byte{}
		}
	case "tEXt":
		key, text, _ := bytes.Cut(body, []byte{0})
		if string(key) == "exif" {
			m.exif = text
		}
		m.addText(key, text)
	case "zTXt":
		key, text, _ := bytes.Cut(body, []byte{0})
		if isMetadata(key) && (len(text) == 0 || text[0] == 0) {
			m.addText(key, m.inflate(text[min(1, len(text)):]))
		}
	case "iTXt":
		key, rest, ok := bytes.Cut(body, []byte{0})
		if !ok || len(rest) < 2 || !isMetadata(key) {
			return
		}
		packed, method := rest[0] != 0, rest[1]
		language, rest, ok := bytes.Cut(rest[2:], []byte{0})
		translated, text, ok2 := bytes.Cut(rest, []byte{0})
		if !ok || !ok2 || packed && method != 0 {
			return
		}
		if packed {
			if text = m.inflate(text); len(text) == 0 {
				return
			}
		}
		if string(key) == keyXMP {
			m.xmp = text
		}
		if utf8.Valid(language) && utf8.Valid(translated) && utf8.Valid(text) {
			m.addText(key, text)
		}
	}
}

// Keywords of a PNG's text chunks.
const (
	keyXMP     = "XML:com.adobe.xmp"
	keyProfile = "Raw profile type exif"
)

func isMetadata(key []byte) bool { return string(key) == keyXMP || string(key) == keyProfile }

func (m *metadata) addText(key, text []byte) {
	switch string(key) {
	case keyXMP:
		m.xmpText = text
	case keyProfile:
		if m.profile = text; text == nil {
			m.profile = []byte{}
		}
	}
}

// How much text Pillow reads, of a chunk and of a picture.
const mostText, mostOfAll = 1 << 20, 64 << 20

// inflate returns the text, or nothing if it is damaged, longer than any text that Pillow
// reads, or comes after more text than Pillow reads of one picture.
func (m *metadata) inflate(b []byte) []byte {
	if m.text > mostOfAll {
		return nil
	}
	if m.packed.Reset(b); m.zlib == nil {
		z, err := zlib.NewReader(&m.packed)
		if err != nil {
			return nil
		}
		m.zlib, m.unpacked = z, make([]byte, mostText+1)
	} else if m.zlib.(zlib.Resetter).Reset(&m.packed, nil) != nil {
		return nil
	}
	n, err := 0, error(nil)
	for err == nil && n < len(m.unpacked) {
		var more int
		more, err = m.zlib.Read(m.unpacked[n:])
		n += more
	}
	m.text += n
	if err != io.EOF || n > mostText {
		return nil
	}
	return bytes.Clone(m.unpacked[:n])
}
