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

// mostKept is more bytes than a stored choice has.
const mostKept = 1 << 16

func read(file string) ([]byte, error) {
	f, err := atomicfile.OpenRegular(file)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, mostKept))
}

// Cached returns the choice that was stored in a folder under a key. If there is
// none, it measures and stores the choice; kept reports which it did. The key is
// everything that the choice depends on. If the cache cannot be read or written,
// the choice is valid all the same, and unkept is the error.
func Cached(folder string, key []string, measure func() (Choice, error)) (c Choice, kept bool, unkept, err error) {
	sum := sha256.Sum256([]byte(strings.Join(key, "\x00")))
	file := filepath.Join(folder, "tune-"+hex.EncodeToString(sum[:12])+".json")
	text, readErr := read(file)
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

// keep writes a choice in such a way that no other process ever sees half of it.
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
