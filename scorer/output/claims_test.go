package output

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

const lease = time.Minute

// elsewhere is a worker on a machine of its own.
func elsewhere(n int) Worker {
	return Worker{
		ID:           fmt.Sprint("w", n),
		Host:         fmt.Sprint("host", n),
		BootID:       fmt.Sprint("boot", n),
		PIDNamespace: "pid:[1]",
		PID:          100,
		PIDStart:     7,
		Rank:         n,
		World:        8,
	}
}

// claimsOf are claims whose monotonic clock goes with that of the store.
func claimsOf(st store.Store, w Worker, c *clock) *Claims {
	claims := NewClaims(st, w, lease)
	origin := c.now
	claims.monotonic = func() time.Duration { return c.now.Sub(origin) }
	return claims
}

func acquire(t *testing.T, c *Claims, chunk int) bool {
	t.Helper()
	ok, err := c.TryAcquire(t.Context(), chunk)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func renew(t *testing.T, c *Claims, chunk int) bool {
	t.Helper()
	ok, err := c.Renew(t.Context(), chunk)
	if err != nil {
		t.Fatal(err)
	}
	return ok
}

func TestClaimIsExclusiveUntilTheLeaseEnds(t *testing.T) {
	clk := newClock()
	st := clk.store()
	a, b := claimsOf(st, elsewhere(1), clk), claimsOf(st, elsewhere(2), clk)
	for range 2 { // to claim again what is held changes nothing
		if !acquire(t, a, 7) {
			t.Fatal("a chunk of nobody's was not to be had")
		}
	}
	if acquire(t, b, 7) {
		t.Fatal("two hold one chunk")
	}
	for range 10 { // far beyond the first lease, renewed all along
		clk.now = clk.now.Add(lease / 2)
		if !renew(t, a, 7) || acquire(t, b, 7) {
			t.Fatal("a renewed claim was lost")
		}
	}
	clk.now = clk.now.Add(lease)
	if acquire(t, b, 7) {
		t.Fatal("taken over at the very end of the lease")
	}
	clk.now = clk.now.Add(time.Nanosecond)
	if !acquire(t, b, 7) {
		t.Fatal("a stale claim was not taken over")
	}
	for range 2 {
		if renew(t, a, 7) {
			t.Error("the old holder renewed what was taken from it")
		}
	}
	if acquire(t, a, 7) {
		t.Error("the old holder took it back from a live one")
	}
	if !renew(t, b, 7) {
		t.Error("the new holder cannot renew")
	}
}

func TestLateRenewalHoldsIfNobodyWasFaster(t *testing.T) {
	clk := newClock()
	st := clk.store()
	a, b := claimsOf(st, elsewhere(1), clk), claimsOf(st, elsewhere(2), clk)
	acquire(t, a, 0)
	clk.now = clk.now.Add(10 * lease)
	if !renew(t, a, 0) || acquire(t, b, 0) {
		t.Error("a late renewal does not count")
	}
}

// A crash of the machine may empty a claim, or damage it.
func TestClaimThatCannotBeReadIsJudgedByItsAge(t *testing.T) {
	for _, left := range []string{"", "{", `{"chunk":1,"generation":0,"released":true}`} {
		clk := newClock()
		st := clk.store()
		if _, err := st.Create(t.Context(), linkName(7, 0), []byte(left)); err != nil {
			t.Fatal(err)
		}
		c := claimsOf(st, elsewhere(1), clk)
		clk.now = clk.now.Add(lease)
		if acquire(t, c, 7) {
			t.Errorf("%q: taken over within the lease", left)
		}
		clk.now = clk.now.Add(time.Nanosecond)
		if !acquire(t, c, 7) {
			t.Errorf("%q: not to be had after the lease", left)
		}
		if n, err := c.Deaths(t.Context(), 7); n != 1 || err != nil {
			t.Errorf("%q: %d deaths, %v, want 1", left, n, err)
		}
	}
}

func TestReleasedChunkIsFreeAtOnce(t *testing.T) {
	clk := newClock()
	st := clk.store()
	a, b := claimsOf(st, elsewhere(1), clk), claimsOf(st, elsewhere(2), clk)
	acquire(t, a, 0)
	if err := a.Release(t.Context(), 0); err != nil {
		t.Fatal(err)
	}
	if !acquire(t, b, 0) || acquire(t, a, 0) {
		t.Error("a released chunk was not free, or free for two")
	}
	if err := a.Release(t.Context(), 0); err != nil {
		t.Errorf("release of what is not held: %v", err)
	}
	if acquire(t, a, 0) {
		t.Error("releasing what is not held set it free")
	}
}

// Row 1: whoever finds a claim of a process that died on this machine need not
// wait for the lease.
func TestFault01_ClaimOfADeadProcessIsStaleAtOnce(t *testing.T) {
	me := ThisProcess(shard.World{Size: 1})
	if !me.sameMachine(&me) || !running(&me) {
		t.Fatalf("this process does not see itself: %+v", me)
	}
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
	theirs, mine := NewClaims(st, owner, lease), NewClaims(st, me, lease)
	for chunk := range 2 {
		if !acquire(t, theirs, chunk) {
			t.Fatal("not acquired")
		}
	}
	if acquire(t, mine, 0) {
		t.Error("taken from a live process")
	}
	if err := child.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	// Until it is waited for, the child is a zombie, which is dead as well.
	for running(&owner) {
		if err := t.Context().Err(); err != nil {
			t.Fatal(err)
		}
	}
	if !acquire(t, mine, 0) {
		t.Error("not taken from a zombie")
	}
	_ = child.Wait() // it was killed, and that is what Wait says
	if !acquire(t, mine, 1) {
		t.Error("not taken from a dead process")
	}
}

func TestProcessNumberUsedAgainIsNotTheOwner(t *testing.T) {
	me := ThisProcess(shard.World{Size: 1})
	before := me
	before.ID, before.PIDStart = "before", me.PIDStart-1
	if running(&before) {
		t.Error("a process that started later passes for the owner")
	}
	for name, change := range map[string]func(*Worker){
		"host": func(w *Worker) { w.Host = "other" }, "boot": func(w *Worker) { w.BootID = "other" },
		"namespace": func(w *Worker) { w.PIDNamespace = "other" }, "unknown boot": func(w *Worker) { w.BootID = "" },
		"unknown start": func(w *Worker) { w.PIDStart = 0 },
	} {
		other := me
		change(&other)
		if other.sameMachine(&me) || me.sameMachine(&other) {
			t.Errorf("%s: its processes cannot be told from here", name)
		}
	}
	if pid := os.Getpid(); me.PID != pid || me.Rank != 0 || me.World != 1 {
		t.Errorf("%+v", me)
	}
	if a, b := ThisProcess(shard.World{}), ThisProcess(shard.World{}); a.ID == b.ID || fileSafe(a.ID) != a.ID {
		t.Errorf("IDs %q and %q", a.ID, b.ID)
	}
}

// Of any number of thieves, one takes over a stale claim.
func TestFault09_OneThiefTakesOver(t *testing.T) {
	clk := newClock()
	st := clk.store()
	acquire(t, claimsOf(st, elsewhere(0), clk), 3)
	clk.now = clk.now.Add(2 * lease)
	var winners atomic.Int64
	var group sync.WaitGroup
	start := make(chan struct{})
	for i := range 32 {
		thief := claimsOf(st, elsewhere(i+1), clk)
		group.Go(func() {
			<-start
			ok, err := thief.TryAcquire(t.Context(), 3)
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
		t.Errorf("%d thieves took it over", n)
	}
}

// Row 27: a worker's own clock is off by an hour, or is set in mid-run. It is
// never asked: only the store's clock and the monotonic one count, which here
// run at their own pace while time.Now is that of the machine, years away.
func TestFault27_TheMachinesClockDoesNotMatter(t *testing.T) {
	for name, storeNow := range map[string]time.Time{
		"store an hour behind":    time.Now().Add(-time.Hour),
		"store an hour ahead":     time.Now().Add(time.Hour),
		"store in another decade": time.Date(1999, 1, 1, 0, 0, 0, 0, time.UTC),
	} {
		clk := &clock{storeNow}
		st := clk.store()
		a, b := claimsOf(st, elsewhere(1), clk), claimsOf(st, elsewhere(2), clk)
		if !acquire(t, a, 0) || acquire(t, b, 0) {
			t.Errorf("%s: a live claim did not hold", name)
		}
		clk.now = clk.now.Add(lease + time.Second)
		if !acquire(t, b, 0) {
			t.Errorf("%s: a stale claim held", name)
		}
		now, err := b.Now(t.Context())
		if err != nil || !now.Equal(clk.now) {
			t.Errorf("%s: the time is %v, %v, the store says %v", name, now, err, clk.now)
		}
	}
}

// Row 27, the other way: the store's clock is set in mid-run. What was learnt
// of it is used for a quarter of the lease at most; afterwards it is asked
// again.
func TestFault27_TheStoresClockIsAskedAgain(t *testing.T) {
	clk := newClock()
	st := clk.store()
	c := NewClaims(st, elsewhere(1), lease)
	var mono time.Duration
	c.monotonic = func() time.Duration { return mono }
	first, err := c.Now(t.Context())
	if err != nil || !first.Equal(clk.now) {
		t.Fatalf("%v, %v", first, err)
	}
	mono += lease/4 - 1
	if now, err := c.Now(t.Context()); err != nil || now.Sub(first) != mono {
		t.Errorf("carried forward to %v, %v", now, err)
	}
	if n := len(objects(t, st)); n != 1 {
		t.Errorf("%d probes", n)
	}
	clk.now = clk.now.Add(-time.Hour)
	mono++
	if now, err := c.Now(t.Context()); err != nil || !now.Equal(clk.now) {
		t.Errorf("%v, %v, want what the store says now, %v", now, err, clk.now)
	}
	if n := len(objects(t, st)); n != 2 {
		t.Errorf("%d probes", n)
	}
}

func TestScan(t *testing.T) {
	clk := newClock()
	st := clk.store()
	me := claimsOf(st, elsewhere(9), clk)
	if claims, err := me.Scan(t.Context(), nil); err != nil || len(claims) != 0 {
		t.Errorf("no claims yet: %v, %v", claims, err)
	}
	old := claimsOf(st, elsewhere(1), clk)
	acquire(t, old, 0)
	acquire(t, old, 1)
	clk.now = clk.now.Add(lease + time.Second)
	renew(t, old, 1)
	young := claimsOf(st, elsewhere(2), clk)
	acquire(t, young, 2)
	acquire(t, young, 3)
	acquire(t, young, 100_000)
	if err := young.Release(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	st.Put(claimsFolder+"00004.000000", []byte("not a link"))
	st.Put(claimsFolder+"junk", []byte("not a link"))
	claims, err := me.Scan(t.Context(), func(chunk int) bool { return chunk == 2 })
	if err != nil {
		t.Fatal(err)
	}
	for chunk, want := range map[int]Claim{
		0:       {Chunk: 0, Worker: elsewhere(1), Age: lease + time.Second, Held: lease + time.Second},
		1:       {Chunk: 1, Worker: elsewhere(1), Live: true, Held: lease + time.Second}, // renewed
		3:       {Chunk: 3, Worker: elsewhere(2), Released: true},
		4:       {Chunk: 4, Live: true},
		100_000: {Chunk: 100_000, Worker: elsewhere(2), Live: true},
	} {
		if got := claims[chunk]; got != want {
			t.Errorf("chunk %d: %+v, want %+v", chunk, got, want)
		}
	}
	if len(claims) != 5 {
		t.Errorf("%d claims: %v", len(claims), claims)
	}
}

// Row 2 for claims: a link whose creation succeeded belongs to its creator,
// whatever became of the answer.
func TestFault02_TheAnswerToAClaimIsLost(t *testing.T) {
	clk := newClock()
	inner := clk.store()
	lossy := &storetest.Faulty{Store: inner, AfterCreate: func(_ int, _ store.Object, err error) error {
		return errors.Join(errLost, err)
	}}
	a := claimsOf(lossy, elsewhere(1), clk)
	if !acquire(t, a, 0) || !renew(t, a, 0) {
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
	b := claimsOf(blind, elsewhere(2), clk)
	if ok, err := b.TryAcquire(t.Context(), 5); ok || !errors.Is(err, errLost) {
		t.Errorf("%v, %v", ok, err)
	}
	blind.AfterCreate = nil
	if !acquire(t, b, 5) || !renew(t, b, 5) {
		t.Error("its own claim was not recognised")
	}

	down := &storetest.Faulty{Store: clk.store(), BeforeCreate: func(context.Context, int, string, []byte) error { return errLost }}
	if ok, err := claimsOf(down, elsewhere(1), clk).TryAcquire(t.Context(), 0); ok || !errors.Is(err, errLost) {
		t.Errorf("a store that is down: %v, %v", ok, err)
	}
}

func TestClaimsReportAStoreThatFails(t *testing.T) {
	clk := newClock()
	st := clk.store()
	acquire(t, claimsOf(st, elsewhere(1), clk), 0)
	for name, f := range map[string]*storetest.Faulty{
		"list": {Listed: func(int, store.Object) (int, error) { return 0, errLost }},
		"open": {BeforeOpen: func(context.Context, int, string) error { return errLost }},
		"clock": {BeforeCreate: func(_ context.Context, n int, _ string, _ []byte) error {
			if n == 0 {
				return store.ErrExist
			}
			return errLost
		}},
	} {
		f.Store = st
		if ok, err := claimsOf(f, elsewhere(2), clk).TryAcquire(t.Context(), 0); ok || !errors.Is(err, errLost) {
			t.Errorf("%s: %v, %v", name, ok, err)
		}
		if name == "clock" {
			continue // Scan asks for the time first, and gets the answer meant for the claim
		}
		if claims, err := claimsOf(f, elsewhere(2), clk).Scan(t.Context(), nil); !errors.Is(err, errLost) {
			t.Errorf("%s: %v, %v", name, claims, err)
		}
	}
	vanishing := &storetest.Faulty{Store: st, Listed: func(int, store.Object) (int, error) { return 0, nil }}
	if _, err := claimsOf(vanishing, elsewhere(2), clk).TryAcquire(t.Context(), 0); !errors.Is(err, ErrMismatch) {
		t.Errorf("a claim that vanishes: %v", err)
	}
}

// Many workers of several machines, some of which die, do every chunk, and
// live ones do none twice at the same time.
func TestClaimsShareOutTheWork(t *testing.T) {
	st := new(mem.Store)
	const chunks, workers = 60, 8
	var holders [chunks]atomic.Int64
	var group sync.WaitGroup
	for n := range workers {
		c := NewClaims(st, elsewhere(n), time.Hour)
		group.Go(func() {
			for chunk := range (shard.Chunks{Entries: chunks, Size: 1}).StealOrder(n, workers) {
				ok, err := c.TryAcquire(t.Context(), chunk)
				if err != nil {
					t.Error(err)
				}
				if ok {
					holders[chunk].Add(1)
				}
			}
		})
	}
	group.Wait()
	for chunk := range holders {
		if n := holders[chunk].Load(); n != 1 {
			t.Errorf("chunk %d has %d holders", chunk, n)
		}
	}
}

func FuzzParseLink(f *testing.F) {
	f.Add(linkName(7, 2))
	f.Add(claimsFolder + "00007.2")
	f.Fuzz(func(t *testing.T, name string) {
		if chunk, generation, ok := parseLink(name); ok && linkName(chunk, generation) != name {
			t.Fatalf("%q is %d.%d, which is %q", name, chunk, generation, linkName(chunk, generation))
		}
	})
}
