// Package goldentest compares texts with the files of the folder testdata.
package goldentest

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
)

// Update is the flag -update.
var Update = flag.Bool("update", false, "write the golden files and the generated parts of documents again")

// Check fails the test if the text differs from the file. With the flag -update
// it writes the file instead.
func Check(t testing.TB, file, text string) {
	t.Helper()
	path := filepath.Join("testdata", file)
	if *Update {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if text != string(want) {
		t.Errorf("got a text that differs from %s (go test -update writes it):\n%s\nwant\n%s", path, text, want)
	}
}
