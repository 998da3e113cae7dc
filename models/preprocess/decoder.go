package preprocess

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A Decoder turns encoded images into tensor rows for one Spec. It reuses its
// memory from image to image. One goroutine at a time may use it.
type Decoder struct {
	spec   Spec
	opt    Options
	bounds codec.Bounds
	budget *budget.Budget
	codecs []codec.Decoder // one for each entry of formats; nil where it is not decoded
	canvas *canvas
	tiler  *tiler // nil without tiles
	closed bool

	keepers []codec.Keeper // among the codecs

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
	d := &Decoder{spec: spec, opt: opt, canvas: newCanvas(spec.OfTile()), codecs: make([]codec.Decoder, len(formats)),
		bounds: codec.Bounds{MaxPixels: opt.MaxPixels, MaxScans: opt.MaxScans}, budget: opt.Budget}
	if d.budget == nil {
		d.budget = budget.Process()
	}
	d.opt.MaxMemory = cmp.Or(opt.MaxMemory, d.budget.Limits().Largest)
	if spec.Tile != 0 {
		if d.tiler, err = newTiler(d); err != nil {
			return nil, err
		}
	}
	d.budget.Open()
	for i, f := range formats {
		if f.New == nil {
			continue
		}
		if d.codecs[i], err = f.New(codec.Config{GoOnly: opt.ForcePortable, JPEG: opt.JPEG, Libraries: opt.Libraries,
			ValueRange: spec.ValueRange, Bands: spec.Bands, Inner: d.inner}); err != nil {
			d.Close()
			return nil, err
		}
		if k, ok := d.codecs[i].(codec.Keeper); ok {
			d.keepers = append(d.keepers, k)
		}
	}
	return d, nil
}

// inner returns the decoder of a format for pictures inside those of another, or nil.
func (d *Decoder) inner(name string) codec.Decoder {
	for i := range formats {
		if formats[i].Name == name {
			return d.codecs[i]
		}
	}
	return nil
}

// Close frees the decoder's memory. It may be called more than once. Decode must not
// be called after it.
func (d *Decoder) Close() {
	if d.closed {
		return
	}
	d.closed = true
	d.budget.Close()
	for _, c := range d.codecs {
		if c != nil {
			c.Close()
		}
	}
	d.canvas.free()
	if d.tiler != nil {
		d.tiler.pixels.free()
	}
}

// Decode is DecodeWithin for an image for which nothing was taken, without a context.
func (d *Decoder) Decode(dst, src []byte) error {
	return d.DecodeWithin(context.Background(), dst, src, 0)
}

// DecodeWithin fills dst, of Options.RowBytes bytes, with the image encoded in src, which it
// only reads. Elements have the machine's byte order.
//
// First it waits for the memory that the image needs, unless the caller has taken as much
// as Options.MaxMemory of the same budget for it and for src. The wait ends with the
// context's error when ctx does.
//
// An image that yields no pixels gives a *codec.Failure, and dst is all zero. A panic of
// a codec is recovered and becomes a Failure too. Any other error is a mistake of the
// caller, that of ctx, a *budget.TooSmall, or one of Options.Tiles, libjpeg-turbo or a device, after which
// the Decoder can no longer be used.
func (d *Decoder) DecodeWithin(ctx context.Context, dst, src []byte, taken int64) (err error) {
	if d.closed {
		return errors.New("preprocess: Decode after Close")
	}
	if want := d.opt.RowBytes(d.spec); len(dst) != want {
		return fmt.Errorf("preprocess: destination of %d bytes, want %d", len(dst), want)
	}
	var part budget.Part
	defer func() {
		switch p := recover(); p.(type) {
		case nil:
		case measuredSize:
			err = errMeasured
		default:
			err = &codec.Failure{Status: codec.StatusPanic, Reason: fmt.Sprint(p)}
		}
		if err != nil {
			clear(dst)
		}
		if errors.Is(err, codec.ErrInUse) {
			d.canvas.abandon()
			d.tiler.abandon()
		}
		d.settle(d.budget.Keep())
		d.tiler.settle()
		d.budget.Give(part)
	}()
	need := d.Need(src)
	if fail := d.tooLarge(need, int64(len(src))); fail != nil {
		return fail
	}
	switch {
	case taken == 0:
		if part, err = d.budget.Take(ctx, need.Bytes); err != nil {
			return err
		}
	case need.Bytes+int64(len(src)) > taken:
		// Waiting for more would hold what others wait for.
		return d.budget.TooSmall(need.Bytes + int64(len(src)))
	}
	d.canvas.dark = false
	if d.tiler != nil {
		return d.tiler.decode(ctx, dst, src)
	}
	fail, err := d.decode(src, d.canvas)
	if err != nil {
		return err
	}
	if fail != nil {
		return fail
	}
	d.canvas.render(dst)
	return nil
}

// settle frees what is above a number of bytes of what is kept until the next image. Codecs
// that keep memory in other processes get at most half of it.
func (d *Decoder) settle(keep int64) {
	left := keep
	for _, k := range d.keepers {
		left -= k.Settle(left - keep/2)
	}
	d.canvas.settle(max(left, 0))
}

// decode decodes src into a canvas.
func (d *Decoder) decode(src []byte, to codec.Canvas) (*codec.Failure, error) {
	if int64(len(src)) > d.opt.MaxBytes {
		return codec.Fail(codec.StatusTooLarge, "%d bytes, more than the %d of --max-bytes", len(src), d.opt.MaxBytes), nil
	}
	found, fail := d.find(src)
	if fail != nil {
		return fail, nil
	}
	if d.injectPanic != nil {
		d.injectPanic()
	}
	if found.turn > 1 {
		to = codec.Turned(to, found.turn)
	}
	return d.codecs[found.format].Decode(found.src, d.bounds, to)
}

// tooLarge returns the Failure of an image that needs more memory than one image may take.
func (d *Decoder) tooLarge(n Need, encoded int64) *codec.Failure {
	if n.Bytes+encoded <= d.opt.MaxMemory || n.Width == 0 { // the decode fails before it takes that
		return nil
	}
	return codec.Fail(codec.StatusTooLarge, "decoding %dx%d pixels takes %s of memory, more than the %s of --max-image-memory",
		n.Width, n.Height, budget.Bytes(n.Bytes+encoded), budget.Bytes(d.opt.MaxMemory))
}
