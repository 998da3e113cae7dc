package evaluate

import (
	"math"
	"math/rand/v2"
	"strconv"
	"strings"
	"testing"
)

// TestBins: scores at and next to the edges of bins are where the edges say.
func TestBins(t *testing.T) {
	t.Parallel()
	for _, bins := range []int{ReliabilityBins, ScoreBins} {
		for i := range bins {
			at := float32(edge(i, bins))
			for _, s := range []float32{at, math.Nextafter32(at, 2), math.Nextafter32(at, -1), 1, math.Nextafter32(1, 0)} {
				b := BinOf(s, bins)
				if s >= 0 && (float64(s) < edge(b, bins) || float64(s) >= edge(b+1, bins) && s < 1) {
					t.Errorf("%v is in the bin from %v to %v", s, edge(b, bins), edge(b+1, bins))
				}
			}
		}
		if BinOf(1, bins) != bins-1 || BinOf(7, bins) != bins-1 || BinOf(-7, bins) != 0 {
			t.Error("1 and what is outside of 0 to 1 are in the wrong bin")
		}
	}
}

// TestTooManyLabels: labels beyond the limit count in all figures of the whole, and are said.
func TestTooManyLabels(t *testing.T) {
	t.Parallel()
	const most, rows = 100, 1100
	truth, other := Truth{labels: names{most: most}}, Comparison{labels: names{most: most}}
	for i := range rows {
		label := strconv.Itoa(i)
		truth.Add([]string{label}, []Scored{{label, 0.75}})
		other.Add(Answer{OK, label, 0.5}, Answer{OK, label, 0.5})
	}
	truth.Add([]string{"beyond"}, nil)
	truth.Add([]string{"beyond"}, []Scored{{"0", 0.25}})
	r := truth.Result()
	if len(r.Classes) != most || r.Folded.Labels != 1002 || r.Judged != rows+1 || r.Accuracy.Count != rows {
		t.Errorf("%d classes, %d folded, accuracy %+v", len(r.Classes), r.Folded.Labels, r.Accuracy)
	}
	if th := r.Thresholds[3]; th.Score != 0.25 || th.Remain != rows+1 {
		t.Errorf("threshold %+v", th)
	}
	d := other.Drift()
	if len(d.Labels) != most || d.Folded.Labels != 1000 || d.Same != rows || d.Label != (Distance{Noise: d.Label.Noise}) {
		t.Errorf("%d labels, %d folded, %d the same, %+v", len(d.Labels), d.Folded.Labels, d.Same, d.Label)
	}
}

// TestLongLabels: the text of labels is bounded, too.
func TestLongLabels(t *testing.T) {
	t.Parallel()
	var n names
	long := strings.Repeat("x", MaxLabelBytes/4)
	for i := range 5 {
		if got, want := n.number(long[i:]), int32(i); i < 4 && got != want || i == 4 && got != folded {
			t.Errorf("label %d has number %d", i, got)
		}
	}
	if n.number(long) != 0 || n.number("short") != folded {
		t.Error("a label that is there is not found, or one is taken after others were not")
	}
}

// TestTooManyPairs: pairs beyond the limit are counted together.
func TestTooManyPairs(t *testing.T) {
	t.Parallel()
	const most = 1000
	p := pairs{most: most}
	for i := range int32(most + 10) {
		p.add(i, i)
	}
	p.add(0, 0)
	if len(p.counts) != most || p.beyond != 10 || p.counts[[2]int32{0, 0}] != 2 {
		t.Errorf("%d pairs, %d beyond", len(p.counts), p.beyond)
	}
}

// TestMemoryOfScores: scores take at most 5 bytes each, and a block for each class and side.
func TestMemoryOfScores(t *testing.T) {
	t.Parallel()
	const rows, classes = 100_000, 5
	var truth Truth
	for i := range rows {
		truth.Add([]string{"0"}, []Scored{{strconv.Itoa(i % classes), rand.Float32()}})
	}
	bytes := 0
	for i := range truth.classes {
		for _, s := range []*scores{&truth.classes[i].scores.right, &truth.classes[i].scores.wrong} {
			bytes += 24 * cap(s.blocks)
			for _, b := range s.blocks {
				bytes += 4 * cap(b)
			}
		}
	}
	if most := 5*rows + 2*classes*4*block; bytes > most || bytes < 4*rows {
		t.Errorf("%d bytes for %d scores, want at most %d", bytes, rows, most)
	}
}

