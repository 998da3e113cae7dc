package choose

import (
	"encoding/hex"
	"math/rand/v2"
	"slices"
	"testing"
)

// TestFirst: the first N in order, from elements in any order; 0 keeps all.
func TestFirst(t *testing.T) {
	all := rand.New(rand.NewPCG(1, 2)).Perm(1000)
	for _, n := range []int{0, 1, 7, 1000, 2000} {
		f := First[int]{N: n, Less: func(a, b int) bool { return a < b }}
		for _, v := range all {
			took := f.Takes(v)
			was := slices.Clone(f.Items)
			f.Add(v)
			if took == slices.Equal(was, f.Items) {
				t.Fatalf("N = %d: Takes(%d) is %v, and Add changed that", n, v, took)
			}
		}
		want := min(n, len(all))
		if n == 0 {
			want = len(all)
		}
		got := f.Sorted()
		if len(got) != want {
			t.Fatalf("N = %d keeps %d", n, len(got))
		}
		for i, v := range got {
			if v != i {
				t.Fatalf("N = %d: element %d is %d", n, i, v)
			}
		}
	}
}

// TestHash: samples are the same in every release.
func TestHash(t *testing.T) {
	sum := Hash("cats/1.jpg", 7)
	if got, want := hex.EncodeToString(sum[:4]), "31b4569b"; got != want {
		t.Errorf("the hash begins with %s, want %s", got, want)
	}
}
