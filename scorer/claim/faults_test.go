package claim

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// TestFault01_ClaimOfADeadProcessIsStaleAtOnce: a worker that finds a claim of a
// process that died on this machine need not wait for the lease.
func TestFault01_ClaimOfADeadProcessIsStaleAtOnce(t *testing.T) {
	me := ThisProcess(shard.World{Size: 1})
	if !me.SameMachine(&me) || !me.Running() {
		t.Fatalf("this process does not see itself: %+v", me)
	}
	eachForm(t, func(t *testing.T, names Names) {
		child := exec.Command("sleep", "600")
		if err := child.Start(); err != nil {
			t.Fatal(err)
		}
		owner := me
		owner.ID, owner.PID = "child", child.Process.Pid
		owner.PIDStart, _ = processStart(owner.PID)

		st, err := dir.New(t.TempDir(), dir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		theirs := New(Config{Store: st, Worker: owner, Lease: lease, Names: names})
		mine := New(Config{Store: st, Worker: me, Lease: lease, Names: names})
		for chunk := range 2 {
			if !acquire(t, theirs, OnChunk(chunk)) {
				t.Fatalf("chunk %d was not acquired", chunk)
			}
		}
		if acquire(t, mine, OnChunk(0)) {
			t.Error("taken from a live process")
		}
		if err := child.Process.Kill(); err != nil {
			t.Fatal(err)
		}
		// Until it is waited for, the child is a zombie, which is dead as well.
		for owner.Running() {
			if err := t.Context().Err(); err != nil {
				t.Fatal(err)
			}
		}
		if !acquire(t, mine, OnChunk(0)) {
			t.Error("not taken from a zombie")
		}
		_ = child.Wait() // its error is that it was killed
		if !acquire(t, mine, OnChunk(1)) {
			t.Error("not taken from a dead process")
		}
	})
}

// TestFault02_TheAnswerToAClaimIsLost: a link whose creation succeeded belongs to
// its creator, whatever became of the answer.
func TestFault02_TheAnswerToAClaimIsLost(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		inner := clk.store()
		lossy := &storetest.Faulty{Store: inner, AfterCreate: func(_ int, _ store.Object, err error) error {
			return errors.Join(errLost, err)
		}}
		a := claimsOf(lossy, elsewhere(1), names, clk)
		if !acquire(t, a, OnChunk(0)) || !renew(t, a, OnChunk(0)) {
			t.Error("a claim was lost with the answer")
		}

		// Not even the look afterwards is answered; the next try finds its own.
		blind := &storetest.Faulty{Store: inner, AfterCreate: lossy.AfterCreate}
		blind.BeforeOpen = func(_ context.Context, n int, _ string) error {
			if n == 0 {
				return errLost
			}
			return nil
		}
		b := claimsOf(blind, elsewhere(2), names, clk)
		if ok, err := b.TryAcquire(t.Context(), OnChunk(5)); ok || !errors.Is(err, errLost) {
			t.Errorf("TryAcquire() = %v, %v, want %v", ok, err, errLost)
		}
		blind.AfterCreate = nil
		if !acquire(t, b, OnChunk(5)) || !renew(t, b, OnChunk(5)) {
			t.Error("its own claim was not recognised")
		}

		down := &storetest.Faulty{Store: clk.store(), BeforeCreate: func(context.Context, int, string, []byte) error { return errLost }}
		ok, err := claimsOf(down, elsewhere(1), names, clk).TryAcquire(t.Context(), OnChunk(0))
		if ok || !errors.Is(err, errLost) {
			t.Errorf("a store that is down: TryAcquire() = %v, %v, want %v", ok, err, errLost)
		}
	})
}

