package models

import (
	"cmp"
	"errors"
)

// TooLarge reports whether an error says that a batch did not fit on the device, and that
// a smaller one may.
func TooLarge(err error) bool {
	return errors.Is(err, ErrOutOfMemory) && !errors.Is(err, ErrNothingFits)
}

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
		case size > 1 && TooLarge(err):
			size /= 2
			b.Size = size
		default:
			return err
		}
	}
	return nil
}
