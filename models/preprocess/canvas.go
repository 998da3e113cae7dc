package preprocess

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape bs_render
// #cgo nocallback bs_render
// #cgo noescape bs_work_size
// #cgo nocallback bs_work_size
// #include "kernel.h"
import "C"

import (
	"unsafe"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A canvas takes the pixels of an image and makes a tensor row of them. It reuses its
// memory from image to image.
type canvas struct {
	spec   Spec
	policy policy
	shown  *shown // of a Previewer; nil for a model

	placement Placement // of the image that was prepared last

	job    C.bs_job
	h, v   axes
	pixels buffer[uint8] // decoded, RGBX
	work   buffer[uint8]
}

func newCanvas(spec Spec) *canvas {
	c := &canvas{spec: spec, policy: policies[spec.Resize]}
	j := &c.job
	j.method = c.policy.method()
	j.nearest = cBool(c.policy.nearest)
	j.f32 = cBool(spec.DType == Float32)
	j.chw = cBool(spec.Layout == CHW)
	j.bgr = cBool(spec.BGR)
	c.use(allowed())
	j.scale = 1
	if spec.Scale != 0 {
		j.scale = C.float(spec.Scale)
	}
	for i := range 3 {
		j.std[i] = 1
		if len(spec.Mean) != 0 {
			j.mean[i] = C.float(spec.Mean[i])
		}
		if len(spec.Std) != 0 {
			j.std[i] = C.float(spec.Std[i])
		}
	}
	return c
}

// use makes the canvas render with those kernels.
func (c *canvas) use(kernels C.int32_t) {
	c.h.free() // the tables are those of the kernels before
	c.job.most, c.h.weights = kernels, kernels
}

func (c *canvas) free() {
	c.h.free()
	c.v.free()
	c.pixels.free()
	c.work.free()
}

// abandon keeps the memory of the pixels from being used or freed, as others may use it.
func (c *canvas) abandon() { c.pixels = buffer[uint8]{} }

// settle frees what is too large to be kept between images: at most keep bytes are.
func (c *canvas) settle(keep int64) {
	c.work.settle(keep / 2)
	c.pixels.settle(keep - int64(c.work.size))
}

// Prepare implements codec.Canvas. With Spec.ScaledDecode it chooses one of the scales.
func (c *canvas) Prepare(width, height int, o codec.Orientation, scales []codec.Scale) codec.Pixels {
	if c.spec.IgnoreOrientation {
		o = 1
	}
	if c.shown != nil {
		c.spec.Width, c.spec.Height = c.shown.prepare(width, height, o)
	}
	c.placement = c.spec.place(width, height, o)
	g := c.spec.plan(width, height, o)
	if c.spec.ScaledDecode {
		width, height = c.spec.shrink(width, height, scales, g)
	}
	left, inputsW := c.spec.kept(width)
	top, inputsH := c.spec.kept(height)
	j := &c.job
	j.h = *c.h.get(c.policy, axisKey{left, inputsW, g.resizedW, g.x, g.w, g.flipX})
	j.v = *c.v.get(c.policy, axisKey{top, inputsH, g.resizedH, g.y, g.h, g.flipY})
	j.half_even = cBool(c.policy.area && c.spec.DType == Uint8 && areaHalvesToEven(inputsW, inputsH, g))
	j.width, j.height = C.int32_t(width), C.int32_t(height)
	pitch := (width*4 + storeAlign - 1) &^ (storeAlign - 1)
	j.pitch = C.int64_t(pitch)
	j.transpose, j.flip_x, j.flip_y = cBool(g.transpose), cBool(g.flipX), cBool(g.flipY)
	px := c.pixels.need(storeAlign + pitch*height + C.BS_TAIL)
	px = px[unaligned(c.pixels.pointer()):][:pitch*height]
	j.pixels = (*C.uint8_t)(unsafe.SliceData(px))
	c.work.need(int(C.bs_work_size(&c.job)))
	j.work = (*C.uint8_t)(c.work.pointer())
	return codec.Pixels{Bytes: px, Pitch: pitch, Width: width, Height: height}
}

// To rows that are aligned for its vector stores, libjpeg-turbo writes past the cache,
// and the resize then waits for memory. So no row is aligned: each begins storeSkew
// bytes after a multiple of storeAlign.
const (
	storeAlign = 32
	storeSkew  = 8
)

// unaligned returns how many bytes after p the first row begins, below storeAlign.
func unaligned(p unsafe.Pointer) int {
	return int((storeSkew - uintptr(p)) % storeAlign)
}

// shrink returns the smallest size that a codec with these scales can decode to without
// falling below the size to resize to.
func (s Spec) shrink(width, height int, scales []codec.Scale, g geometry) (int, int) {
	w, h := width, height
	for _, scale := range scales {
		sw, sh := scale.Apply(width), scale.Apply(height)
		_, keptW := s.kept(sw)
		_, keptH := s.kept(sh)
		if keptW >= g.resizedW && keptH >= g.resizedH && sw <= w && sh <= h {
			w, h = sw, sh
		}
	}
	return w, h
}

// render resizes the pixels that Prepare returned and packs them into dst.
func (c *canvas) render(dst []byte) {
	C.bs_render(&c.job, unsafe.Pointer(unsafe.SliceData(dst)))
}

func cBool(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}