// TestFault09_OneThiefTakesOver: of any number of thieves, one takes over a stale
// claim.
func TestFault09_OneThiefTakesOver(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		st := clk.store()
		acquire(t, claimsOf(st, elsewhere(0), names, clk), OnChunk(3))
		clk.advance(2 * lease)
		var winners atomic.Int64
		var group sync.WaitGroup
		start := make(chan struct{})
		for i := range 32 {
			thief := claimsOf(st, elsewhere(i+1), names, clk)
			group.Go(func() {
				<-start
				ok, err := thief.TryAcquire(t.Context(), OnChunk(3))
				if err != nil {
					t.Error(err)
				}
				if ok {
					winners.Add(1)
				}
			})
		}
		close(start)
		group.Wait()
		if n := winners.Load(); n != 1 {
			t.Errorf("%d thieves took it over, want 1", n)
		}
	})
}

// TestFault27_TheMachinesClockDoesNotMatter: a worker's own clock is off by an
// hour, or is set while it runs. It is never read: only the store's clock and the
// monotonic one count. Here these run at their own pace, while time.Now is that
// of the machine, years away.
func TestFault27_TheMachinesClockDoesNotMatter(t *testing.T) {
	for name, storeNow := range map[string]time.Time{
		"store an hour behind":    time.Now().Add(-time.Hour),
		"store an hour ahead":     time.Now().Add(time.Hour),
		"store in another decade": time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		t.Run(name, func(t *testing.T) {
			clk := &fakeClock{storeNow}
			st := clk.store()
			a, b := claimsOf(st, elsewhere(1), Named, clk), claimsOf(st, elsewhere(2), Named, clk)
			if !acquire(t, a, OnChunk(0)) || acquire(t, b, OnChunk(0)) {
				t.Error("a live claim did not hold")
			}
			clk.advance(lease + time.Second)
			if !acquire(t, b, OnChunk(0)) {
				t.Error("a stale claim held")
			}
			if now, err := b.Now(t.Context()); err != nil || !now.Equal(clk.now) {
				t.Errorf("Now() = %v, %v, want the store's %v", now, err, clk.now)
			}
		})
	}
}

// TestFault27_TheStoresClockIsAskedAgain: the store's clock is set while a worker
// runs. What the worker learnt of it is used for at most a quarter of the lease;
// then it is asked again.
func TestFault27_TheStoresClockIsAskedAgain(t *testing.T) {
	clk := newClock()
	st := clk.store()
	var mono time.Duration
	c := New(Config{Store: st, Worker: elsewhere(1), Lease: lease, Monotonic: func() time.Duration { return mono }})
	first, err := c.Now(t.Context())
	if err != nil || !first.Equal(clk.now) {
		t.Fatalf("Now() = %v, %v, want %v", first, err, clk.now)
	}
	mono += lease/4 - 1
	if now, err := c.Now(t.Context()); err != nil || now.Sub(first) != mono {
		t.Errorf("carried forward to %v, %v, want %v more", now, err, mono)
	}
	if n := len(storetest.ObjectNames(t, st)); n != 1 {
		t.Errorf("%d probes, want 1", n)
	}
	clk.advance(-time.Hour)
	mono++
	if now, err := c.Now(t.Context()); err != nil || !now.Equal(clk.now) {
		t.Errorf("Now() = %v, %v, want what the store says now, %v", now, err, clk.now)
	}
	if n := len(storetest.ObjectNames(t, st)); n != 2 {
		t.Errorf("%d probes, want 2", n)
	}
}

// TestFault46_AListingOfAWhileAgo: a machine that mounts a folder may list it without the
// claims that others made since. A claim that it cannot make is found by its name.
func TestFault46_AListingOfAWhileAgo(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		st := clk.store()
		a := claimsOf(st, elsewhere(1), names, clk)
		if !acquire(t, a, OnChunk(0)) || !renew(t, a, OnChunk(0)) {
			t.Fatal("no claim")
		}
		stale := &storetest.Faulty{Store: st, Listed: func(int, store.Object) (int, error) { return 0, nil }}
		b := claimsOf(stale, elsewhere(2), names, clk)
		if acquire(t, b, OnChunk(0)) {
			t.Error("a claim was taken from its owner")
		}
		clk.advance(2 * lease)
		if !acquire(t, b, OnChunk(0)) || renew(t, a, OnChunk(0)) {
			t.Error("a claim that nobody renewed was not taken over")
		}
	})
}
