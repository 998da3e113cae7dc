package preprocess

import (
	"context"
	"errors"
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// A Previewer makes small pictures of encoded images, for people to look at. It decodes
// what a Decoder decodes, with the same bounds, and fails where that fails. One goroutine at a
// time may use it.
type Previewer struct {
	decoder *Decoder
	shown   shown
	pixels  []byte
}

// A Preview is a small picture of an image.
type Preview struct {
	// RGB has three bytes for each of Width x Height pixels. It is valid until the next call.
	RGB           []byte
	Width, Height int
	// ImageWidth and ImageHeight are the sides of the image, upright; 0 if it failed before they
	// were known.
	ImageWidth, ImageHeight int
}

// NewPreviewer returns a Previewer, which the caller must Close, of pictures whose longest
// side has at most so many pixels. Images are turned upright, unless ignoreOrientation is
// set, as in a Spec. A camera's raw file shows its preview.
func NewPreviewer(side int, ignoreOrientation bool, opt Options) (*Previewer, error) {
	d, err := NewDecoder(Spec{Width: side, Height: side, Layout: HWC, DType: Uint8, Resize: PillowBicubic,
		Fit: Stretch, IgnoreOrientation: ignoreOrientation, ScaledDecode: true, RawPreview: true}, opt)
	if err != nil {
		return nil, fmt.Errorf("pictures of %d pixels: %w", side, err)
	}
	p := &Previewer{decoder: d, shown: shown{side: side}}
	d.canvas.shown = &p.shown
	return p, nil
}

// Close frees the Previewer's memory. It may be called more than once.
func (p *Previewer) Close() { p.decoder.Close() }

// Preview returns a small picture of the image encoded in src. The aspect is that of the
// image, and no image is enlarged. Its errors are those of DecodeWithin, for which nothing was
// taken; the size of the image may be known all the same.
func (p *Previewer) Preview(ctx context.Context, src []byte) (Preview, error) {
	if p.pixels == nil {
		p.pixels = make([]byte, p.decoder.spec.RowBytes())
	}
	p.shown = shown{side: p.shown.side}
	err := p.decoder.DecodeWithin(ctx, p.pixels, src, 0)
	s := &p.shown
	v := Preview{ImageWidth: s.imageW, ImageHeight: s.imageH}
	if err == nil {
		v.Width, v.Height = s.w, s.h
		v.RGB = p.pixels[:3*s.w*s.h]
	}
	return v, err
}

// Size returns the sides of the image encoded in src, upright, as its headers say. It
// decodes no pixels, and src may be the beginning of an image: where that is too short, it
// fails as a truncated image does.
func (p *Previewer) Size(ctx context.Context, src []byte) (width, height int, err error) {
	if p.pixels == nil {
		p.pixels = make([]byte, p.decoder.spec.RowBytes())
	}
	p.shown = shown{side: p.shown.side, measure: true}
	if err = p.decoder.DecodeWithin(ctx, p.pixels, src, 0); errors.Is(err, errMeasured) {
		return p.shown.imageW, p.shown.imageH, nil
	}
	return 0, 0, err
}

// errMeasured is the error of a decode whose size only was wanted, and measuredSize what ends it.
var errMeasured = errors.New("measured")

type measuredSize struct{}

// shown is how the canvas of a Previewer shows its image.
type shown struct {
	side    int  // of the longest side, at most
	measure bool // only the size is wanted

	imageW, imageH, w, h int // of the image that was prepared last, upright
}

// prepare notes an image, and returns the size at which it is shown, upright.
func (s *shown) prepare(width, height int, o codec.Orientation) (w, h int) {
	s.w, s.h, s.imageW, s.imageH = s.size(width, height, o)
	if s.measure {
		panic(measuredSize{})
	}
	return s.w, s.h
}

// size returns the size at which an image of that many stored pixels is shown, and its own,
// both upright.
func (s *shown) size(width, height int, o codec.Orientation) (w, h, imageW, imageH int) {
	if transpose, _, _ := o.Turn(); transpose {
		width, height = height, width
	}
	w, h = width, height
	if long := max(w, h); long > s.side {
		scaled := func(n int) int { return max(1, (n*s.side+long/2)/long) }
		w, h = scaled(w), scaled(h)
	}
	return w, h, width, height
}
