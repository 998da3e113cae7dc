package models

import (
	"errors"
	"fmt"
	"testing"
)

func TestInParts(t *testing.T) {
	broken := errors.New("broken")
	for _, c := range []struct {
		name   string
		size   int
		fits   int
		other  error // of what does not fit, if it is not ErrOutOfMemory
		parts  string
		want   error
		result int
	}{
		{name: "all fit", fits: 10, parts: "[[2 9]]"},
		{name: "three fit", fits: 3, parts: "[[2 9] [2 5] [5 8] [8 9]]", result: 3},
		{name: "one fits", fits: 1, parts: "[[2 9] [2 5] [2 3] [3 4] [4 5] [5 6] [6 7] [7 8] [8 9]]", result: 1},
		{name: "none fits", parts: "[[2 9] [2 5] [2 3]]", want: ErrOutOfMemory, result: 1},
		{name: "the device knows that none fits", other: fmt.Errorf("%w: %w", ErrNothingFits, ErrOutOfMemory), parts: "[[2 9]]", want: ErrNothingFits},
		{name: "whole batches do not fit", size: 16, fits: 4, parts: "[[2 9] [2 9] [2 6] [6 9]]", result: 4},
		{name: "another error", other: broken, parts: "[[2 9]]", want: broken},
	} {
		b, parts := &Batch{Size: c.size}, [][2]int{}
		err := b.InParts(2, 9, func(lo, hi int) error {
			parts = append(parts, [2]int{lo, hi})
			switch {
			case hi-lo <= c.fits:
				return nil
			case c.other != nil:
				return c.other
			}
			return ErrOutOfMemory
		})
		if !errors.Is(err, c.want) || fmt.Sprint(parts) != c.parts || b.Size != c.result {
			t.Errorf("%s: %v after %v, size %d; want %v after %s, size %d", c.name, err, parts, b.Size, c.want, c.parts, c.result)
		}
	}
}
