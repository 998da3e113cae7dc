// Package fetched helps tests that need files that "make deps" fetches.
package fetched

import (
	"cmp"
	"os"
	"path/filepath"
	"testing"
)

// Path returns where "make deps" puts a file or a folder, for a test in a folder of
// models/.
func Path(elem ...string) string {
	cache := cmp.Or(os.Getenv("BATCHSCORE_CACHE"), filepath.Join("..", "..", ".cache"))
	return filepath.Join(append([]string{cache}, elem...)...)
}

// Need skips the test, or fails it in CI, if err is not nil.
func Need(t testing.TB, err error) {
	t.Helper()
	NeedFrom(t, "make deps", err)
}

// NeedFrom is Need for what another command fetches.
func NeedFrom(t testing.TB, command string, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatal(err)
	}
	t.Skipf("%v (run %q)", err, command)
}
