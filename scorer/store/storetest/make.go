package storetest

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var makeTests = []test{{name: "KeepsWhatExists", run: testMake}}

// testMake makes a root that exists, or that the first create makes, whatever it holds.
func testMake(t *testing.T, s store.Store) {
	for _, name := range []string{"a", "b"} {
		if made, err := store.Make(t.Context(), s); made || err != nil {
			t.Errorf("Make of a root that exists = %v, %v; want false and no error", made, err)
		}
		create(t, s, name, []byte("body"))
	}
	if n := len(ObjectNames(t, s)); n != 2 {
		t.Errorf("%d objects, want 2", n)
	}
}

var reachedTests = []test{{name: "SaysHow", run: testReached}}

func testReached(t *testing.T, s store.Store) {
	if how := store.HowReached(t.Context(), s); how == "" || strings.Contains(how, "\n") {
		t.Errorf("HowReached = %q, want one line", how)
	}
}
