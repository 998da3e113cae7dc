package storetest

import (
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var meterTests = []test{{name: "Counts", run: testMeter}}

func testMeter(t *testing.T, s store.Store) {
	before, ok := store.StatsOf(s)
	if !ok {
		t.Fatal("the store has no statistics")
	}
	create(t, s, "a", []byte("body"))
	r, _, err := s.Open(t.Context(), "a", "")
	if err != nil {
		t.Fatal(err)
	}
	open, _ := store.StatsOf(s)
	r.Close()
	after, _ := store.StatsOf(s)
	if before.Calls != 0 || after.Calls < 2 || after.Calls-after.Retries != 2 {
		t.Errorf("%d calls before; %d calls and %d retries after a create and an open", before.Calls, after.Calls, after.Retries)
	}
	if open.UnderWay != 1 || after.UnderWay != 0 || after.Limit < 1 {
		t.Errorf("%d calls under way while a body was open, then %d, at most %d; want 1, 0, and a limit", open.UnderWay, after.UnderWay, after.Limit)
	}
	if after.GaveUp != 0 {
		t.Errorf("%d operations gave up, want none", after.GaveUp)
	}
}
