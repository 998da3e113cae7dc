package preprocess

import (
	"bytes"
	"compress/zlib"
	"encoding/binary"
	"encoding/hex"
	"io"
	"unicode/utf8"
)

// metadata are the parts of a file that may say how its picture is turned. They
// are parts of the file's memory, and nil where the file has none. The rules are
// those of Pillow's exif_transpose.
type metadata struct {
	exif    []byte // the first to be asked
	joined  bool   // exif is a copy, put together from several segments
	profile []byte // EXIF in hexadecimal digits, as ImageMagick writes it into a PNG; in place of exif
	xmpText []byte // XMP of a text chunk, before xmp
	xmp     []byte // asked where EXIF has no orientation
	moves   bool   // a PNG of several frames
	shown   bool   // whose first pixels have been
	done    bool   // the rest of it belongs to later frames
	text    int    // bytes of text that were decompressed
}

// orientation returns how the picture is to be turned.
func (m *metadata) orientation() orientation {
	exif := m.exif
	if exif == nil && m.profile != nil {
		var ok bool
		if exif, ok = rawProfile(m.profile); !ok {
			return 1
		}
	}
	if exif != nil {
		if o, settled := exifOrientation(exif); settled {
			return o
		}
	}
	xmp := m.xmpText
	if len(xmp) == 0 {
		xmp = m.xmp
	}
	return xmpOrientation(xmp)
}

// xmpOrientation finds tiff:Orientation as an attribute or an element.
func xmpOrientation(b []byte) orientation {
	name := []byte("tiff:Orientation")
	for {
		i := bytes.Index(b, name)
		if i < 0 {
			return 1
		}
		b = b[i+len(name):]
		v, ok := bytes.CutPrefix(b, []byte(`="`))
		if !ok {
			v, ok = bytes.CutPrefix(b, []byte(">"))
		}
		if ok && len(v) > 0 && v[0] >= '0' && v[0] <= '9' {
			if v[0] >= '1' && v[0] <= '8' {
				return orientation(v[0] - '0')
			}
			return 1
		}
	}
}

// rawProfile reads the digits after the third line.
func rawProfile(text []byte) ([]byte, bool) {
	for range 3 {
		_, after, ok := bytes.Cut(text, []byte("\n"))
		if !ok {
			return []byte{}, true
		}
		text = after
	}
	text = bytes.Map(func(r rune) rune {
		switch r {
		case ' ', '\t', '\n', '\v', '\f', '\r':
			return -1
		}
		return r
	}, text)
	b := make([]byte, hex.DecodedLen(len(text)))
	n, err := hex.Decode(b, text)
	return b[:n], err == nil
}

// addJPEG takes what an APP1 segment says: EXIF may be spread over several, of
// XMP the last counts.
func (m *metadata) addJPEG(segment []byte) {
	if rest, ok := bytes.CutPrefix(segment, exifHeader); ok {
		switch {
		case m.exif == nil:
			m.exif = segment
		case m.joined:
			m.exif = append(m.exif, rest...)
		default: // not into the file's own memory
			m.exif, m.joined = append(m.exif[:len(m.exif):len(m.exif)], rest...), true
		}
		return
	}
	if rest, ok := bytes.CutPrefix(segment, []byte("http://ns.adobe.com/xap/1.0/\x00")); ok {
		m.xmp = rest
	}
}

// addWebP takes what a chunk says. flags are those of the header, without which
// a chunk is not looked at; of several chunks the first counts.
func (m *metadata) addWebP(kind string, body []byte, flags byte) {
	const hasXMP, hasEXIF = 0x04, 0x08
	switch {
	case len(body) == 0:
	case kind == "EXIF" && flags&hasEXIF != 0 && m.exif == nil:
		m.exif = body
	case kind == "XMP " && flags&hasXMP != 0 && m.xmp == nil:
		m.xmp = body
	}
}

// addPNG takes what a chunk says, before the pixels or after them; of several
// chunks the last counts.
func (m *metadata) addPNG(kind string, body []byte) {
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
		m.profile = append([]byte{}, text...)
	}
}

// inflate returns the text, or nothing where it is damaged, longer than any that
// Pillow reads, or comes after more than Pillow reads of one picture.
func (m *metadata) inflate(b []byte) []byte {
	const most, mostOfAll = 1 << 20, 64 << 20
	if m.text > mostOfAll {
		return nil
	}
	r, err := zlib.NewReader(bytes.NewReader(b))
	if err != nil {
		return nil
	}
	defer r.Close()
	text, err := io.ReadAll(io.LimitReader(r, most+1))
	m.text += len(text)
	if err != nil || len(text) > most {
		return nil
	}
	return text
}
