package store_test

import (
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

func TestSubConforms(t *testing.T) {
	t.Run("mem", func(t *testing.T) {
		storetest.Run(t, func(*testing.T) store.Store {
			whole := new(mem.Store)
			whole.Put("beside", nil)
			return store.NewSub(whole, "a/b/")
		})
	})
	t.Run("dir", func(t *testing.T) {
		storetest.Run(t, func(t *testing.T) store.Store {
			whole, err := dir.New(t.TempDir(), dir.Options{})
			if err != nil {
				t.Fatal(err)
			}
			return store.NewSub(whole, "a/b/")
		})
	})
}
