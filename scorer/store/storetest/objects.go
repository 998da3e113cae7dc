package storetest

import (
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

// ObjectNames returns the names of all objects of a store, in the order of its listing.
func ObjectNames(t testing.TB, st store.Store) []string {
	t.Helper()
	var names []string
	if err := st.List(t.Context(), "", func(o store.Object) error {
		names = append(names, o.Name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	return names
}
