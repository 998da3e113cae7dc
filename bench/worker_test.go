package bench

import (
	"cmp"
	"fmt"
	"os"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

// cache is where "make deps" puts what it fetches.
func cache() string { return cmp.Or(os.Getenv("BATCHSCORE_CACHE"), "../.cache") }

// folder returns the store of a folder.
func folder(b testing.TB, path string) store.Store {
	b.Helper()
	st, err := dir.New(path, dir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return st
}

// imageName returns the name of image i of a generated collection.
func imageName(i int) string { return fmt.Sprintf("%05d.jpg", i) }
