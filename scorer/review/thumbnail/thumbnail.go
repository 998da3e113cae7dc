package thumbnail

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"image"
	"image/jpeg"
	"runtime"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

var (
	// ErrNoAccess means that the place of the images cannot be read from here. What wraps it
	// says why.
	ErrNoAccess = errors.New("the images cannot be read from here")
	// ErrChanged is the Err of an image that was replaced after it was listed.
	ErrChanged = errors.New("changed since it was listed")
	// ErrGone is the Err of an image that is not there any more.
	ErrGone = errors.New("not there any more")
)

// Sides of thumbnails, in pixels.
const (
	SideSmall = 240  // of a gallery
	SideLarge = 1600 // of one image that is looked at
)

// defaultQuality shows a photograph of SideSmall in some 9 kB.
const defaultQuality = 75

// A Thumb is the small picture of one image.
type Thumb struct {
	JPEG          []byte // nil if Err is set
	Width, Height int    // of the thumbnail, in pixels
	// ImageWidth and ImageHeight are the sides of the image, upright; 0 if they are not known.
	ImageWidth, ImageHeight int
	// Err is why there is no picture: ErrChanged, ErrGone, a *codec.Failure that says what is
	// wrong with the image, or what the store said. It never holds a secret.
	Err error
}

// Options are how thumbnails are made.
type Options struct {
	// Side is the most pixels of the longest side; 0 means SideSmall. An image that is smaller
	// keeps its size.
	Side int
	// Quality is that of JPEG, 1 to 100; 0 means 75.
	Quality int
	// Workers is how many images are read and decoded at once; 0 means twice the processors,
	// between 4 and 32. The memory that decodes take together is that of Decode.Budget, and that
	// of encoded images is bounded besides.
	Workers int
	// Decode has the bounds of the job, and what decodes JPEG.
	Decode preprocess.Options
	// IgnoreOrientation is that of the job's preprocess.Spec.
	IgnoreOrientation bool
	// Progress, if set, is told how many are done, one call at a time.
	Progress func(done, all int)
}

// workers returns how many images are dealt with at once.
func (o *Options) workers() int {
	if o.Workers > 0 {
		return o.Workers
	}
	return min(max(2*runtime.GOMAXPROCS(0), 4), 32)
}

// Make makes the thumbnails of images, each read once and several at the same time, and
// calls fn for each, one call at a time and in any order. What is wrong with one image is in
// its Thumb.
//
// It returns an error that wraps ErrNoAccess, after few calls of the store, if the place cannot
// be read, and the context's error when that ends. fn was not called for every image then.
func Make(ctx context.Context, images store.Store, entries []shard.Entry, opt Options, fn func(i int, t Thumb)) error {
	quality := cmp.Or(opt.Quality, defaultQuality)
	look := func(ctx context.Context, r *reader, p *preprocess.Previewer, e shard.Entry) (t Thumb, err error) {
		err = r.whole(ctx, e, func(src []byte) error {
			v, err := p.Preview(ctx, src)
			t.ImageWidth, t.ImageHeight = v.ImageWidth, v.ImageHeight
			if err != nil {
				return ofDecoder(err)
			}
			t.Width, t.Height = v.Width, v.Height
			t.JPEG, err = encode(v, quality)
			return err
		})
		return t, err
	}
	bad := func(t *Thumb, err error) { t.JPEG, t.Err = nil, err }
	return each(ctx, images, entries, &opt, cmp.Or(opt.Side, SideSmall), look, bad, fn)
}

// encode returns a picture as JPEG.
func encode(v preprocess.Preview, quality int) ([]byte, error) {
	img := image.NewRGBA(image.Rect(0, 0, v.Width, v.Height))
	for i := range v.Width * v.Height {
		p := img.Pix[4*i:][:4]
		copy(p, v.RGB[3*i:][:3])
		p[3] = 0xff
	}
	var b bytes.Buffer
	err := jpeg.Encode(&b, img, &jpeg.Options{Quality: quality})
	return b.Bytes(), err
}

// broken is an error of a decoder that can no longer be used.
type broken struct{ error }

// ofDecoder returns the error of a decoder as it is if it concerns one image alone, or else as
// broken.
func ofDecoder(err error) error {
	if err == nil || errors.As(err, new(*codec.Failure)) || errors.As(err, new(*budget.TooSmall)) {
		return err
	}
	return broken{err}
}

// crashed is an error of an image with which a decoder failed that must not.
type crashed struct{ error }

// unbroken calls look. A panic of it is an error of the one image.
func unbroken[T any](look func() (T, error)) (t T, err error) {
	defer func() {
		if p := recover(); p != nil {
			err = crashed{fmt.Errorf("cannot be shown, which is a mistake in batchscore: %v", p)}
		}
	}()
	return look()
}

// each calls look for each image, several at the same time, and fn for its result, one call at
// a time. An error of look that concerns its image alone goes into the result by bad; any other
// ends it.
func each[T any](ctx context.Context, images store.Store, entries []shard.Entry, opt *Options, side int,
	look func(context.Context, *reader, *preprocess.Previewer, shard.Entry) (T, error), bad func(*T, error), fn func(int, T),
) error {
	r := newReader(images, opt)
	g, ctx := errgroup.WithContext(ctx)
	var mu sync.Mutex
	next, done := 0, 0
	for range min(opt.workers(), len(entries)) {
		g.Go(func() error {
			p, err := preprocess.NewPreviewer(side, opt.IgnoreOrientation, opt.Decode)
			if err != nil {
				return err
			}
			defer func() { p.Close() }()
			for {
				mu.Lock()
				i := next
				next++
				mu.Unlock()
				if i >= len(entries) {
					return nil
				}
				t, err := unbroken(func() (T, error) { return look(ctx, r, p, entries[i]) })
				if errors.As(err, new(crashed)) {
					// Nobody knows in what state the decoder is, so it is not even closed.
					another, failed := preprocess.NewPreviewer(side, opt.IgnoreOrientation, opt.Decode)
					if failed != nil {
						return failed
					}
					p = another
				}
				if err = r.judge(ctx, err); ctx.Err() != nil {
					return ctx.Err()
				}
				if errors.Is(err, ErrNoAccess) || errors.As(err, new(broken)) {
					return err
				}
				if err != nil {
					bad(&t, err)
				}
				mu.Lock()
				done++
				fn(i, t)
				if opt.Progress != nil {
					opt.Progress(done, len(entries))
				}
				mu.Unlock()
			}
		})
	}
	return g.Wait()
}
