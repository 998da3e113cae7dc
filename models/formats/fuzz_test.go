package formats

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// FuzzDescribe recognises any bytes as a model of another tool, and as the files next to
// one. What it says are words and commands for a terminal, in one line.
func FuzzDescribe(f *testing.F) {
	for _, text := range []string{
		"PK\x03\x04", "\x80\x02}q", "\x89HDF\r\n\x1a\n", "\x1f\x8b\x08", "{\"modelTopology\":{}}", "\x02\x00\x00\x00\x00\x00\x00\x00{}", "",
	} {
		f.Add([]byte(text))
	}
	dir := f.TempDir() // for all inputs of a process, one after another
	if err := os.WriteFile(filepath.Join(dir, "model.onnx"), nil, 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		for _, name := range []string{"model.bin", "config.json"} {
			if err := os.WriteFile(filepath.Join(dir, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for _, said := range []string{DescribeFile(filepath.Join(dir, "model.bin")), DescribeFolder(dir)} {
			if strings.ContainsFunc(said, func(r rune) bool { return r < ' ' || r == 0x7f }) {
				t.Errorf("%q has control characters", said)
			}
		}
	})
}
