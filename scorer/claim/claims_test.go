package claim

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

const lease = time.Minute

// forms are the names of rights that the tests run with: those of new jobs, and
// those of jobs begun before rights had names.
var forms = []struct {
	name  string
	names Names
}{
	{name: "named", names: Named},
	{name: "numbered", names: Numbered(200_000)},
}

// eachForm runs a test once with each form of names.
func eachForm(t *testing.T, test func(t *testing.T, names Names)) {
	t.Helper()
	for _, form := range forms {
		t.Run(form.name, func(t *testing.T) { test(t, form.names) })
	}
}

// fakeClock is a clock that tests set.
type fakeClock struct{ now time.Time }

func newClock() *fakeClock { return &fakeClock{time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)} }

func (c *fakeClock) advance(d time.Duration) { c.now = c.now.Add(d) }

// store returns an empty store with that clock.
func (c *fakeClock) store() *mem.Store { return &mem.Store{Now: func() time.Time { return c.now }} }

var errLost = errors.New("connection reset before the answer came")

// elsewhere returns a worker on a machine of its own.
func elsewhere(n int) Worker {
	return Worker{ID: fmt.Sprint("w", n), Host: fmt.Sprint("host", n), BootID: fmt.Sprint("boot", n),
		PIDNamespace: "pid:[1]", PID: 100, PIDStart: 7, Rank: n, World: 8}
}

// claimsOf returns claims whose monotonic clock advances with that of the store.
func claimsOf(st store.Store, w Worker, names Names, c *fakeClock) *Claims {
	origin := c.now
	return New(Config{Store: st, Worker: w, Lease: lease, Names: names,
		Monotonic: func() time.Duration { return c.now.Sub(origin) }})
}

func acquire(t *testing.T, c *Claims, r Right) bool {
	t.Helper()
	ok, err := c.TryAcquire(t.Context(), r)
	if err != nil {
		t.Fatalf("TryAcquire(%s): %v", r, err)
	}
	return ok
}

func renew(t *testing.T, c *Claims, r Right) bool {
	t.Helper()
	ok, err := c.Renew(t.Context(), r)
	if err != nil {
		t.Fatalf("Renew(%s): %v", r, err)
	}
	return ok
}

func TestClaimIsExclusiveUntilTheLeaseEnds(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		for _, r := range []Right{OnChunk(7), OnDouble(7), OnEnd, OnPublication, OnDelivery, OnHook(0), OnHook(3)} {
			t.Run(r.String(), func(t *testing.T) {
				clk := newClock()
				st := clk.store()
				a, b := claimsOf(st, elsewhere(1), names, clk), claimsOf(st, elsewhere(2), names, clk)
				for range 2 { // claiming again what is held changes nothing
					if !acquire(t, a, r) {
						t.Fatal("an unclaimed right could not be claimed")
					}
				}
				if acquire(t, b, r) {
					t.Fatal("two workers hold one right")
				}
				for range 10 { // far beyond the first lease, renewed all along
					clk.advance(lease / 2)
					if !renew(t, a, r) || acquire(t, b, r) {
						t.Fatal("a renewed claim was lost")
					}
				}
				clk.advance(lease)
				if acquire(t, b, r) {
					t.Fatal("taken over at the very end of the lease")
				}
				clk.advance(time.Nanosecond)
				if !acquire(t, b, r) {
					t.Fatal("a stale claim was not taken over")
				}
				for range 2 {
					if renew(t, a, r) {
						t.Error("the old holder renewed what was taken from it")
					}
				}
				if acquire(t, a, r) {
					t.Error("the old holder took it back from a live one")
				}
				if !renew(t, b, r) {
					t.Error("the new holder cannot renew")
				}
			})
		}
	})
}

