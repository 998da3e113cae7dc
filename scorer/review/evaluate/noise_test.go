package evaluate

import (
	"math/rand/v2"
	"testing"
)

// TestNoise: of pairs of samples of one distribution, about one in twenty has an index above its
// noise, whether there are few images or many; and two distributions that differ are told apart as
// soon as there are enough images.
func TestNoise(t *testing.T) {
	t.Parallel()
	skewed := []int{0, 0, 0, 1, 1, 1, 2, 1, 2, 2, 1, 2, 2, 2, 3, 3, 3, 5, 8, 40} // as scores are
	labels := []int{60, 30, 8, 2}
	other := []int{30, 60, 8, 2}
	random := rand.New(rand.NewPCG(3, 4))
	sample := func(of []int, n int) []int {
		sum, counts := 0, make([]int, len(of))
		for _, k := range of {
			sum += k
		}
		for range n {
			at := random.IntN(sum)
			i := 0
			for ; at >= of[i]; i++ {
				at -= of[i]
			}
			counts[i]++
		}
		return counts
	}
	const pairs = 60
	for _, of := range [][]int{skewed, labels} {
		for _, n := range [][2]int{{20, 20}, {37, 37}, {100, 100}, {37, 3000}} {
			above := 0
			for range pairs {
				d := distance(sample(of, n[0]), sample(of, n[1]))
				if d.Told() {
					above++
				}
			}
			if share := float64(above) / pairs; share > 0.16 {
				t.Errorf("of %v images each, %.0f%% of the pairs are above their noise", n, 100*share)
			}
		}
	}
	for n, want := range map[int]bool{5: false, 300: true, 5000: true} {
		if d := distance(sample(labels, n), sample(other, n)); d.Told() != want || want && d.PSI < 0.2 {
			t.Errorf("%d images each of two distributions: %+v", n, d)
		}
	}
	last := Value(1e9)
	for _, n := range []int{37, 100, 500, 5000, 1000000} {
		var counts []int
		for _, k := range skewed {
			counts = append(counts, k*n/80)
		}
		d := distance(counts, counts)
		t.Logf("%d images: noise %.4f", n, float64(d.Noise))
		if d.Noise >= last || d.Noise <= 0 || d.Told() || d.Noise != distance(counts, counts).Noise {
			t.Errorf("the noise of %d images is %v, that of fewer %v", n, d.Noise, last)
		}
		last = d.Noise
	}
	if d := distance([]int{0, 0}, []int{1, 0}); d.Noise.Known() {
		t.Errorf("no images: %+v", d)
	}
	many := make([]int, 100_000)
	for i := range many {
		many[i] = 3
	}
	if d := distance(many, many); !(d.Noise > 0) {
		t.Errorf("many labels: %+v", d)
	}
}
