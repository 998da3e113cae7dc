package scorer

import (
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestSuspectWhileClaimIsLost: the renewer may lose the claim on a chunk while the
// feeder decides whether to isolate the chunk. The race detector checks it.
func TestSuspectWhileClaimIsLost(t *testing.T) {
	claims := claim.New(claim.Config{Store: new(mem.Store), Worker: claim.Worker{ID: "w", World: 1}, Lease: time.Minute, Names: claim.Named})
	f := &feeder{claims: claims, holds: newHolds(claims)}
	right := claim.OnChunk(0)
	f.holds.add(right, newHold(false))
	var lost sync.WaitGroup
	lost.Go(func() { f.holds.lose(right) })
	if suspect, err := f.suspect(t.Context(), 0); suspect || err != nil {
		t.Errorf("suspect() = %v, %v, want false", suspect, err)
	}
	lost.Wait()
	if !f.holds.racing(right) {
		t.Error("racing() = false after the claim was lost, want true")
	}
}
