package scorer

import (
	"math"
	"math/rand/v2"
	"sort"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
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
		got := make([]output.Class, 1+rng.IntN(len(scores)))
		best(got, scores, []string{"zero"})
		for i, c := range got {
			if c.ClassID != ids[i] || c.Score != scores[ids[i]] {
				t.Fatalf("%v: place %d is %+v, want class %d", scores, i, c, ids[i])
			}
			if (c.Label == "zero") != (c.ClassID == 0) {
				t.Fatalf("class %d has label %q", c.ClassID, c.Label)
			}
		}
	}
}

func TestSoftmax(t *testing.T) {
	x := []float32{1000, 1001, 1002} // overflows without the shift
	softmax(x)
	for i, want := range []float64{0.09003057, 0.24472847, 0.66524096} {
		if math.Abs(float64(x[i])-want) > 1e-6 {
			t.Errorf("softmax[%d] = %v, want %v", i, x[i], want)
		}
	}
}

func TestFinite(t *testing.T) {
	inf := float32(math.Inf(1))
	for _, bad := range []float32{float32(math.NaN()), inf, -inf} {
		if finite([]float32{0, bad}) {
			t.Errorf("finite says that %v is", bad)
		}
	}
	if !finite([]float32{0, -1e38, math.MaxFloat32}) {
		t.Error("finite denies numbers")
	}
}
