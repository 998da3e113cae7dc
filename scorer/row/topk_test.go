package row

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"
)

func TestBestAgreesWithASort(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 2))
	for range 500 {
		scores := make([]float32, 1+rng.IntN(40))
		for i := range scores {
			scores[i] = float32(rng.IntN(8)) / 8 // many ties
		}
		ids := make([]int, len(scores))
		for i := range ids {
			ids[i] = i
		}
		sort.SliceStable(ids, func(a, b int) bool { return scores[ids[a]] > scores[ids[b]] })
		got := make([]Class, 1+rng.IntN(len(scores)))
		best(got, scores, []string{"zero"})
		for i, c := range got {
			want := Class{ClassID: ids[i], Score: scores[ids[i]]}
			if want.ClassID == 0 {
				want.Label = "zero"
			}
			if c != want {
				t.Fatalf("best() of %v: place %d is %+v, want %+v", scores, i, c, want)
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	x := []float32{1000, 1001, 1002} // overflows without the shift
	softmax(x)
	for i, want := range []float64{0.09003057, 0.24472847, 0.66524096} {
		if math.Abs(float64(x[i])-want) > 1e-6 {
			t.Errorf("softmax()[%d] = %v, want %v", i, x[i], want)
		}
	}
}

func TestAllFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
		if AllFinite([]float32{0, bad}) {
			t.Errorf("AllFinite(0, %v) = true, want false", bad)
		}
	}
	if !AllFinite([]float32{0, -1e38, math.MaxFloat32}) {
		t.Error("AllFinite() of numbers = false, want true")
	}
}
