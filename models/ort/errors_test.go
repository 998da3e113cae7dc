package ort

import "testing"

func TestShare(t *testing.T) {
	for _, c := range []struct {
		part, whole int64
		want        string
	}{
		{part: 57_400_000, whole: 83_900_000, want: "57 of the 84 MB"},
		{part: 0, whole: 9_999_000_000, want: "0 of the 9999 MB"},
		{part: 1_500_000_000, whole: 42_949_672_960, want: "1.5 of the 42.9 GB"},
	} {
		if got := share(c.part, c.whole); got != c.want {
			t.Errorf("%d of %d: %q, want %q", c.part, c.whole, got, c.want)
		}
	}
}
