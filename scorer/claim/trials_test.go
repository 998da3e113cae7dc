package claim

import (
	"testing"
	"time"
)

// TestTrialOfALivingWorkerIsNoDeath looks at one trial from a worker on another
// machine and from one on the same machine.
func TestTrialOfALivingWorkerIsNoDeath(t *testing.T) {
	clk := newClock()
	st := clk.store()
	trials, err := claimsOf(st, elsewhere(1), Named, clk).ReadTrials(t.Context(), 7)
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

	far := claimsOf(st, elsewhere(2), Named, clk)
	if n := deaths(far); n != 0 {
		t.Errorf("a trial just begun counts as %d deaths, want 0", n)
	}
	clk.advance(trialLeases*lease + time.Second)
	if n := deaths(far); n != 1 {
		t.Errorf("a trial without an end for %d leases counts as %d deaths, want 1", trialLeases, n)
	}

	neighbour := elsewhere(1) // the same machine
	neighbour.ID = "neighbour"
	near := claimsOf(st, neighbour, Named, clk)
	alive := true
	near.running = func(*Worker) bool { return alive }
	if n := deaths(near); n != 0 {
		t.Errorf("the trial of a process that runs counts as %d deaths, want 0", n)
	}
	alive = false
	if n := deaths(near); n != 1 {
		t.Errorf("the trial of a dead process counts as %d deaths, want 1", n)
	}

	if err := trials.Pass(t.Context(), 4, 8); err != nil {
		t.Fatal(err)
	}
	if n := deaths(near) + deaths(far); n != 0 {
		t.Errorf("a trial that was passed counts as %d deaths, want 0", n)
	}
}

// TestFault45_TrialOfTheFuture: the date of a trial's file, which anybody can set, keeps its
// worker alive for no longer than some leases.
func TestFault45_TrialOfTheFuture(t *testing.T) {
	clk := newClock()
	st := clk.store()
	mine := claimsOf(st, elsewhere(1), Named, clk)
	clk.advance(100 * 365 * 24 * time.Hour)
	st.Put(trialFolder+"00007.4.8.x", []byte("x"))
	clk.advance(-100 * 365 * 24 * time.Hour)
	trials, err := mine.ReadTrials(t.Context(), 7)
	if err != nil || trials.Deaths(4, 8) != 1 {
		t.Errorf("a trial of the next century: %+v, %v, want a death", trials, err)
	}
}
