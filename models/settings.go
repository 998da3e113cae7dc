package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// ReadSettings reads the file at path, at most limit bytes, and parses it. It
// returns the zero value if there is no such file. Errors begin with what, the
// kind of the file.
func ReadSettings[T any](what, path string, limit int64, parse func(text []byte) (T, error)) (v T, err error) {
	text, err := readSmall(path, limit)
	if errors.Is(err, fs.ErrNotExist) {
		return v, nil
	}
	if err != nil {
		return v, fmt.Errorf("%s: %w", what, err)
	}
	if v, err = parse(text); err != nil {
		return v, fmt.Errorf("%s %s: %w", what, path, err)
	}
	return v, nil
}

// readSmall reads a file of at most limit bytes. A larger one is an error
// wrapping ErrModel.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := atomicfile.OpenRegular(path)
	if errors.Is(err, atomicfile.ErrIrregular) {
		return nil, fmt.Errorf("%w: %w: remove it", ErrModel, err)
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrModel, path, limit)
	}
	return text, nil
}
