package thumbnail

import (
	"context"
	"errors"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

var (
	// ErrNoAccess means that the place of the images cannot be read from here. What wraps it
	// says why.
	ErrNoAccess = errors.New("the images cannot be read from here")
	// ErrChanged is the Err of an image that was replaced after it was scored.
	ErrChanged = errors.New("changed since it was scored")
	// ErrGone is the Err of an image that is not there any more.
	ErrGone = errors.New("not there any more")
)

// Sides of thumbnails, in pixels.
const (
	SideSmall = 160  // of a gallery
	SideLarge = 1600 // of one image that is looked at
)

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
	// between 4 and 32. The memory that decodes take together is that of Decode.Budget.
	Workers int
	// Decode has the bounds of the job, and what decodes JPEG.
	Decode preprocess.Options
	// IgnoreOrientation is that of the job's preprocess.Spec.
	IgnoreOrientation bool
	// Progress, if set, is told how many are done, one call at a time.
	Progress func(done, all int)
}

// Make makes the thumbnails of images, each read once and several at the same time, and
// calls fn for each, one call at a time and in any order. What is wrong with one image is in its Thumb.
//
// It returns an error that wraps ErrNoAccess, after few calls of the store, if the place cannot
// be read, and the context's error when that ends. fn was not called for every image then.
func Make(ctx context.Context, images store.Store, entries []shard.Entry, opt Options, fn func(i int, t Thumb)) error {
	return errors.New("thumbnail: not built yet")
}

// A Size is that of one image, as its headers say.
type Size struct {
	Width, Height int   // upright, in pixels; 0 if Err is set
	Bytes         int64 // encoded
	Err           error // as that of Thumb
}

// Sizes is Make without pictures: it reads only the headers of images, where the store can
// read a part of an object.
func Sizes(ctx context.Context, images store.Store, entries []shard.Entry, opt Options, fn func(i int, s Size)) error {
	return errors.New("thumbnail: not built yet")
}
