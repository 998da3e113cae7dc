package preprocess

import (
	"bytes"
	"errors"
	"image"
	"image/jpeg"
	"io"
)

// decodePortable decodes a JPEG that checkJPEG wrote in Go, then resizes and packs
// as any image. mend undoes what the Go decoder did to the pixels.
func (d *Decoder) decodePortable(dst, src []byte, o orientation, mend func(image.Image) image.Image) *Failure {
	img, err := jpeg.Decode(bytes.NewReader(src))
	if err != nil {
		return decodeFailure(err)
	}
	img = mend(img)
	b := img.Bounds()
	px := d.prepare(b.Dx(), b.Dy(), o, false)
	d.fill(px, int(d.job.pitch), img, formatJPEG)
	d.render(dst)
	return nil
}

// decodeFailure finds the status of a Go decoder's error.
func decodeFailure(err error) *Failure {
	var unsupportedJPEG jpeg.UnsupportedError
	why := err.Error()
	switch {
	case errors.As(err, &unsupportedJPEG):
		return &Failure{StatusUnsupported, why}
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return &Failure{StatusTruncated, why}
	}
	return &Failure{StatusCorrupt, why}
}
