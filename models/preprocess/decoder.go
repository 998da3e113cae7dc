package preprocess

import (
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A Decoder turns encoded images into tensor rows for one Spec. It reuses its
// memory from image to image. One goroutine at a time may use it.
type Decoder struct {
	spec   Spec
	opt    Options
	bounds codec.Bounds
	codecs []codec.Decoder // one for each entry of formats; nil where it is not decoded
	canvas *canvas
	closed bool

	injectPanic func() // by tests
}

// NewDecoder returns a Decoder, which the caller must Close. The error names the
// field of spec or opt that is invalid.
func NewDecoder(spec Spec, opt Options) (*Decoder, error) {
	if err := spec.Validate(); err != nil {
		return nil, err
	}
	opt, err := opt.withDefaults()
	if err != nil {
		return nil, err
	}
	d := &Decoder{spec: spec, opt: opt, canvas: newCanvas(spec), codecs: make([]codec.Decoder, len(formats)),
		bounds: codec.Bounds{MaxPixels: opt.MaxPixels, MaxScans: opt.MaxScans}}
	for i, f := range formats {
		if f.New == nil {
			continue
		}
		if d.codecs[i], err = f.New(codec.Config{GoOnly: opt.ForcePortable, JPEG: opt.JPEG}); err != nil {
			d.Close()
			return nil, err
		}
	}
	return d, nil
}

// Close frees the decoder's memory. It may be called more than once. Decode must not
// be called after it.
func (d *Decoder) Close() {
	if d.closed {
		return
	}
	d.closed = true
	for _, c := range d.codecs {
		if c != nil {
			c.Close()
		}
	}
	d.canvas.free()
}

// Decode fills dst, of Spec.RowBytes bytes, with the image encoded in src, which it
// only reads. Elements have the machine's byte order.
//
// An image that yields no pixels gives a *codec.Failure, and dst is all zero. A panic of
// a codec is recovered and becomes a Failure too. Any other error is a mistake of the
// caller, or one of libjpeg-turbo or a device, and the Decoder can no longer be used.
func (d *Decoder) Decode(dst, src []byte) (err error) {
	if d.closed {
		return errors.New("preprocess: Decode after Close")
	}
	if want := d.spec.RowBytes(); len(dst) != want {
		return fmt.Errorf("preprocess: destination of %d bytes, want %d", len(dst), want)
	}
	defer func() {
		if p := recover(); p != nil {
			err = &codec.Failure{Status: codec.StatusPanic, Reason: fmt.Sprint(p)}
		}
		if err != nil {
			clear(dst)
		}
		if errors.Is(err, codec.ErrInUse) {
			d.canvas.abandon()
		}
		d.canvas.settle()
	}()
	fail, err := d.decode(src)
	if err != nil {
		return err
	}
	if fail != nil {
		return fail
	}
	d.canvas.render(dst)
	return nil
}

// decode decodes src into the canvas.
func (d *Decoder) decode(src []byte) (*codec.Failure, error) {
	if int64(len(src)) > d.opt.MaxBytes {
		return codec.Fail(codec.StatusTooLarge, "%d bytes, more than the %d of --max-bytes", len(src), d.opt.MaxBytes), nil
	}
	i, fail := sniff(src)
	if fail != nil {
		return fail, nil
	}
	if d.injectPanic != nil {
		d.injectPanic()
	}
	return d.codecs[i].Decode(src, d.bounds, d.canvas)
}
