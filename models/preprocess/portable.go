package preprocess

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
	"slices"
	"strings"

	"github.com/disintegration/imaging"
)

// decodePortable decodes in Go, then resizes and packs as any image. mend, which
// may be nil, undoes what the Go decoder did to the pixels.
func (d *Decoder) decodePortable(dst, src []byte, f format, o orientation, mend func(image.Image) image.Image) *Failure {
	cfg, _, err := image.DecodeConfig(bytes.NewReader(src))
	if err != nil {
		return decodeFailure(err)
	}
	if cfg.Width < 1 || cfg.Height < 1 {
		return &Failure{StatusCorrupt, "no pixels"}
	}
	if fail := d.opt.checkPixels(cfg.Width, cfg.Height); fail != nil {
		return fail
	}
	img, err := imaging.Decode(bytes.NewReader(src))
	if err != nil {
		return decodeFailure(err)
	}
	if mend != nil {
		img = mend(img)
	}
	b := img.Bounds()
	if b.Empty() {
		return &Failure{StatusCorrupt, "no pixels"}
	}
	px := d.prepare(b.Dx(), b.Dy(), o, false)
	d.fill(px, int(d.job.pitch), img, f)
	d.render(dst)
	return nil
}

// decodeFailure finds the status of a Go decoder's error.
func decodeFailure(err error) *Failure {
	var unsupportedJPEG jpeg.UnsupportedError
	why := undoubled(err.Error())
	switch {
	case errors.As(err, &unsupportedJPEG):
		return &Failure{StatusUnsupported, why}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		// Some decoders keep only the text of what they wrap.
		strings.Contains(why, "EOF"), strings.Contains(why, "not enough"):
		return &Failure{StatusTruncated, why}
	}
	return &Failure{StatusCorrupt, why}
}

// undoubled removes prefixes that stand twice in a row: decoders that call one
// another each add theirs.
func undoubled(why string) string {
	parts := strings.Split(why, ": ")
	for n := len(parts) / 2; n > 0; n-- {
		for len(parts) >= 2*n && slices.Equal(parts[:n], parts[n:2*n]) {
			parts = parts[n:]
		}
	}
	return strings.Join(parts, ": ")
}
