package native

import "github.com/batchscore/batchscore/models/preprocess/codec"

// NewAVIF returns a decoder of AVIF, still or moving.
var NewAVIF = format("AVIF", AVIF, readAVIF)

// readAVIF reads the header of a picture that libavif decodes. libavif does not turn it.
func readAVIF(src []byte, bounds codec.Bounds) (header, *codec.Failure) {
	p, fail := readPicture(src)
	if width, height, ok := trackSize(src); ok && (fail != nil || codec.HasSignature(src, "....ftypavis")) {
		p = picture{width: width, height: height, samples: samples{bits: 12, chroma: 3}, turns: p.turns}
		fail = nil
	}
	if fail != nil {
		return header{}, fail
	}
	if fail := bounds.CheckSize(p.width, p.height); fail != nil {
		return header{}, fail
	}
	pixels := float64(p.width) * float64(p.height)
	return header{width: p.width, height: p.height, orientation: p.orientation(), alpha: p.alpha,
		memory: int64(pixels*3*p.samples.bytes()) + 32<<20}, nil
}

// orientation returns EXIF's orientation that says the same as the properties.
func (p *picture) orientation() codec.Orientation {
	quarters, mirror := 0, -1
	for _, t := range p.turns {
		switch {
		case len(t.body) == 0:
		case t.kind == "irot":
			quarters = int(t.body[0] & 3)
		case t.kind == "imir":
			mirror = int(t.body[0] & 1)
		}
	}
	// For each number of quarter turns to the left: not mirrored, mirrored top to bottom,
	// and left to right.
	return [4][3]codec.Orientation{{1, 4, 2}, {8, 5, 7}, {3, 2, 4}, {6, 7, 5}}[quarters][mirror+1]
}

// trackSize returns the size of the pictures of the first track that has any.
func trackSize(src []byte) (width, height int, ok bool) {
	within := []string{"moov", "trak", "mdia", "minf", "stbl"} // each of them in the one before
	depth := 0
	var look func(kind string, body []byte, whole bool) error
	look = func(kind string, body []byte, whole bool) error {
		switch {
		case depth < len(within) && kind == within[depth]:
			depth++
			_ = boxes(body, look) // the library tells what is damaged
			depth--
		case depth == len(within) && kind == "stsd" && !ok:
			f := fields{b: body}
			f.full()
			f.uint(4)
			_ = boxes(f.b, func(kind string, body []byte, whole bool) error {
				const before = 24
				if f := (fields{b: body}); kind == "av01" && !ok && len(body) > before+4 {
					f.bytes(before)
					width, height = int(f.uint(2)), int(f.uint(2))
					ok = width > 0 && height > 0
				}
				return nil
			})
		}
		return nil
	}
	_ = boxes(src, look)
	return width, height, ok
}
