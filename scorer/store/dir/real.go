package dir

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
)

// Real returns the path that a path leads to by links. What does not exist at its end stays as it
// is; a link that leads nowhere is an error.
func (s *Store) Real(path string) (string, error) {
	real, err := filepath.EvalSymlinks(path)
	if err == nil {
		return real, nil
	}
	if !errors.Is(err, fs.ErrNotExist) {
		return "", fmt.Errorf("follow the links of %s: %w", path, err)
	}
	if _, err := os.Lstat(path); err == nil {
		return "", fmt.Errorf("%s is a link that leads nowhere", path)
	}
	above := filepath.Dir(path)
	if above == path {
		return path, nil
	}
	if above, err = s.Real(above); err != nil {
		return "", err
	}
	return filepath.Join(above, filepath.Base(path)), nil
}
