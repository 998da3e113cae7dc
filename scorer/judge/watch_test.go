package judge

import (
	"context"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// watcher returns a watcher of a job of 4,000 images in chunks of 10, of which the first
// half is done.
func watcher(st *mem.Store, stopped func()) *Watcher {
	chunks := shard.Chunks{Entries: 4000, Size: 10}
	done := shard.NewSet(chunks.Count())
	for i := range chunks.Count() / 2 {
		done.Add(i)
	}
	return &Watcher{Store: st, Job: "job", Chunks: chunks, Scope: AllOf(chunks), Worker: claim.Worker{ID: "r00000-a", World: 1}, Default: "10%",
		Counter: NewCounter(Limits{}, "10%", 4000, 1), Past: new(Past), Start: shard.NewSet(chunks.Count()),
		Done: func(context.Context) (*shard.Set, error) { return done, nil }, Stop: func(*Stop, string) { stopped() },
		Often: time.Millisecond, Seldom: time.Millisecond, Log: zerolog.Nop()}
}

func failedRows(n int) []row.Row {
	rows := make([]row.Row, n)
	for i := range rows {
		rows[i] = row.Row{Path: "a.jpg", Status: "corrupt"}
	}
	return rows
}

// TestTheFirstVerdictCounts: a rank with failures pronounces it, and one without obeys. A
// rank that knows it and forgives its status counts only what fails from then on.
func TestTheFirstVerdictCounts(t *testing.T) {
	st, stops := new(mem.Store), 0
	bad := watcher(st, func() { stops++ })
	bad.Counter.Commit(0, failedRows(401))
	bad.Run(t.Context())
	good := watcher(st, func() { stops++ })
	good.Run(t.Context())
	if stops != 2 || good.Past.stops != 1 {
		t.Errorf("%d of 2 ranks stopped, after %d verdicts, want 1", stops, good.Past.stops)
	}
	again := watcher(st, func() { t.Error("stopped for what is forgiven") })
	again.Worker.ID, again.Forgiven = "r00000-b", row.Selection{row.AnyFailure}
	if err := again.Past.Look(t.Context(), st, "job", true); err != nil {
		t.Fatal(err)
	}
	again.begin()
	again.Counter.Commit(0, failedRows(300))
	tally, suspicious := again.Counter.tally()
	if over, err := again.look(t.Context(), tally, suspicious); over || err != nil || !suspicious {
		t.Errorf("look() = %v, %v, suspicious %v, want that the job continues", over, err, suspicious)
	}
	if n := again.facts().failed["corrupt"]; n != 300 {
		t.Errorf("%d failures count, want the new 300", n)
	}
}
