package thumbnail

import (
	"context"
	"errors"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// A Size is that of one image, as its headers say.
type Size struct {
	Width, Height int   // upright, in pixels; 0 if Err is set
	Bytes         int64 // encoded
	Err           error // as that of Thumb
}

// The headers of an image are looked for in its first bytes: so many at first, and four
// times as many again and again, up to the most, and then in the whole image. Cameras put up to
// 64 kB of metadata before the size.
const (
	headersFirst = 64 << 10
	headersMost  = 1 << 20
)

// Sizes is Make without pictures. Where the store can read a part of an object, it reads only
// the beginning of most images. An image whose headers are whole has a size, even if its pixels
// are damaged.
func Sizes(ctx context.Context, images store.Store, entries []shard.Entry, opt Options, fn func(i int, s Size)) error {
	return each(ctx, images, entries, &opt, 1, func(ctx context.Context, r *reader, p *preprocess.Previewer, e shard.Entry) (Size, error) {
		s := Size{Bytes: e.Size}
		size := func(src []byte) (err error) {
			s.Width, s.Height, err = p.Size(ctx, src)
			return ofDecoder(err)
		}
		var fail *codec.Failure
		for n := int64(headersFirst); n <= headersMost && n < e.Size; n *= 4 {
			// What fails may only be cut.
			if err := r.part(ctx, e, n, size); !errors.As(err, &fail) {
				return s, err
			}
		}
		err := r.whole(ctx, e, size)
		return s, err
	}, func(s *Size, err error) { s.Width, s.Height, s.Err = 0, 0, err }, fn)
}