// TestAlternatives: any of several labels is right, and the first counts if none is.
func TestAlternatives(t *testing.T) {
	t.Parallel()
	var truth Truth
	truth.Add([]string{"a", "b"}, []Scored{{"b", 0.9}, {"c", 0.1}})
	truth.Add([]string{"a", "b"}, []Scored{{"c", 0.9}, {"b", 0.1}})
	r := truth.Result()
	want := map[string][3]int{"a": {1, 0, 0}, "b": {1, 1, 1}, "c": {0, 1, 0}}
	for _, c := range r.Classes {
		if got := [3]int{c.Truth, c.Predicted, c.Correct}; got != want[c.Label] {
			t.Errorf("%s: %v, want %v", c.Label, got, want[c.Label])
		}
	}
	if r.Accuracy.Count != 1 || r.TopK[1].Accuracy.Count != 2 {
		t.Errorf("accuracy %+v, top k %+v", r.Accuracy, r.TopK)
	}
}

// TestMatrix: what is not among the largest labels is in the last row and column.
func TestMatrix(t *testing.T) {
	t.Parallel()
	var truth Truth
	for i := range MatrixLabels + 5 {
		for range 2 + i {
			truth.Add([]string{strconv.Itoa(i)}, []Scored{{strconv.Itoa(i), 1}})
		}
		truth.Add([]string{strconv.Itoa(i)}, []Scored{{"24", 1}})
	}
	m := truth.Result().Confusion.Matrix
	sum := 0
	for _, row := range m.Counts {
		for _, n := range row {
			sum += n
		}
	}
	// Labels 0 to 4 are the smallest ones: 2 to 6 images are right, and one each is not.
	if m.Others != 5 || len(m.Labels) != MatrixLabels || len(m.Counts) != MatrixLabels+1 || m.Labels[0] != "24" ||
		m.Counts[MatrixLabels][MatrixLabels] != 2+3+4+5+6 || m.Counts[MatrixLabels][0] != 5 || sum != truth.judged {
		t.Errorf("matrix %+v of %d images", m, truth.judged)
	}
}

func BenchmarkTruthAdd(b *testing.B) {
	for _, classes := range []int{5, 1000} {
		b.Run(strconv.Itoa(classes), func(b *testing.B) {
			labels := make([][]string, classes)
			for i := range labels {
				labels[i] = []string{strconv.Itoa(i)}
			}
			ranked := make([][]Scored, 4096)
			for i := range ranked {
				for j := range 5 {
					ranked[i] = append(ranked[i], Scored{labels[(i*7+j)%classes][0], rand.Float32()})
				}
			}
			var truth Truth
			b.ReportAllocs()
			i := 0
			for b.Loop() {
				truth.Add(labels[i%classes], ranked[i%len(ranked)])
				i++
			}
		})
	}
}

func BenchmarkComparisonAdd(b *testing.B) {
	var c Comparison
	labels := []string{"a", "b", "c", "d", "e"}
	b.ReportAllocs()
	i := 0
	for b.Loop() {
		c.Add(Answer{OK, labels[i%5], 0.5}, Answer{OK, labels[i%4], 0.75})
		i++
	}
}

// BenchmarkResult finds the figures of a million judged images.
func BenchmarkResult(b *testing.B) {
	for _, classes := range []int{5, 1000} {
		b.Run(strconv.Itoa(classes), func(b *testing.B) {
			var truth Truth
			for i := range 1_000_000 {
				label := strconv.Itoa(i % classes)
				truth.Add([]string{label}, []Scored{{strconv.Itoa((i + i/13%2) % classes), rand.Float32()}})
			}
			b.ReportAllocs()
			for b.Loop() {
				truth.Result()
			}
		})
	}
}
