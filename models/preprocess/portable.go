package preprocess

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"image/png"
	"io"
	"strings"

	"github.com/disintegration/imaging"
	"golang.org/x/image/bmp"
	"golang.org/x/image/tiff"
	_ "golang.org/x/image/webp" // for imaging.Decode
)

// decodePortable decodes in Go, then resizes and packs as any image.
func (d *Decoder) decodePortable(dst, src []byte, f format, o orientation) *Failure {
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
	if f == formatBMP && len(src) < cfg.Width*cfg.Height/8 {
		return &Failure{StatusTruncated, "fewer bytes than one bit a pixel"}
	}
	img, err := imaging.Decode(bytes.NewReader(src))
	if err != nil {
		return decodeFailure(err)
	}
	if p, ok := img.(*image.Paletted); ok && f == formatGIF {
		img = rawGIF(p, gifPalette(src))
	}
	b := img.Bounds()
	if b.Empty() {
		return &Failure{StatusCorrupt, "no pixels"}
	}
	px := d.prepare(b.Dx(), b.Dy(), o, false)
	d.fill(px, img, f)
	d.render(dst)
	return nil
}

// decodeFailure finds the status of a Go decoder's error.
func decodeFailure(err error) *Failure {
	var (
		unsupportedJPEG jpeg.UnsupportedError
		unsupportedPNG  png.UnsupportedError
		unsupportedTIFF tiff.UnsupportedError
	)
	why := err.Error()
	switch {
	case errors.As(err, &unsupportedJPEG), errors.As(err, &unsupportedPNG), errors.As(err, &unsupportedTIFF),
		errors.Is(err, bmp.ErrUnsupported):
		return &Failure{StatusUnsupported, why}
	case strings.Contains(why, "image too large"): // tiff, of a size beyond any int
		return &Failure{StatusTooLarge, why}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF),
		// Some decoders keep only the text of what they wrap.
		strings.Contains(why, "EOF"), strings.Contains(why, "not enough"):
		return &Failure{StatusTruncated, why}
	}
	return &Failure{StatusCorrupt, why}
}

// withAdobe marks a JPEG of four components as Adobe's inverted CMYK, which it
// is taken for everywhere, so that image/jpeg does not refuse it.
func withAdobe(src []byte) []byte {
	const soi = 2
	segment := "\xff\xee\x00\x0eAdobe\x00\x64\x00\x00\x00\x00\x00"
	out := make([]byte, 0, len(src)+len(segment))
	out = append(out, src[:soi]...)
	out = append(out, segment...)
	return append(out, src[soi:]...)
}