// TestRightsOfAJobAreDistinct claims every right of a job of a few chunks, each
// by a worker of its own.
func TestRightsOfAJobAreDistinct(t *testing.T) {
	const chunks = 5
	for _, form := range []struct {
		name  string
		names Names
	}{{name: "named", names: Named}, {name: "numbered", names: Numbered(chunks)}} {
		t.Run(form.name, func(t *testing.T) {
			clk := newClock()
			st := clk.store()
			late := claimsOf(st, elsewhere(99), form.names, clk)
			rights := []Right{OnEnd, OnPublication, OnDelivery, OnHook(0), OnHook(3)}
			for i := range chunks {
				rights = append(rights, OnChunk(i), OnDouble(i))
			}
			for n, r := range rights {
				if !acquire(t, claimsOf(st, elsewhere(n), form.names, clk), r) {
					t.Errorf("%s is taken by a claim on another right", r)
				}
				if acquire(t, late, r) {
					t.Errorf("%s was claimed twice", r)
				}
			}
			claims, err := late.Scan(t.Context(), nil)
			if err != nil || len(claims) != chunks {
				t.Errorf("Scan() = %v, %v, want the claims on %d chunks and nothing else", claims, err, chunks)
			}
			for i := range chunks {
				if got, want := claims[i].Worker, elsewhere(5+2*i); got != want {
					t.Errorf("chunk %d is held by %s, want %s", i, got.ID, want.ID)
				}
			}
		})
	}
}

// TestNamesOnDisk pins the objects of both forms, their names and their bytes.
// Workers of other versions read them.
func TestNamesOnDisk(t *testing.T) {
	const worker = `"worker":{"id":"w1","host":"host1","boot_id":"boot1","pid_namespace":"pid:[1]",` +
		`"pid":100,"pid_start":7,"rank":1,"world":8,"started":"0001-01-01T00:00:00Z"}}`
	rights := []Right{OnChunk(0), OnChunk(7), OnChunk(123_456), OnDouble(0), OnDouble(7), OnEnd, OnPublication, OnDelivery, OnHook(0), OnHook(3)}
	for _, form := range []struct {
		name  string
		names Names
		want  []string // an object and the start of its content, for each right
	}{
		{name: "named", names: Named, want: []string{
			`_batchscore/claims/chunk-00000.000000 {"right":"chunk-00000","generation":0,"released":false,`,
			`_batchscore/claims/chunk-00007.000000 {"right":"chunk-00007","generation":0,"released":false,`,
			`_batchscore/claims/chunk-123456.000000 {"right":"chunk-123456","generation":0,"released":false,`,
			`_batchscore/claims/double-00000.000000 {"right":"double-00000","generation":0,"released":false,`,
			`_batchscore/claims/double-00007.000000 {"right":"double-00007","generation":0,"released":false,`,
			`_batchscore/claims/end.000000 {"right":"end","generation":0,"released":false,`,
			`_batchscore/claims/publication.000000 {"right":"publication","generation":0,"released":false,`,
			`_batchscore/claims/delivery.000000 {"right":"delivery","generation":0,"released":false,`,
			`_batchscore/claims/hook-00000.000000 {"right":"hook-00000","generation":0,"released":false,`,
			`_batchscore/claims/hook-00003.000000 {"right":"hook-00003","generation":0,"released":false,`,
		}},
		{name: "numbered", names: Numbered(200_000), want: []string{
			`_batchscore/claims/00000.000000 {"chunk":0,"generation":0,"released":false,`,
			`_batchscore/claims/00007.000000 {"chunk":7,"generation":0,"released":false,`,
			`_batchscore/claims/123456.000000 {"chunk":123456,"generation":0,"released":false,`,
			`_batchscore/claims/200001.000000 {"chunk":200001,"generation":0,"released":false,`,
			`_batchscore/claims/200008.000000 {"chunk":200008,"generation":0,"released":false,`,
			`_batchscore/claims/200000.000000 {"chunk":200000,"generation":0,"released":false,`,
			`_batchscore/claims/2147483647.000000 {"chunk":2147483647,"generation":0,"released":false,`,
			`_batchscore/claims/2147483646.000000 {"chunk":2147483646,"generation":0,"released":false,`,
			`_batchscore/claims/2147483645.000000 {"chunk":2147483645,"generation":0,"released":false,`,
			`_batchscore/claims/2147483642.000000 {"chunk":2147483642,"generation":0,"released":false,`,
		}},
	} {
		t.Run(form.name, func(t *testing.T) {
			for i, r := range rights {
				clk := newClock()
				st := clk.store()
				c := claimsOf(st, elsewhere(1), form.names, clk)
				if !acquire(t, c, r) {
					t.Fatalf("%s was not acquired", r)
				}
				name := storetest.ObjectNames(t, st)[0]
				body, _, err := store.ReadAll(t.Context(), st, name, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				if got, want := name+" "+string(body), form.want[i]+worker; got != want {
					t.Errorf("the claim on %s is\n%s, want\n%s", r, got, want)
				}
				clk.advance(1500 * time.Millisecond)
				if err := c.Release(t.Context(), r); err != nil {
					t.Fatal(err)
				}
				body, _, err = store.ReadAll(t.Context(), st, strings.TrimSuffix(name, "0")+"1", 1<<20)
				want := `"generation":1,"released":true,"held_seconds":1.5,` + worker
				if err != nil || !strings.HasSuffix(string(body), want) {
					t.Errorf("its release is %s, %v, want it to end with %s", body, err, want)
				}
			}
		})
	}
}

func TestLateRenewalHoldsIfNobodyWasFaster(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		st := clk.store()
		a, b := claimsOf(st, elsewhere(1), names, clk), claimsOf(st, elsewhere(2), names, clk)
		acquire(t, a, OnChunk(0))
		clk.advance(10 * lease)
		if !renew(t, a, OnChunk(0)) || acquire(t, b, OnChunk(0)) {
			t.Error("a late renewal does not count")
		}
	})
}

