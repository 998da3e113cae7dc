package preprocess

// #include "kernel.h"
import "C"

import (
	"errors"
	"fmt"
	"unsafe"
)

// A Decoder turns encoded images into tensor rows for one Spec. It reuses its
// memory from image to image, and belongs to one goroutine at a time.
type Decoder struct {
	spec   Spec
	opt    Options
	policy policy
	turbo  unsafe.Pointer // TurboJPEG handle; nil for the portable path
	lost   bool           // the handle could not be replaced after a failure
	scales []turboScale

	job    C.bs_job
	h, v   axes
	pixels buffer[uint8] // decoded, RGBX
	work   buffer[uint8]
	chroma [2][]uint8 // one row of upsampled Cb and Cr
	closed bool

	injectPanic func() // of tests
}

// NewDecoder returns a Decoder that the caller must Close. The error says which
// field of spec or opt cannot be used.
func NewDecoder(spec Spec, opt Options) (*Decoder, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Decoder{spec: spec, opt: opt, policy: policies[spec.Resize]}
	if lib, err := turbo(); err == nil && !opt.ForcePortable {
		if d.turbo = C.bs_turbo_new(); d.turbo == nil {
			return nil, fmt.Errorf("%s: no decoder could be made: out of memory", lib.name)
		}
		d.scales = lib.scales
	}
	j := &d.job
	j.method = d.policy.method()
	j.f32 = cBool(spec.DType == Float32)
	j.chw = cBool(spec.Layout == CHW)
	j.bgr = cBool(spec.BGR)
	j.most = C.int32_t(C.bs_kernels())
	d.h.inDigits = j.most == C.BS_AVX512
	j.scale = 1
	if spec.Scale != 0 {
		j.scale = C.float(spec.Scale)
	}
	for c := range 3 {
		j.std[c] = 1
		if len(spec.Mean) != 0 {
			j.mean[c] = C.float(spec.Mean[c])
		}
		if len(spec.Std) != 0 {
			j.std[c] = C.float(spec.Std[c])
		}
	}
	return d, nil
}

// Close frees the decoder's memory. It may be called more than once; Decode may
// not be called after it.
func (d *Decoder) Close() {
	if d.closed {
		return
	}
	d.closed = true
	if d.turbo != nil {
		C.bs_turbo_free(d.turbo)
		d.turbo = nil
	}
	d.h.free()
	d.v.free()
	d.pixels.free()
	d.work.free()
}

// Decode fills dst, which must be of Spec.RowBytes bytes, with the image
// encoded in src, which it only reads. Elements have the machine's byte order.
//
// An image that yields no pixels gives a *Failure, and dst is all zero. Any
// other error is a mistake of the caller, or libjpeg-turbo is out of memory for
// good. A panic of a decoder is recovered and
// is a Failure too.
func (d *Decoder) Decode(dst, src []byte) (err error) {
	if d.closed {
		return errors.New("preprocess: Decode after Close")
	}
	if want := d.spec.RowBytes(); len(dst) != want {
		return fmt.Errorf("preprocess: destination of %d bytes, want %d", len(dst), want)
	}
	defer func() {
		if p := recover(); p != nil {
			err = &Failure{StatusPanic, fmt.Sprint(p)}
		}
		if err != nil {
			clear(dst)
		}
		d.pixels.settle()
		d.work.settle()
	}()
	f := d.decode(dst, src)
	if d.lost {
		return errors.New("preprocess: libjpeg-turbo could not make a decoder: out of memory")
	}
	if f != nil {
		return f
	}
	return nil
}

func (d *Decoder) decode(dst, src []byte) *Failure {
	if int64(len(src)) > d.opt.MaxBytes {
		return &Failure{StatusTooLarge, fmt.Sprintf("%d bytes, more than the %d of --max-bytes", len(src), d.opt.MaxBytes)}
	}
	f, fail := sniff(src)
	if fail != nil {
		return fail
	}
	if d.injectPanic != nil {
		d.injectPanic()
	}
	if f != formatJPEG {
		return d.decodeOther(dst, src, f)
	}
	return d.decodeJPEG(dst, src)
}

// prepare plans for an image of width x height pixels; with scaled, the decoder
// may shrink them while it decodes. It returns the memory for the pixels, of
// job.pitch bytes a row.
func (d *Decoder) prepare(width, height int, o orientation, scaled bool) []uint8 {
	if d.spec.IgnoreOrientation {
		o = 1
	}
	g := d.spec.plan(width, height, o)
	if scaled {
		width, height = d.shrink(width, height, g)
	}
	left, inputsW := d.spec.kept(width)
	top, inputsH := d.spec.kept(height)
	j := &d.job
	j.h = *d.h.get(d.policy, axisKey{left, inputsW, g.resizedW, g.x, g.w, g.flipX})
	j.v = *d.v.get(d.policy, axisKey{top, inputsH, g.resizedH, g.y, g.h, g.flipY})
	j.half_even = cBool(d.policy.area && d.spec.DType == Uint8 && areaHalvesToEven(inputsW, inputsH, g))
	j.width, j.height = C.int32_t(width), C.int32_t(height)
	pitch := (width*4 + storeAlign - 1) &^ (storeAlign - 1)
	j.pitch = C.int64_t(pitch)
	j.transpose, j.flip_x, j.flip_y = cBool(g.transpose), cBool(g.flipX), cBool(g.flipY)
	px := d.pixels.need(storeAlign + pitch*height + C.BS_TAIL)
	px = px[unaligned(d.pixels.pointer()):][:pitch*height]
	j.pixels = (*C.uint8_t)(unsafe.SliceData(px))
	d.work.need(int(C.bs_work_size(&d.job)))
	j.work = (*C.uint8_t)(d.work.pointer())
	return px
}

// To rows that its vector stores find aligned, libjpeg-turbo writes past the
// cache, and what reads the pixels next waits for memory. So no row is: each
// begins storeSkew bytes after a multiple of storeAlign.
const (
	storeAlign = 32
	storeSkew  = 8
)

// unaligned is how far after p a row may begin; less than storeAlign.
func unaligned(p unsafe.Pointer) int {
	return int((storeSkew - uintptr(p)) % storeAlign)
}

// shrink returns the smallest size that libjpeg-turbo can decode to without
// falling below the size to resize to.
func (d *Decoder) shrink(width, height int, g geometry) (int, int) {
	w, h := width, height
	for _, s := range d.scales {
		sw, sh := s.apply(width), s.apply(height)
		_, keptW := d.spec.kept(sw)
		_, keptH := d.spec.kept(sh)
		if keptW >= g.resizedW && keptH >= g.resizedH && sw <= w && sh <= h {
			w, h = sw, sh
		}
	}
	return w, h
}

// render resizes and packs the pixels that prepare returned.
func (d *Decoder) render(dst []byte) {
	C.bs_render(&d.job, unsafe.Pointer(unsafe.SliceData(dst)))
}

func cBool(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}
