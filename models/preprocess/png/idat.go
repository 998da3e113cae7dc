package png

import "io"

// An idat reads the pixel data: the bodies of a run of IDAT chunks, of which there may be
// millions.
type idat struct {
	src   []byte
	start int // of the first chunk
	at    int // of the next
	body  []byte
}

func newIDAT(src []byte, at int) *idat { return &idat{src: src, start: at, at: at} }

// next finds the next chunk, and reports whether there is one.
func (d *idat) next() (chunk, bool) {
	c, next, ok := nextChunk(d.src, d.at)
	if !ok || !c.known() || c.kind != "IDAT" {
		return chunk{}, false
	}
	d.at = next
	return c, true
}

// fill finds data, and reports whether there are more.
func (d *idat) fill() bool {
	for len(d.body) == 0 {
		c, ok := d.next()
		if !ok {
			return false
		}
		d.body = c.body
	}
	return true
}

func (d *idat) Read(p []byte) (int, error) {
	if !d.fill() {
		return 0, io.EOF
	}
	n := copy(p, d.body)
	d.body = d.body[n:]
	return n, nil
}

// wrong reports whether the checksum of one of the chunks is.
func (d *idat) wrong() bool {
	all := newIDAT(d.src, d.start)
	for {
		c, ok := all.next()
		if !ok || c.wrong() {
			return ok
		}
	}
}