// TestClaimThatCannotBeReadIsJudgedByItsAge: a crash of the machine may empty a
// claim, or damage it.
func TestClaimThatCannotBeReadIsJudgedByItsAge(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		for _, left := range []string{
			"", "{", `{"chunk":1,"generation":0,"released":true}`, `{"right":"chunk-00001","generation":0,"released":true}`,
		} {
			clk := newClock()
			st := clk.store()
			if _, err := st.Create(t.Context(), names.linkName(OnChunk(7), 0), []byte(left)); err != nil {
				t.Fatal(err)
			}
			c := claimsOf(st, elsewhere(1), names, clk)
			clk.advance(lease)
			if acquire(t, c, OnChunk(7)) {
				t.Errorf("%q: taken over within the lease", left)
			}
			clk.advance(time.Nanosecond)
			if !acquire(t, c, OnChunk(7)) {
				t.Errorf("%q: could not be claimed after the lease", left)
			}
			if n, err := c.Deaths(t.Context(), 7); n != 1 || err != nil {
				t.Errorf("%q: Deaths(7) = %d, %v, want 1", left, n, err)
			}
		}
	})
}

func TestReleasedChunkIsFreeAtOnce(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		st := clk.store()
		a, b := claimsOf(st, elsewhere(1), names, clk), claimsOf(st, elsewhere(2), names, clk)
		r := OnChunk(0)
		acquire(t, a, r)
		if err := a.Release(t.Context(), r); err != nil {
			t.Fatal(err)
		}
		if !acquire(t, b, r) || acquire(t, a, r) {
			t.Error("a released chunk was not free, or free for two")
		}
		if err := a.Release(t.Context(), r); err != nil {
			t.Errorf("release of what is not held: %v", err)
		}
		if acquire(t, a, r) {
			t.Error("releasing what is not held set it free")
		}
	})
}

