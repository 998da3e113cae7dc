package output

import (
	"testing"
	"time"
)

// TestTrialOfALivingWorkerIsNoDeath looks at one trial through the eyes of a
// worker on another machine and of one on the same.
func TestTrialOfALivingWorkerIsNoDeath(t *testing.T) {
	clk := newClock()
	st := clk.store()
	tried := claimsOf(st, elsewhere(1), clk)
	trials, err := tried.ReadTrials(t.Context(), 7)
	if err != nil {
		t.Fatal(err)
	}
	if err := trials.Begin(t.Context(), 4, 8); err != nil {
		t.Fatal(err)
	}
	deaths := func(c *Claims) int {
		t.Helper()
		trials, err := c.ReadTrials(t.Context(), 7)
		if err != nil {
			t.Fatal(err)
		}
		return trials.Deaths(4, 8)
	}

	far := claimsOf(st, elsewhere(2), clk)
	if n := deaths(far); n != 0 {
		t.Errorf("a trial just begun counts as %d deaths", n)
	}
	clk.now = clk.now.Add(gone*lease + time.Second)
	if n := deaths(far); n != 1 {
		t.Errorf("a trial without an end for %d leases counts as %d deaths, want 1", gone, n)
	}

	neighbour := elsewhere(1) // the same machine
	neighbour.ID = "neighbour"
	near := claimsOf(st, neighbour, clk)
	alive := true
	near.running = func(*Worker) bool { return alive }
	if n := deaths(near); n != 0 {
		t.Errorf("the trial of a process that runs counts as %d deaths", n)
	}
	alive = false
	if n := deaths(near); n != 1 {
		t.Errorf("the trial of a dead process counts as %d deaths, want 1", n)
	}

	if err := trials.Pass(t.Context(), 4, 8); err != nil {
		t.Fatal(err)
	}
	if n := deaths(near) + deaths(far); n != 0 {
		t.Errorf("a trial that was passed counts as %d deaths", n)
	}
}
