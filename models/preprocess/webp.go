package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/image/webp"
)

// A webpFrame is the first frame of an animated WebP and the canvas that it is
// drawn on, which is black where the frame does not cover it.
type webpFrame struct {
	width, height int // of the canvas
	x, y, w, h    int // where the frame lies on it
	still         []byte
}

// uint24 reads an integer of three bytes.
func uint24(b []byte) int { return int(b[0]) | int(b[1])<<8 | int(b[2])<<16 }

// webpChunks calls yield with each chunk of b until it returns false. A chunk that
// is longer than b ends the walk.
func webpChunks(b []byte, yield func(kind string, body []byte) bool) {
	const header = 8
	for len(b) >= header {
		n := int64(binary.LittleEndian.Uint32(b[4:]))
		if header+n > int64(len(b)) || !yield(string(b[:4]), b[header:header+n]) {
			return
		}
		b = b[min(header+n+n&1, int64(len(b))):]
	}
}

func webpChunk(kind string, body []byte) []byte {
	b := binary.LittleEndian.AppendUint32([]byte(kind), uint32(len(body)))
	b = append(b, body...)
	return append(b, make([]byte, len(body)&1)...)
}

// firstWebPFrame returns the first frame of an animation as a file of its own; nil
// for what is no animation.
func firstWebPFrame(src []byte) (*webpFrame, *Failure) {
	const riff, extended, animated = 12, 10, 0x02
	var (
		f    *webpFrame
		fail *Failure
	)
	webpChunks(src[riff:], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8X" && len(body) >= extended && body[0]&animated != 0:
			f = &webpFrame{width: uint24(body[4:]) + 1, height: uint24(body[7:]) + 1}
		case kind == "ANMF" && f != nil:
			fail = f.read(body)
			return false
		}
		return f != nil
	})
	if f != nil && fail == nil && f.still == nil {
		fail = &Failure{StatusCorrupt, "an animation without a frame"}
	}
	return f, fail
}

// read makes a file of the chunks in the body of a frame.
func (f *webpFrame) read(body []byte) *Failure {
	const header, hasAlpha = 16, 0x10
	if len(body) < header {
		return &Failure{StatusCorrupt, "short ANMF chunk"}
	}
	f.x, f.y, f.w, f.h = 2*uint24(body), 2*uint24(body[3:]), uint24(body[6:])+1, uint24(body[9:])+1
	if f.x+f.w > f.width || f.y+f.h > f.height {
		return &Failure{StatusCorrupt, fmt.Sprintf("a frame of %dx%d at %d,%d in %dx%d pixels", f.w, f.h, f.x, f.y, f.width, f.height)}
	}
	var alpha, pixels []byte
	webpChunks(body[header:], func(kind string, body []byte) bool {
		switch kind {
		case "ALPH":
			alpha = webpChunk(kind, body)
		case "VP8 ", "VP8L":
			pixels = webpChunk(kind, body)
		}
		return pixels == nil
	})
	if pixels == nil {
		return &Failure{StatusCorrupt, "a frame without pixels"}
	}
	chunks := pixels
	if alpha != nil && pixels[3] == ' ' {
		head := append([]byte{hasAlpha, 0, 0, 0}, body[6:12]...)
		chunks = append(append(webpChunk("VP8X", head), alpha...), pixels...)
	}
	f.still = append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(chunks))), "WEBP"...)
	f.still = append(f.still, chunks...)
	return nil
}

func (d *Decoder) decodeWebP(dst, src []byte) *Failure {
	o, fail := walkWebP(src)
	if fail != nil {
		return fail
	}
	f, fail := firstWebPFrame(src)
	switch {
	case fail != nil:
		return fail
	case f == nil:
		return d.decodePortable(dst, src, formatWebP, o, nil)
	}
	if fail := d.opt.checkPixels(f.width, f.height); fail != nil {
		return fail
	}
	cfg, err := webp.DecodeConfig(bytes.NewReader(f.still))
	if err != nil {
		return decodeFailure(err)
	}
	if cfg.Width != f.w || cfg.Height != f.h {
		return &Failure{StatusCorrupt, fmt.Sprintf("a frame of %dx%d that holds %dx%d pixels", f.w, f.h, cfg.Width, cfg.Height)}
	}
	img, err := webp.Decode(bytes.NewReader(f.still))
	if err != nil {
		return decodeFailure(err)
	}
	px := d.prepare(f.width, f.height, o, false)
	pitch := int(d.job.pitch)
	if f.w < f.width || f.h < f.height {
		clear(px)
	}
	d.fill(px[f.y*pitch+4*f.x:], pitch, img, formatWebP)
	d.render(dst)
	return nil
}
