package weights

import (
	"strings"
	"testing"
)

// TestTorchCopiesAreBounded: a list that is the argument of many calls takes memory for each.
func TestTorchCopiesAreBounded(t *testing.T) {
	const items, calls = 1000, 4000
	pickle := "\x80\x02" + "X\x01\x00\x00\x00aK\x01\x86q\x000" + "]q\x01(" + strings.Repeat("h\x00", items) + "e0" +
		"h\x01\x85q\x020" + "ccollections\nOrderedDict\nq\x030" + strings.Repeat("h\x03h\x02R", calls) + "."
	if _, err := unpickle(strings.NewReader(pickle)); err == nil || !strings.Contains(err.Error(), "calls copy more than") {
		t.Errorf("%d copies of a list of %d pairs: %v", calls, items, err)
	}
	few := strings.Replace(pickle, strings.Repeat("h\x03h\x02R", calls), "h\x03h\x02R", 1)
	if u, err := unpickle(strings.NewReader(few)); err != nil || len(u.result.(*pyDict).pairs) != 2*items {
		t.Errorf("one copy: %v", err)
	}
}
