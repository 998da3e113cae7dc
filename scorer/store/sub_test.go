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
		storetest.Suite{
			Open: func(*testing.T) store.Store {
				whole := new(mem.Store)
				whole.Put("next", nil)
				return store.NewSub(whole, "a/b/")
			},
			Abilities: []storetest.Ability{storetest.Ranges, storetest.Replaces, storetest.Neighbors},
		}.Run(t)
	})
	t.Run("dir", func(t *testing.T) {
		storetest.Suite{
			Open: func(t *testing.T) store.Store {
				whole, err := dir.New(t.TempDir(), dir.Options{})
				if err != nil {
					t.Fatal(err)
				}
				return store.NewSub(whole, "a/b/")
			},
			Abilities: []storetest.Ability{
				storetest.Ranges, storetest.Naming, storetest.Streams, storetest.Volatile, storetest.Replaces,
				storetest.Neighbors, storetest.Folders,
			},
		}.Run(t)
	})
	t.Run("a store without abilities", func(t *testing.T) {
		storetest.Suite{
			Open: func(*testing.T) store.Store { return store.NewSub(plain{new(mem.Store)}, "a/b/") },
		}.Run(t)
	})
}

// plain hides the abilities of a store.
type plain struct{ store.Store }

func TestPlainConforms(t *testing.T) {
	storetest.Suite{Open: func(*testing.T) store.Store { return plain{new(mem.Store)} }}.Run(t)
}
