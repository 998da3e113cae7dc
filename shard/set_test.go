package shard

import "testing"

func TestSet(t *testing.T) {
	s := NewSet(130)
	for i := range 130 {
		if s.All() || s.Has(i) || s.Count() != i || !s.Add(i) || s.Add(i) || !s.Has(i) {
			t.Fatalf("at %d: %+v", i, s)
		}
	}
	if !s.All() || !NewSet(0).All() {
		t.Error("a full set is not full")
	}
	defer func() {
		if recover() == nil {
			t.Error("130 went into the set of numbers below 130")
		}
	}()
	s.Add(130)
}
