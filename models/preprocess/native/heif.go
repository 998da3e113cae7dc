package native

import (
	"math"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// NewHEIC returns a decoder of HEIC, and NewHEIF of HEIF with other pictures inside: both
// are libheif's.
var (
	NewHEIC = format("HEIC", HEIF, readHEIF)
	NewHEIF = format("HEIF", HEIF, readHEIF)
)

// readHEIF reads the header of a picture that libheif decodes. libheif turns and crops it.
func readHEIF(src []byte, bounds codec.Bounds) (header, *codec.Failure) {
	p, fail := readPicture(src)
	if fail != nil {
		return header{}, fail
	}
	if fail := bounds.CheckSize(p.width, p.height); fail != nil {
		return header{}, fail
	}
	pixels := float64(p.width) * float64(p.height)
	h := header{width: p.width, height: p.height, orientation: 1, alpha: p.alpha}
	for _, t := range p.turns {
		switch {
		case t.kind == "clap":
			h.width, h.height = cropped(t.body, h.width, h.height)
		case t.kind == "irot" && len(t.body) > 0 && t.body[0]&1 != 0:
			h.width, h.height = h.height, h.width
		}
	}
	if h.width < 1 || h.height < 1 {
		return header{}, codec.Fail(codec.StatusCorrupt, "its crop leaves no pixels")
	}
	h.memory = int64(pixels*(2*p.samples.bytes()+8)) + 16<<20
	return h, nil
}

// cropped returns the size that a clean aperture leaves, rounded as libheif rounds it.
func cropped(body []byte, width, height int) (int, int) {
	f := fields{b: body}
	var v [8]float64
	for i := range v {
		v[i] = float64(int32(f.uint(4)))
	}
	if f.short || v[1] == 0 || v[3] == 0 || v[5] == 0 || v[7] == 0 {
		return 0, 0
	}
	side := func(size int, clean, offset float64) int {
		left := math.Round(offset + float64(size-1)/2 - (clean-1)/2)
		right := left + math.Round(clean) - 1
		return int(min(right, float64(size-1)) - max(left, 0) + 1)
	}
	return side(width, v[0]/v[1], v[4]/v[5]), side(height, v[2]/v[3], v[6]/v[7])
}
