package tune

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Cached returns the choice that was kept in a folder under a key, or measures
// and keeps it. kept says which. The key is all that the choice depends on. A
// cache that cannot be read or written is no reason to fail: the error then is
// unkept, and the choice is good.
func Cached(folder string, key []string, measure func() (Choice, error)) (c Choice, kept bool, unkept, err error) {
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	file := filepath.Join(folder, "tune-"+hex.EncodeToString(sum[:12])+".json")
	text, readErr := os.ReadFile(file)
	if readErr == nil {
		if json.Unmarshal(text, &c) == nil && c.Batch > 0 && c.Sessions > 0 && c.Rate > 0 {
			return c, true, nil, nil
		}
	}
	if c, err = measure(); err != nil {
		return c, false, nil, err
	}
	if readErr != nil && !errors.Is(readErr, fs.ErrNotExist) {
		unkept = readErr
	}
	return c, false, errors.Join(unkept, keep(file, c)), nil
}

// keep writes a choice so that another process never sees half of it.
func keep(file string, c Choice) error {
	text, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return err
	}
	return atomicfile.Write(file, 0o600, func(w io.Writer) error {
		_, err := w.Write(text)
		return err
	})
}
