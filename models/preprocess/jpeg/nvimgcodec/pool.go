package nvimgcodec

// #include "decode.h"
import "C"

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"runtime"
	"sync"
	"unsafe"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

const (
	// Batch is the largest number of images that are decoded together.
	Batch = C.BS_NV_BATCH
	// MaxPixels bounds the pixels of a batch. The library's memory for them, three
	// bytes a pixel and its own, is on the device.
	MaxPixels = 64 << 20
	// inFlight is how many batches are decoded at a time: one is copied while the
	// other is decoded. Not measured on a GPU.
	inFlight = 2
)

// A Pool is the decoders of one device. Any number of goroutines may use it.
type Pool struct {
	kind, library string

	mu sync.Mutex
	// Decoders wait only while no handle is free.
	waiting []*Decoder
	free    []*C.bs_nv
	lost    string // why the library may be at work on a batch for ever; else empty
}

// inUse are the pins of batches that the library may be at work on for ever.
var inUse struct {
	sync.Mutex
	pins []*runtime.Pinner
}

// Kind returns the name and version of what makes the pixels, as job records name it:
// "nvimgcodec 0.9.0 cpu".
func (p *Pool) Kind() string { return p.kind }

// Name returns Kind and the library's file.
func (p *Pool) Name() string { return p.kind + " (" + p.library + ")" }

// A Decoder is one goroutine's place in a Pool.
type Decoder struct {
	pool *Pool
	turn chan work // of one element

	src     []byte
	px      codec.Pixels
	outcome C.int32_t
	why     string
}

// work is a batch and the handle to decode it with. Without a handle it says that the
// Decoder's image is decoded.
type work struct {
	handle *C.bs_nv
	batch  []*Decoder
}

// NewDecoder returns a Decoder of the pool, which needs no closing.
func (p *Pool) NewDecoder() *Decoder { return &Decoder{pool: p, turn: make(chan work, 1)} }

// Decode decodes src, a whole JPEG of one or three components with the size of px, to px.
// It reports false for a JPEG that the back end does not decode, which depends on src
// alone. The error is not about the image: decoding failed, twice, for a reason that the
// back end does not know to be the image's. If it wraps codec.ErrInUse, the library may
// be at work on px and src for ever, and the Pool decodes nothing more.
func (d *Decoder) Decode(px codec.Pixels, src []byte) (bool, error) {
	if px.Width*px.Height > MaxPixels {
		return false, nil
	}
	d.px, d.src = px, src
	w := d.pool.enter(d)
	if w.handle == nil {
		w = <-d.turn
	}
	if w.handle != nil {
		d.pool.run(w)
		for _, other := range w.batch {
			if other != d {
				other.turn <- work{}
			}
		}
	}
	d.src = nil
	switch d.outcome {
	case C.BS_NV_OK:
		C.bs_nv_widen((*C.uint8_t)(unsafe.SliceData(px.Bytes)), C.size_t(px.Pitch), C.int(px.Width), C.int(px.Height))
		return true, nil
	case C.BS_NV_NOT:
		return false, nil
	}
	const remedy = "see whether the GPU is healthy and has memory left (nvidia-smi), and run again; or score into a new --out with --decode-device cpu"
	if d.outcome == C.BS_NV_IN_USE {
		return false, fmt.Errorf("%w: %s: %s: %w: %s", ErrFailed, d.pool.kind, d.why, codec.ErrInUse, remedy)
	}
	return false, fmt.Errorf("%w: %s could not decode a JPEG of %dx%d pixels, twice: %s: %s", ErrFailed, d.pool.kind, px.Width, px.Height, d.why, remedy)
}

// enter adds d to those that wait, and gives it a handle if one is free.
func (p *Pool) enter(d *Decoder) work {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.lost != "" {
		d.lose(p.lost)
		return work{}
	}
	p.waiting = append(p.waiting, d)
	n := len(p.free)
	if n == 0 {
		return work{}
	}
	h := p.free[n-1]
	p.free = p.free[:n-1]
	return work{handle: h, batch: p.take()}
}

