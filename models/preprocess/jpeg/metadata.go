package jpeg

import (
	"bytes"

	"github.com/batchscore/batchscore/models/preprocess/exif"
)

// metadata collects what the APP1 segments of a JPEG say.
type metadata struct {
	exif.Metadata
	joined bool // EXIF is a copy, put together from several segments
	room   int  // at most so long
}

// add reads an APP1 segment. EXIF may be spread over several segments; the last with XMP
// counts.
func (m *metadata) add(segment []byte) {
	if rest, ok := bytes.CutPrefix(segment, exif.Header); ok {
		switch {
		case m.EXIF == nil:
			m.EXIF = segment
		case m.joined:
			m.EXIF = append(m.EXIF, rest...)
		default: // in new memory, not in the file's
			m.EXIF, m.joined = append(append(make([]byte, 0, m.room), m.EXIF...), rest...), true
		}
		return
	}
	if rest, ok := bytes.CutPrefix(segment, []byte("http://ns.adobe.com/xap/1.0/\x00")); ok {
		m.XMP = rest
	}
}
