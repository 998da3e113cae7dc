package measure

import (
	"fmt"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/orttest"
)

func tiny(t *testing.T) *models.Model {
	t.Helper()
	m, err := models.Open(graphtest.Write(t, graphtest.Options{Work: 1}), models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func TestInferSweeps(t *testing.T) {
	const work = 1000
	samples, err := Infer(t.Context(), InferOptions{
		Model: tiny(t), Engine: orttest.Options(t),
		Sessions: []int{1, 2}, Threads: []int{1, 2}, Batches: []int{1, 3},
		MultiplyAdds: work, Rounds: 2, Least: time.Millisecond,
	})
	if err != nil {
		t.Fatal(err)
	}
	points := map[string]int{}
	for _, s := range samples {
		points[fmt.Sprint(s.Name, s.Keys)]++
		if s.Name == "Peak" {
			// From an old core under emulation to a large server.
			if peak := s.Values[0].Value; peak < 1e7 || peak > 1e15 {
				t.Errorf("a peak of %g multiply-adds per second, want a plausible one", peak)
			}
			continue
		}
		if rate, macs, share := s.Values[0].Value, s.Values[1].Value, s.Values[2].Value; rate <= 0 || macs != rate*work || share <= 0 {
			t.Errorf("sample %v, want a rate, its multiply-adds and a share", s)
		}
	}
	if len(points) != 9 || len(samples) != 18 {
		t.Errorf("%d samples of %d points, want 18 of 9: %v", len(samples), len(points), points)
	}
}

// TestInferChoosesPoints leaves the points to the device.
func TestInferChoosesPoints(t *testing.T) {
	samples, err := Infer(t.Context(), InferOptions{Model: tiny(t), Engine: orttest.Options(t), Cores: 2, Rounds: 1, Least: time.Microsecond})
	if err != nil {
		t.Fatal(err)
	}
	// 1 and 2 sessions, 1 and 2 threads, 3 batch sizes, and the peak.
	if len(samples) != 13 {
		t.Errorf("%d samples, want 13: %v", len(samples), samples)
	}
	var o InferOptions
	if o.complete(true); len(o.Threads) != 1 || len(o.Sessions) != 2 || len(o.Batches) != 3 {
		t.Errorf("on a GPU: %+v, want no choice of threads", o)
	}
}