func TestProcessNumberUsedAgainIsNotTheOwner(t *testing.T) {
	me := ThisProcess(shard.World{Size: 1})
	before := me
	before.ID, before.PIDStart = "before", me.PIDStart-1
	if before.Running() {
		t.Error("a process that started later passes for the owner")
	}
	for name, change := range map[string]func(*Worker){
		"host": func(w *Worker) { w.Host = "other" }, "boot": func(w *Worker) { w.BootID = "other" },
		"namespace": func(w *Worker) { w.PIDNamespace = "other" }, "unknown boot": func(w *Worker) { w.BootID = "" },
		"unknown start": func(w *Worker) { w.PIDStart = 0 },
	} {
		other := me
		change(&other)
		if other.SameMachine(&me) || me.SameMachine(&other) {
			t.Errorf("%s differs: SameMachine() = true, want false", name)
		}
	}
	if pid := os.Getpid(); me.PID != pid || me.Rank != 0 || me.World != 1 {
		t.Errorf("ThisProcess() = %+v, want PID %d and rank 0 of 1", me, pid)
	}
	if a, b := ThisProcess(shard.World{}), ThisProcess(shard.World{}); a.ID == b.ID || fileSafe(a.ID) != a.ID {
		t.Errorf("IDs %q and %q are equal or unfit for file names", a.ID, b.ID)
	}
}

func TestScan(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		st := clk.store()
		me := claimsOf(st, elsewhere(9), names, clk)
		if claims, err := me.Scan(t.Context(), nil); err != nil || len(claims) != 0 {
			t.Errorf("Scan() = %v, %v, want no claims yet", claims, err)
		}
		old := claimsOf(st, elsewhere(1), names, clk)
		acquire(t, old, OnChunk(0))
		acquire(t, old, OnChunk(1))
		clk.advance(lease + time.Second)
		renew(t, old, OnChunk(1))
		young := claimsOf(st, elsewhere(2), names, clk)
		for _, r := range []Right{OnChunk(2), OnChunk(3), OnChunk(100_000), OnDouble(5), OnEnd} {
			acquire(t, young, r)
		}
		if err := young.Release(t.Context(), OnChunk(3)); err != nil {
			t.Fatal(err)
		}
		st.Put(names.linkName(OnChunk(4), 0), []byte("not a link"))
		st.Put(folder+"junk", []byte("not a link"))
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
			t.Errorf("%d claims, want 5: %v", len(claims), claims)
		}
	})
}

// TestOwnersWritesNothing reads the owners of chunks in a store that cannot be
// written to.
func TestOwnersWritesNothing(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		clk := newClock()
		st := clk.store()
		c := claimsOf(st, elsewhere(1), names, clk)
		acquire(t, c, OnChunk(0))
		acquire(t, c, OnChunk(1))
		acquire(t, c, OnEnd)
		clk.advance(time.Second)
		if err := c.Release(t.Context(), OnChunk(1)); err != nil {
			t.Fatal(err)
		}
		readOnly := &storetest.Faulty{Store: st, BeforeCreate: func(context.Context, int, string, []byte) error {
			t.Error("something was created")
			return store.ErrDenied
		}}
		owners, err := Owners(t.Context(), readOnly, names, func(chunk int) bool { return chunk == 0 })
		want := Owner{Chunk: 1, Worker: elsewhere(1), Released: true, Modified: clk.now}
		if err != nil || len(owners) != 1 || owners[0] != want {
			t.Errorf("Owners() = %+v, %v, want %+v", owners, err, want)
		}
	})
}

func TestClaimsReportAStoreThatFails(t *testing.T) {
	clk := newClock()
	st := clk.store()
	acquire(t, claimsOf(st, elsewhere(1), Named, clk), OnChunk(0))
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
		t.Run(name, func(t *testing.T) {
			f.Store = st
			if ok, err := claimsOf(f, elsewhere(2), Named, clk).TryAcquire(t.Context(), OnChunk(0)); ok || !errors.Is(err, errLost) {
				t.Errorf("TryAcquire() = %v, %v, want %v", ok, err, errLost)
			}
			if name == "clock" {
				return // Scan asks for the time first, and gets the answer meant for the claim
			}
			if claims, err := claimsOf(f, elsewhere(2), Named, clk).Scan(t.Context(), nil); !errors.Is(err, errLost) {
				t.Errorf("Scan() = %v, %v, want %v", claims, err, errLost)
			}
		})
	}
	vanishing := &storetest.Faulty{
		Store: st, Listed: func(int, store.Object) (int, error) { return 0, nil },
		BeforeOpen: func(context.Context, int, string) error { return store.ErrNotExist },
	}
	if _, err := claimsOf(vanishing, elsewhere(2), Named, clk).TryAcquire(t.Context(), OnChunk(0)); !errors.Is(err, ErrVanished) {
		t.Errorf("a claim that vanishes: %v, want %v", err, ErrVanished)
	}
}