// take removes the next batch from those that wait.
func (p *Pool) take() []*Decoder {
	n, pixels := 0, 0
	for n < len(p.waiting) && n < Batch {
		pixels += p.waiting[n].px.Width * p.waiting[n].px.Height
		if n > 0 && pixels > MaxPixels {
			break
		}
		n++
	}
	batch := append([]*Decoder(nil), p.waiting[:n]...)
	p.waiting = append(p.waiting[:0], p.waiting[n:]...)
	return batch
}

// lose ends the turn of a Decoder whose pool decodes nothing more.
func (d *Decoder) lose(why string) {
	d.outcome, d.why = C.BS_NV_IN_USE, why
	d.turn <- work{}
}

// run decodes a batch, then passes the handle on to the first of those that wait.
func (p *Pool) run(w work) {
	var why [C.BS_NV_ERROR_SIZE]C.char
	settled := decode(w.handle, w.batch, &why)
	for i, d := range w.batch {
		if settled && d.outcome == C.BS_NV_FAILED { // on its own: it may have been another's fault
			settled = decode(w.handle, w.batch[i:i+1], &why)
			d.why = C.GoString(&why[0])
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	if !settled {
		p.lost = C.GoString(&why[0])
		for _, d := range w.batch {
			d.why = p.lost
		}
		for _, d := range p.waiting {
			d.lose(p.lost)
		}
		p.waiting = nil
		return
	}
	if len(p.waiting) == 0 {
		p.free = append(p.free, w.handle)
		return
	}
	next := p.take()
	next[0].turn <- work{handle: w.handle, batch: next}
}

// decode decodes the images of a batch to the ends of their rows, as RGB. It reports
// false if the library may still be at work on them, and then they stay pinned.
func decode(h *C.bs_nv, batch []*Decoder, why *[C.BS_NV_ERROR_SIZE]C.char) (settled bool) {
	var images [Batch]C.bs_nv_image
	pins := new(runtime.Pinner)
	for i, d := range batch {
		src, px := unsafe.SliceData(d.src), unsafe.SliceData(d.px.Bytes)
		pins.Pin(src)
		pins.Pin(px)
		images[i] = C.bs_nv_image{
			src: (*C.uint8_t)(src), n: C.size_t(len(d.src)),
			rgb: (*C.uint8_t)(unsafe.Add(unsafe.Pointer(px), d.px.Width)), pitch: C.size_t(d.px.Pitch),
			width: C.int32_t(d.px.Width), height: C.int32_t(d.px.Height),
		}
	}
	C.bs_nv_decode(h, &images[0], C.int(len(batch)), &why[0])
	settled = true
	for i, d := range batch {
		d.outcome = images[i].outcome
		settled = settled && d.outcome != C.BS_NV_IN_USE
	}
	if settled {
		pins.Unpin()
		return true
	}
	inUse.Lock()
	defer inUse.Unlock()
	inUse.pins = append(inUse.pins, pins)
	return false
}

// try decodes a small picture with every handle, and compares it with what was encoded.
func (p *Pool) try() error {
	const width, height, most = 32, 24, 24
	img := image.NewRGBA(image.Rect(0, 0, width, height))
	for y := range height {
		for x := range width {
			img.SetRGBA(x, y, color.RGBA{uint8(4 * x), uint8(8 * y), 128, 255})
		}
	}
	var src bytes.Buffer
	if err := jpeg.Encode(&src, img, &jpeg.Options{Quality: 95}); err != nil {
		return err
	}
	px := codec.Pixels{Bytes: make([]byte, 4*width*height), Pitch: 4 * width, Width: width, Height: height}
	for range p.free {
		ok, err := p.NewDecoder().Decode(px, src.Bytes())
		switch {
		case err != nil:
			return err
		case !ok:
			return errors.New("it has no decoder for JPEG")
		}
		for i, v := range px.Bytes {
			if diff := int(v) - int(img.Pix[i]); i%4 < 3 && (diff < -most || diff > most) {
				return fmt.Errorf("it decodes a test picture wrong: %d in place of %d", v, img.Pix[i])
			}
		}
		clear(px.Bytes)
		p.free = append(p.free[1:], p.free[0])
	}
	return nil
}
