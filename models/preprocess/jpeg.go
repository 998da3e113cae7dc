package preprocess

// #include "kernel.h"
import "C"

import (
	"image"
	"strings"
	"unsafe"
)

// decodeJPEG decodes with libjpeg-turbo where there is one. Its result is taken
// only if the whole image was decoded without an error or a warning. In every
// other case checkJPEG decides, and what is decoded is the JPEG as it rewrites it:
// what both back ends make of a damaged image, and why, depends on its bytes.
func (d *Decoder) decodeJPEG(dst, src []byte) *Failure {
	h, fail := walkJPEG(src, d.opt)
	if fail != nil {
		return fail
	}
	if d.turbo == nil {
		return d.decodePlainJPEG(dst, src, h)
	}
	d.prepare(h.width, h.height, h.orientation, d.spec.ScaledDecode)
	d.job.cmyk = cBool(h.frame.components == 4)
	if !h.doubt && d.renderTurbo(dst, src) == "" {
		return nil
	}
	if d.lost {
		return nil
	}
	plain, fail := checkJPEG(src, h, d.opt, h.colour())
	if fail != nil {
		return fail
	}
	why := d.renderTurbo(dst, plain.data)
	switch {
	case why == "":
		return nil
	case strings.Contains(why, "nsupported"), strings.Contains(why, "not implemented"):
		return &Failure{StatusUnsupported, why}
	}
	return &Failure{StatusCorrupt, why}
}

// renderTurbo decodes src to the size that was prepared, and renders it. It
// returns the reason why nothing was rendered, "" if all was. After a failure it
// continues with a new handle; lost says that there was none to be had.
func (d *Decoder) renderTurbo(dst, src []byte) string {
	if C.bs_turbo_render(d.turbo, &d.job, unsafe.Pointer(unsafe.SliceData(src)), C.size_t(len(src)),
		unsafe.Pointer(unsafe.SliceData(dst))) == C.BS_OK {
		return ""
	}
	why := C.GoString(&d.job.error[0])
	C.bs_turbo_free(d.turbo)
	d.turbo = C.bs_turbo_new()
	d.lost = d.turbo == nil
	return why
}

// decodePlainJPEG decodes in Go what checkJPEG lets pass. image/jpeg gets it
// declared as YCbCr or as plain CMYK, of which it returns the components as they
// are coded.
func (d *Decoder) decodePlainJPEG(dst, src []byte, h jpegHeader) *Failure {
	if h.frame.arithmetic {
		return &Failure{StatusUnsupported, "JPEG with arithmetic codes, which only libjpeg-turbo decodes"}
	}
	colour, declare := h.colour(), colourYCbCr
	switch h.frame.components {
	case 1:
		declare = colourGrey
	case 4:
		declare = colourCMYK
	}
	plain, fail := checkJPEG(src, h, d.opt, declare)
	switch {
	case fail != nil:
		return fail
	case plain.partial:
		return &Failure{StatusUnsupported, "progressive JPEG without its last scans, which only libjpeg-turbo smooths"}
	case plain.uneven:
		return &Failure{StatusUnsupported, "JPEG with components in scans of their own, and sampling that only libjpeg-turbo decodes"}
	}
	return d.decodePortable(dst, plain.data, h.orientation, func(img image.Image) image.Image {
		switch m := img.(type) {
		case *image.YCbCr:
			if colour == colourRGB {
				return fromRGB(m)
			}
		case *image.CMYK:
			c := &h.frame.comp
			mendCMYK(m, c[1].h != c[0].h || c[1].v != c[0].v, colour == colourYCCK)
		}
		return img
	})
}
