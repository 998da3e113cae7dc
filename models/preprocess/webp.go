package preprocess

import (
	"bytes"
	"encoding/binary"
	"fmt"

	"golang.org/x/image/webp"
)

// A webpFrame is the picture of a WebP, which is the first frame of an animation,
// and the canvas that it is drawn on: black where the frame does not cover it.
type webpFrame struct {
	width, height int    // of the canvas; 0 where the file says nothing of it
	animated      bool   // else the canvas is as large as the frame
	x, y          int    // where the frame lies on it
	still         []byte // a file of the frame alone
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

// readWebP finds the picture of a WebP.
func readWebP(src []byte) (*webpFrame, *Failure) {
	const riff, extended, frame = 12, 10, 16
	const isAnimated, hasAlpha = 0x02, 0x10
	f, flags := &webpFrame{}, byte(0)
	var alpha, pixels []byte
	still := func(kind string, body []byte) bool {
		switch kind {
		case "ALPH":
			alpha = webpChunk(kind, body)
		case "VP8 ", "VP8L":
			pixels = webpChunk(kind, body)
		}
		return pixels == nil
	}
	webpChunks(src[riff:], func(kind string, body []byte) bool {
		switch {
		case kind == "VP8X" && len(body) >= extended:
			flags = body[0]
			f.animated = flags&isAnimated != 0
			f.width, f.height = uint24(body[4:])+1, uint24(body[7:])+1
		case !f.animated:
			return still(kind, body)
		case kind == "ANMF" && len(body) >= frame:
			f.x, f.y = 2*uint24(body), 2*uint24(body[3:])
			webpChunks(body[frame:], still)
			return false
		}
		return true
	})
	if pixels == nil {
		return nil, &Failure{StatusCorrupt, "no VP8 or VP8L chunk"}
	}
	chunks := pixels
	if alpha != nil && pixels[3] == ' ' && (f.animated || flags&hasAlpha != 0) {
		cfg, err := webp.DecodeConfig(bytes.NewReader(webpFile(pixels)))
		if err != nil {
			return nil, decodeFailure(err)
		}
		w, h := cfg.Width-1, cfg.Height-1
		head := webpChunk("VP8X", []byte{hasAlpha, 0, 0, 0, byte(w), byte(w >> 8), byte(w >> 16), byte(h), byte(h >> 8), byte(h >> 16)})
		chunks = append(append(head, alpha...), pixels...)
	}
	f.still = webpFile(chunks)
	return f, nil
}

func webpFile(chunks []byte) []byte {
	b := append(binary.LittleEndian.AppendUint32([]byte("RIFF"), uint32(4+len(chunks))), "WEBP"...)
	return append(b, chunks...)
}

func (d *Decoder) decodeWebP(dst, src []byte) *Failure {
	o, fail := walkWebP(src)
	if fail != nil {
		return fail
	}
	f, fail := readWebP(src)
	if fail != nil {
		return fail
	}
	cfg, err := webp.DecodeConfig(bytes.NewReader(f.still))
	if err != nil {
		return decodeFailure(err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return &Failure{StatusCorrupt, "no pixels"}
	}
	if f.width == 0 {
		f.width, f.height = cfg.Width, cfg.Height
	}
	if fail := d.opt.checkPixels(f.width, f.height); fail != nil {
		return fail
	}
	if f.x+cfg.Width > f.width || f.y+cfg.Height > f.height || !f.animated && (cfg.Width != f.width || cfg.Height != f.height) {
		return &Failure{StatusCorrupt, fmt.Sprintf("a frame of %dx%d at %d,%d in %dx%d pixels", cfg.Width, cfg.Height, f.x, f.y, f.width, f.height)}
	}
	img, err := webp.Decode(bytes.NewReader(f.still))
	if err != nil {
		return decodeFailure(err)
	}
	px := d.prepare(f.width, f.height, o, false)
	pitch := int(d.job.pitch)
	if cfg.Width < f.width || cfg.Height < f.height {
		clear(px)
	}
	d.fill(px[f.y*pitch+4*f.x:], pitch, img, formatWebP)
	d.render(dst)
	return nil
}
