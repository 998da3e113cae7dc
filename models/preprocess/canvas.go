package preprocess

// #cgo CFLAGS: -std=c11 -O3 -Wall
// #cgo noescape bs_render
// #cgo nocallback bs_render
// #cgo noescape bs_fill
// #cgo nocallback bs_fill
// #cgo noescape bs_blend
// #cgo nocallback bs_blend
// #cgo noescape bs_grey
// #cgo nocallback bs_grey
// #cgo noescape bs_mirror
// #cgo nocallback bs_mirror
// #cgo noescape bs_takes_planes
// #cgo nocallback bs_takes_planes
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

	pad        [3]C.float
	background [3]C.uint8_t

	// Of the image that was prepared last.
	placement Placement
	dark      bool         // of the last image: Placement.Dark
	picture   codec.Pixels // its pixels
	geometry  geometry
	resize    policy  // along both axes
	across    axisKey // of the stored columns
	down      axisKey // of the stored rows
	alpha     bool    // their fourth bytes are alpha
	padded    bool    // it leaves a part of the tensor to the padding

	job    C.bs_job
	h, v   axes
	pixels buffer[uint8] // decoded, RGBX
	work   buffer[uint8]
}

func newCanvas(spec Spec) *canvas {
	c := &canvas{spec: spec, policy: policies[spec.Resize]}
	j := &c.job
	j.nearest = cBool(c.policy.nearest)
	j.f32 = cBool(spec.DType == Float32)
	j.fractions = cBool(spec.DType == Float32 && c.policy.filter == nil && !c.policy.bytes)
	j.chw = cBool(spec.Layout == CHW)
	j.bgr = cBool(spec.BGR)
	j.grey = cBool(spec.Grey != "")
	c.use(allowed())
	j.scale = 1
	if spec.Scale != 0 {
		j.scale = C.float(spec.Scale)
	}
	for i := range 3 {
		j.std[i] = 1
		// A grey value is that of all three.
		if n := len(spec.Mean); n != 0 {
			j.mean[i] = C.float(spec.Mean[i%n])
		}
		if n := len(spec.Std); n != 0 {
			j.std[i] = C.float(spec.Std[i%n])
		}
		if n := len(spec.Pad); n != 0 {
			c.pad[i] = C.float(spec.Pad[i%n])
		}
		if len(spec.Background) != 0 {
			c.background[i] = C.uint8_t(spec.Background[i])
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
	c.alpha, c.job.ycc = false, 0
	c.placement = c.spec.place(width, height, o)
	pictureW, pictureH := width, height
	width, height, x, y := c.spec.frame(width, height, o)
	g := c.spec.plan(width, height, o)
	if c.spec.ScaledDecode {
		width, height = c.spec.shrink(width, height, scales, g)
		pictureW, pictureH = width, height
	}
	left, inputsW := c.spec.kept(width)
	top, inputsH := c.spec.kept(height)
	p := c.policy.of(inputsW, inputsH, g)
	j := &c.job
	j.method = p.method()
	h := axisKey{start: left, inputs: inputsW, outputs: g.resizedW, offset: g.x, n: g.w, flip: g.flipX}
	v := axisKey{start: top, inputs: inputsH, outputs: g.resizedH, offset: g.y, n: g.h, flip: g.flipY}
	if p.fixed != nil {
		h.grows, v.grows = p.covers, p.covers
		h.last, v.last = g.transpose, !g.transpose
	}
	c.geometry, c.resize, c.across, c.down = g, p, h, v
	rounds := c.spec.DType == Uint8 || p.bytes
	j.half_even = cBool(p.area && rounds && areaHalvesToEven(inputsW, inputsH, g))
	j.width, j.height = C.int32_t(width), C.int32_t(height)
	j.out_w, j.out_h = C.int32_t(c.spec.Width), C.int32_t(c.spec.Height)
	j.at_x, j.at_y = C.int32_t(g.upright.atX), C.int32_t(g.upright.atY)
	c.padded = g.upright.w < c.spec.Width || g.upright.h < c.spec.Height
	pitch := (width*4 + storeAlign - 1) &^ (storeAlign - 1)
	j.pitch = C.int64_t(pitch)
	j.transpose, j.flip_x, j.flip_y = cBool(g.transpose), cBool(g.flipX), cBool(g.flipY)
	surrounded := pictureW < width || pictureH < height
	size := pitch * height
	if surrounded {
		size += pitch // after the last row of a picture on the right
	}
	px := c.pixels.need(storeAlign + size + C.BS_TAIL)
	px = px[unaligned(c.pixels.pointer()):][:size]
	j.pixels = (*C.uint8_t)(unsafe.SliceData(px))
	c.aim(g.x, g.y)
	c.picture = codec.Pixels{Bytes: px[:pitch*height], Pitch: pitch, Width: width, Height: height}
	if surrounded {
		c.surround(px, x, y, pictureW, pictureH)
	}
	return c.picture
}

// surround fills the pixels around a picture with the colour of the padding, and makes the
// picture that of the codec.
func (c *canvas) surround(px []uint8, x, y, width, height int) {
	all := c.picture
	for row := range all.Height {
		line := all.Row(row)
		for i := 0; i < len(line); i += 4 {
			line[i], line[i+1], line[i+2], line[i+3] = uint8(c.pad[0]), uint8(c.pad[1]), uint8(c.pad[2]), 255
		}
	}
	c.picture = codec.Pixels{Bytes: px[y*all.Pitch+4*x:][:height*all.Pitch], Pitch: all.Pitch, Width: width, Height: height}
}

// greys are the weights of red, green and blue.
var greys = map[Grey]struct {
	weights [3]C.uint32_t
	bits    C.int32_t
}{
	GreyPillow: {[3]C.uint32_t{19595, 38470, 7471}, 16},
	GreyOpenCV: {[3]C.uint32_t{9798, 19235, 3735}, 15},
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

// leastPlanes is the least side of pictures that are taken as planes. libjpeg interpolates no
// chroma that is as narrow as two columns.
const leastPlanes = 32

// Planes implements codec.PlanesCanvas. The planes are in the memory of the pixels.
func (c *canvas) Planes() (codec.Planes, bool) {
	j, px := &c.job, c.picture
	whole := px.Width == int(j.width) && px.Height == int(j.height)
	if !whole || min(px.Width, px.Height) < leastPlanes || c.spec.Grey != "" || c.spec.Augment != "" || C.bs_takes_planes(&c.job) == 0 {
		return codec.Planes{}, false
	}
	wide, high := (px.Width+1)/2, (px.Height+1)/2
	pl := codec.Planes{YPitch: 2*wide + C.BS_TAIL/8, CPitch: wide + C.BS_TAIL/8}
	y, chroma := 2*high*pl.YPitch+C.BS_TAIL, high*pl.CPitch+C.BS_TAIL
	if y+2*chroma > len(px.Bytes) {
		return codec.Planes{}, false
	}
	pl.Y, pl.Cb, pl.Cr = px.Bytes[:y], px.Bytes[y:][:chroma], px.Bytes[y+chroma:][:chroma]
	for i, plane := range [][]uint8{pl.Y, pl.Cb, pl.Cr} {
		j.planes[i] = (*C.uint8_t)(unsafe.SliceData(plane))
	}
	j.pitches = [2]C.int64_t{C.int64_t(pl.YPitch), C.int64_t(pl.CPitch)}
	j.ycc = 1
	c.work.need(int(C.bs_work_size(&c.job)))
	j.work = (*C.uint8_t)(c.work.pointer())
	return pl, true
}

// Dark implements codec.DarkCanvas.
func (c *canvas) Dark() { c.dark = true }

// Alpha implements codec.AlphaCanvas.
func (c *canvas) Alpha() bool {
	c.alpha = len(c.spec.Background) != 0
	return c.alpha
}

// render resizes the pixels that Prepare returned and packs them into dst.
func (c *canvas) render(dst []byte) {
	p := &c.picture
	pixels := (*C.uint8_t)(unsafe.SliceData(p.Bytes))
	pitch, width, height := C.int64_t(p.Pitch), C.int32_t(p.Width), C.int32_t(p.Height)
	if c.alpha {
		C.bs_blend(pixels, pitch, width, height, &c.background[0])
	}
	if w, ok := greys[c.spec.Grey]; ok {
		C.bs_grey(pixels, pitch, width, height, &w.weights[0], w.bits)
	}
	views, n := c.windows()
	for i, at := range views[:n] {
		c.view(at, n > 1, dst, i)
	}
	if c.spec.Augment != Flip && c.spec.Augment != TenCrop {
		return
	}
	size := len(dst) / c.spec.Views()
	for i := range n {
		// The middle of a mirrored image is not the middle mirrored where as many columns
		// cannot be left on both sides.
		other := c.spec.Augment == TenCrop && i == n-1 && c.mirroredMiddle() != views[i]
		if other {
			c.view(c.mirroredMiddle(), true, dst, i)
		}
		from, to := unsafe.SliceData(dst[i*size:]), unsafe.SliceData(dst[(n+i)*size:])
		C.bs_mirror(&c.job, unsafe.Pointer(from), unsafe.Pointer(to))
		if other {
			c.view(views[i], true, dst, i)
		}
	}
}

// view renders the window that begins at a place as view i of dst. aimed says that it may be
// another than the one that Prepare chose.
func (c *canvas) view(at [2]int, aimed bool, dst []byte, i int) {
	if aimed {
		c.aim(at[0], at[1])
	}
	row := unsafe.Pointer(unsafe.SliceData(dst[i*(len(dst)/c.spec.Views()):]))
	if c.padded {
		C.bs_fill(&c.job, &c.pad[0], cBool(c.spec.PadZero), row)
	}
	C.bs_render(&c.job, row)
}

func cBool(b bool) C.int32_t {
	if b {
		return 1
	}
	return 0
}

// aim makes the window that begins at x, y of the resized image, in the stored orientation, the one
// to render.
func (c *canvas) aim(x, y int) {
	h, v := c.across, c.down
	h.offset, v.offset = x, y
	c.job.h, c.job.v = *c.h.get(c.resize, h), *c.v.get(c.resize, v)
	c.work.need(int(C.bs_work_size(&c.job)))
	c.job.work = (*C.uint8_t)(c.work.pointer())
}

// windows returns where the windows of the views begin in the resized image, in the stored
// orientation, without mirror images, and how many there are.
func (c *canvas) windows() (views [5][2]int, n int) {
	g := &c.geometry
	if c.spec.Augment != FiveCrop && c.spec.Augment != TenCrop {
		views[0] = [2]int{g.x, g.y}
		return views, 1
	}
	u := g.upright
	right, bottom := u.resizedW-u.w, u.resizedH-u.h
	views = [5][2]int{{0, 0}, {right, 0}, {0, bottom}, {right, bottom}, {u.x, u.y}}
	for i, at := range views {
		views[i][0], views[i][1] = g.stored(at[0], at[1])
	}
	return views, len(views)
}

// mirroredMiddle returns where the window begins that, mirrored, is the middle of the mirrored
// image.
func (c *canvas) mirroredMiddle() [2]int {
	u := c.geometry.upright
	x, y := c.geometry.stored(u.resizedW-u.w-u.x, u.y)
	return [2]int{x, y}
}
