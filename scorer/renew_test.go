package scorer

import (
	"testing"
	"testing/synctest"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// TestRenewalsOfALongLease: whatever its lease, a worker gives signs often enough for
// others to know later when it was at work.
func TestRenewalsOfALongLease(t *testing.T) {
	for _, lease := range []time.Duration{time.Second, time.Minute, 10 * time.Minute, 24 * time.Hour} {
		t.Run(lease.String(), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				st := new(mem.Store)
				claims := claim.New(claim.Config{Store: st, Worker: claim.ThisProcess(shard.World{Size: 1}), Lease: lease, Names: claim.Named})
				if ok, err := claims.TryAcquire(t.Context(), claim.OnChunk(0)); !ok || err != nil {
					t.Fatal(ok, err)
				}
				holds := newHolds(claims)
				holds.add(claim.OnChunk(0), newHold(false))
				r := renewer{claims: claims, holds: holds, lease: lease, log: zerolog.Nop()}
				go r.run(t.Context())
				time.Sleep(5 * time.Minute)
				synctest.Wait()
				var last time.Time
				if err := claim.Times(t.Context(), st, claim.Named, func(at time.Time) {
					if !last.IsZero() && at.Sub(last) > output.SignInterval {
						t.Errorf("%v between two signs, want at most %v", at.Sub(last), output.SignInterval)
					}
					last = at
				}); err != nil || time.Since(last) > output.SignInterval {
					t.Errorf("the last sign is %v old: %v", time.Since(last), err)
				}
			})
		})
	}
}
