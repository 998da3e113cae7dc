package models

import (
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// Save writes a model file so that it appears under its name whole or not at
// all. It replaces a file of that name, and makes the folder if necessary.
func Save(path string, write func(io.Writer) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
		return fmt.Errorf("save model: %w", err)
	}
	return atomicfile.Write(path, 0o666, write)
}
