package page

import (
	"os"
	"path/filepath"
	"testing"
)

func TestWriteAll(t *testing.T) {
	for name, f := range examples() {
		body := written(t, f)
		if dir := os.Getenv("PAGES"); dir != "" {
			os.WriteFile(filepath.Join(dir, name+".html"), []byte(body), 0o644)
		}
	}
}