// TestClaimsShareOutTheWork: workers of several machines do every chunk, and none
// is done by two at the same time.
func TestClaimsShareOutTheWork(t *testing.T) {
	eachForm(t, func(t *testing.T, names Names) {
		st := new(mem.Store)
		const chunks, workers = 60, 8
		var holders [chunks]atomic.Int64
		var group sync.WaitGroup
		for n := range workers {
			c := New(Config{Store: st, Worker: elsewhere(n), Lease: time.Hour, Names: names})
			group.Go(func() {
				for chunk := range (shard.Chunks{Entries: chunks, Size: 1}).StealOrder(n, workers) {
					ok, err := c.TryAcquire(t.Context(), OnChunk(chunk))
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
				t.Errorf("chunk %d has %d holders, want 1", chunk, n)
			}
		}
	})
}

func FuzzParseLink(f *testing.F) {
	numbered := Numbered(10)
	for _, r := range []Right{OnChunk(7), OnDouble(7), OnEnd, OnPublication, OnDelivery, OnHook(0), OnHook(3)} {
		f.Add(Named.linkName(r, 2))
		f.Add(numbered.linkName(r, 2))
	}
	f.Add(folder + "00007.2")
	f.Add(folder + "chunk-7.000002")
	f.Fuzz(func(t *testing.T, object string) {
		for _, names := range []Names{Named, numbered} {
			r, generation, ok := names.parseLink(object)
			if ok && names.linkName(r, generation) != object {
				t.Fatalf("parseLink(%q) = %s, %d, which is named %q", object, r, generation, names.linkName(r, generation))
			}
		}
	})
}

// TestFault45_PlantedClaims: a claim that a stranger plants holds a chunk for no longer than
// a lease, whatever it says and whatever date its file was given.
func TestFault45_PlantedClaims(t *testing.T) {
	for name, body := range map[string]string{
		"of a worker": `{"right":"chunk-00003","generation":0,"released":false,"held_seconds":1e300,` +
			`"worker":{"id":"x","host":"h","boot_id":"","pid_namespace":"","pid":-1,"pid_start":0,"rank":1000000000,"world":2000000000}}`,
		"not JSON": "x",
		"huge":     strings.Repeat("x", claimMost+1),
	} {
		clock := newClock()
		st := clock.store()
		clock.advance(100 * 365 * 24 * time.Hour)
		st.Put(Named.linkName(OnChunk(3), 0), []byte(body))
		clock.advance(-100 * 365 * 24 * time.Hour)
		mine := claimsOf(st, elsewhere(1), Named, clock)
		if !acquire(t, mine, OnChunk(3)) {
			t.Errorf("%s: a claim of the next century holds the chunk", name)
		}
		owners, err := Owners(t.Context(), st, Named, nil)
		if err != nil || len(owners) != 1 || owners[0].Worker.World > MostRanks {
			t.Errorf("%s: Owners() = %+v, %v", name, owners, err)
		}
		st.Put(Named.linkName(OnChunk(4), 0), []byte(body)) // now
		if acquire(t, mine, OnChunk(4)) {
			t.Errorf("%s: a new claim holds nothing", name)
		}
		owners, err = Owners(t.Context(), st, Named, func(chunk int) bool { return chunk != 4 })
		if err != nil || len(owners) != 1 || owners[0].Worker != (Worker{}) {
			t.Errorf("%s: Owners() = %+v, %v, want an unknown owner", name, owners, err)
		}
		clock.advance(mine.lease + time.Second)
		if !acquire(t, mine, OnChunk(4)) {
			t.Errorf("%s: it holds the chunk after its lease", name)
		}
	}
}
