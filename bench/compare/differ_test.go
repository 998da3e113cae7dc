package compare

import "testing"

// TestMayDiffer: few samples cannot show a difference, however large it is.
func TestMayDiffer(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		n, m int
		want bool
	}{
		{n: 0, m: 6}, {n: 1, m: 1}, {n: 2, m: 2}, {n: 3, m: 3}, {n: 1, m: 30},
		{n: 4, m: 4, want: true},
		{n: 3, m: 5, want: true},
		{n: 6, m: 6, want: true},
		{n: 2, m: 9, want: true},
	} {
		if got := mayDiffer(test.n, test.m); got != test.want {
			t.Errorf("mayDiffer(%d, %d) = %v, want %v", test.n, test.m, got, test.want)
		}
	}
}
