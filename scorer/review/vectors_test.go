package review

import (
	"fmt"
	"strings"
	"testing"
)

// TestPaths reads paths again in any order, empty and long ones too.
func TestPaths(t *testing.T) {
	p, err := newPaths()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.close() })
	name := func(i int) string { return strings.Repeat("é", i%40) + fmt.Sprint(i)[i%2:] }
	const n = 2000
	for i := range n {
		if err := p.add(name(i)); err != nil {
			t.Fatal(err)
		}
	}
	if err := p.flush(); err != nil {
		t.Fatal(err)
	}
	for i := n - 1; i >= 0; i-- {
		if got, err := p.at(i); err != nil || got != name(i) {
			t.Fatalf("path %d is %q, %v; want %q", i, got, err, name(i))
		}
	}
	if got, err := p.at(n); err == nil {
		t.Errorf("path %d of %d is %q", n, n, got)
	}
}
