package models

import (
	"cmp"
	"errors"
)

// InParts scores images lo <= i < hi of the batch with score, in one call or, if a
// device cannot hold that many, in halves, quarters and so on. It sets b.Size to what
// fits.
func (b *Batch) InParts(lo, hi int, score func(lo, hi int) error) error {
	size := cmp.Or(b.Size, hi-lo)
	for lo < hi {
		n := min(hi-lo, size)
		err := score(lo, lo+n)
		switch {
		case err == nil:
			lo += n
		case size > 1 && errors.Is(err, ErrOutOfMemory) && !errors.Is(err, ErrNothingFits):
			size /= 2
			b.Size = size
		default:
			return err
		}
	}
	return nil
}
