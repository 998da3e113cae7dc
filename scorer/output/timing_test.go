package output

import (
	"math"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
)

// TestWorkedTimeLeavesOutPauses: hours between two starts count in the makespan only.
func TestWorkedTimeLeavesOutPauses(t *testing.T) {
	for _, tt := range []struct {
		name   string
		chunk  time.Duration // how long a chunk takes
		killed bool          // says that the first worker left no summary
		none   bool          // says that it had no part either
		want   float64       // 0 if that cannot be known
	}{
		{name: "stopped", chunk: 4 * time.Second, killed: false, want: 10 + 5},
		{name: "killed", chunk: 6 * time.Minute, killed: true, want: 720 + 5},
		{name: "killed soon", chunk: 4 * time.Second, killed: true, want: 0},
		{name: "killed in a long chunk", chunk: 100 * time.Second, killed: true, want: 0},
		{name: "killed before the first part", chunk: 100 * time.Second, killed: true, none: true, want: 0},
		{name: "killed long before the first part", chunk: time.Hour, killed: true, none: true, want: 7200 + 5},
	} {
		t.Run(tt.name, func(t *testing.T) {
			clk := newClock()
			st := clk.store()
			r := begin(t, st, testJob(row.JSONL), numbered(24))
			first := elsewhere(0)
			claims, start := claimsOf(st, first, clk), clk.now
			for chunk := range 2 {
				if _, err := claims.TryAcquire(t.Context(), claim.OnChunk(chunk)); err != nil {
					t.Fatal(err)
				}
				for range tt.chunk / (2 * time.Second) {
					clk.now = clk.now.Add(2 * time.Second)
					if _, err := claims.Renew(t.Context(), claim.OnChunk(chunk)); err != nil {
						t.Fatal(err)
					}
				}
				if !tt.none {
					r.commit(t, chunk)
				}
			}
			if !tt.killed {
				writeSummary(t, st, WorkerSummary{Worker: first, Started: start, Seconds: 10, End: "stopped"})
			}
			clk.now = clk.now.Add(time.Hour)
			start = clk.now
			clk.now = clk.now.Add(5 * time.Second)
			for chunk := range 3 {
				if tt.none || chunk == 2 {
					r.commit(t, chunk)
				}
			}
			for _, rank := range []int{1, 2} { // at the same time
				w := WorkerSummary{Worker: elsewhere(rank), Started: start, Seconds: 5, Images: 8, Scored: 8 + 3*(rank-1), End: "done"}
				writeSummary(t, st, w)
			}
			s := r.finish(t)
			makespan, rate := 2*tt.chunk.Seconds()+3600+5, 0.
			if tt.want > 0 {
				rate = 24 / tt.want
			}
			if math.Abs(s.WorkedSeconds-tt.want) > 1e-6 || s.MakespanSeconds != makespan || s.ScoredTwice != 3 ||
				math.Abs(s.WorkedImagesPerSecond-rate) > 1e-6 || math.Abs(s.ImagesPerSecond-24/makespan) > 1e-6 {
				t.Errorf("%+v, want %v s of work", s, tt.want)
			}
		})
	}
}

// TestScoredTwiceCountsLateWorkers: the worker that lost a race may end after _SUCCESS
// was written.
func TestScoredTwiceCountsLateWorkers(t *testing.T) {
	clk := newClock()
	st := clk.store()
	r := complete(t, st, testJob(row.JSONL), 20)
	s := r.finish(t)
	writeSummary(t, st, WorkerSummary{Worker: elsewhere(3), Images: 4, Scored: 12, End: "done"})
	// A worker that was stopped scored images that others had to score again.
	writeSummary(t, st, WorkerSummary{Worker: elsewhere(4), Images: 4, Scored: 12, End: "stopped"})
	if err := s.CountWorkers(t.Context(), st); err != nil || s.ScoredTwice != 8 {
		t.Errorf("CountWorkers() = %v, %d images, want 8", err, s.ScoredTwice)
	}
}
