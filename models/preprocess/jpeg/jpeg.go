// Package jpeg decodes JPEG.
//
// Two decoders make the pixels: libjpeg-turbo, loaded at run time, and image/jpeg where it
// is not installed. A third, nvImageCodec on a GPU, is used on request: device.go. All
// share a strict check of the coded data, which decides whether a
// picture is whole:
//
//  1. walk follows the markers and finds the size, the orientation, and whether there is
//     doubt about the picture.
//  2. Without doubt, libjpeg-turbo decodes: to pixels, or to planes for a canvas that wants
//     them. Its result is used only if it decoded the whole image without an error or a
//     warning.
//  3. Otherwise check reads the coded data code by code, says why the picture is not
//     whole, or rewrites it without its oddities; the rewritten JPEG is decoded.
//
// So what becomes of a damaged image, and the reason if it fails, depends on its bytes and
// not on what was decoded before.
//
// The pixels of image/jpeg are within 3 steps of 255 of libjpeg-turbo's, and 0.25 on
// average. It accepts less:
//
//   - unsupported are arithmetic codes; chroma ratios other than 4:4:4, 4:4:0, 4:2:2,
//     4:2:0, 4:1:1 and 4:1:0; a progressive JPEG that ends in order before its last
//     scans, which libjpeg smooths; and most scans of one component that have restart
//     markers or unusual sampling;
//   - corrupt is damage that libjpeg ignores without a warning and shows as Pillow does:
//     in a JPEG that has exactly as many codes as it needs, codes that are in no table,
//     and coefficients that are too large.
package jpeg

import (
	"image"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/models/preprocess/jpeg/nvimgcodec"
)

// Format is JPEG's entry in the table of formats.
var Format = codec.Format{
	Name:         "JPEG",
	Extensions:   "jpg jpeg jpe jfif pjpeg pjp jif mpo",
	Signatures:   []string{"\xff\xd8\xff"},
	Unmistakable: true,
	New:          newDecoder,
}

type decoder struct {
	turbo  *Turbo              // nil where image/jpeg decodes
	device *nvimgcodec.Decoder // nil for none
	chroma codec.RowPair       // one row of upsampled Cb and Cr
	memory memory              // of check
	raw    bool                // keeps CMYK as it is coded
}

func newDecoder(c codec.Config) (codec.Decoder, error) {
	if c.JPEG != "" && !c.GoOnly {
		return newDeviceDecoder(c.JPEG)
	}
	d := &decoder{}
	if _, err := Backend(); err == nil && !c.GoOnly {
		if d.turbo, err = NewTurbo(); err != nil {
			return nil, err
		}
	}
	return d, nil
}

func (d *decoder) Close() {
	if d.turbo != nil {
		d.turbo.Close()
	}
}

// DecodeRaw implements codec.RawDecoder.
func (d *decoder) DecodeRaw(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	d.raw = true
	defer func() { d.raw = false }()
	return d.Decode(src, bounds, to)
}

func (d *decoder) Decode(src []byte, bounds codec.Bounds, to codec.Canvas) (*codec.Failure, error) {
	h, fail := walk(src, bounds)
	if fail != nil {
		return fail, nil
	}
	if d.turbo == nil {
		fail := d.decodeInGo(src, h, bounds, to)
		codec.Collect(d.Need(src, bounds).Bytes)
		return fail, nil
	}
	if d.device != nil && onDevice(&h) {
		done, err := d.decodeOnDevice(src, h, bounds, to)
		if done || err != nil {
			return nil, err
		}
	}
	px := to.Prepare(h.width, h.height, h.orientation, d.turbo.scales)
	format := d.pixels(&h)
	if !h.doubt && d.planar(&h) && px.Width == h.width && px.Height == h.height {
		if planes, ok := planesOf(to); ok {
			why, err := d.turbo.decodePlanes(planes, h.width, h.height, src)
			if err != nil || why == "" {
				return nil, err
			}
			px = to.Prepare(h.width, h.height, h.orientation, d.turbo.scales)
		}
	}
	if !h.doubt {
		why, err := d.turbo.decode(px, src, format)
		if err != nil || why == "" {
			return nil, err
		}
	}
	plain, fail := check(&d.memory, src, h, bounds, h.colour())
	if fail != nil {
		return fail, nil
	}
	why, err := d.turbo.decode(px, plain.data, format)
	switch {
	case err != nil || why == "":
		return nil, err
	case strings.Contains(why, "nsupported"), strings.Contains(why, "not implemented"):
		return &codec.Failure{Status: codec.StatusUnsupported, Reason: why}, nil
	}
	return &codec.Failure{Status: codec.StatusCorrupt, Reason: why}, nil
}

// planar reports whether libjpeg-turbo can decode to codec.Planes.
func (d *decoder) planar(h *header) bool {
	f := &h.frame
	if f.components != 3 || d.raw || h.colour() != colourYCbCr || !d.turbo.planes {
		return false
	}
	c := &f.comp
	return c[0].h == 2 && c[0].v == 2 && c[1].h == 1 && c[1].v == 1 && c[2].h == 1 && c[2].v == 1
}

// planesOf returns the planes of the picture that to was prepared for, if it wants them.
func planesOf(to codec.Canvas) (codec.Planes, bool) {
	if p, ok := to.(codec.PlanesCanvas); ok {
		return p.Planes()
	}
	return codec.Planes{}, false
}

// decodeInGo decodes with image/jpeg what check lets pass. check declares the
// components as YCbCr or as plain CMYK, so that image/jpeg returns them as they are
// coded.
func (d *decoder) decodeInGo(src []byte, h header, bounds codec.Bounds, to codec.Canvas) *codec.Failure {
	if h.frame.arithmetic {
		return codec.Fail(codec.StatusUnsupported, "JPEG with arithmetic codes, which only libjpeg-turbo decodes")
	}
	colour, declare := h.colour(), colourYCbCr
	switch h.frame.components {
	case 1:
		declare = colourGrey
	case 4:
		declare = colourCMYK
	}
	plain, fail := check(&d.memory, src, h, bounds, declare)
	switch {
	case fail != nil:
		return fail
	case plain.partial:
		return codec.Fail(codec.StatusUnsupported, "progressive JPEG without its last scans, which only libjpeg-turbo smooths")
	case plain.uneven:
		return codec.Fail(codec.StatusUnsupported,
			"JPEG with components in scans of their own, and sampling that only libjpeg-turbo decodes")
	}
	img, fail := goDecode(plain.data)
	if fail != nil {
		return fail
	}
	switch m := img.(type) {
	case *image.YCbCr:
		if colour == colourRGB {
			img = fromRGB(m, d.raw)
		}
	case *image.CMYK:
		c := &h.frame.comp
		mendCMYK(m, c[1].h != c[0].h || c[1].v != c[0].v, colour == colourYCCK)
	}
	b := img.Bounds()
	d.fill(to.Prepare(b.Dx(), b.Dy(), h.orientation, nil), img)
	return nil
}
