package output

import (
	"context"
	"errors"
	"io"
	"maps"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/claim"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// openings counts how often each object was opened.
type openings struct {
	store.Store
	mu sync.Mutex
	of map[string]int
}

func (o *openings) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	o.mu.Lock()
	o.of[name]++
	o.mu.Unlock()
	return o.Store.Open(ctx, name, etag)
}

// ofThree is a rank of three, on a machine that this process cannot see.
func ofThree(rank int, started time.Time) claim.Worker {
	w := elsewhere(rank)
	w.World, w.Started = 3, started
	return w
}

func TestProgressOverTheLifeOfAJob(t *testing.T) {
	clock := newClock()
	st := &openings{Store: clock.store(), of: map[string]int{}}
	o := Observe(st)
	o.now = func() time.Time { return clock.now }
	look := func() Progress {
		t.Helper()
		p, err := o.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}

	if _, err := o.Look(t.Context()); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Look() at an empty place = %v, want store.ErrNotExist", err)
	}
	job, _, err := Join(t.Context(), st, testJob(row.JSONL))
	if err != nil {
		t.Fatal(err)
	}
	if p := look(); p.Stage != Listing || p.Images != 0 || !p.Started.Equal(clock.now) {
		t.Errorf("Look() before the manifest = %+v", p)
	}

	r := begin(t, st, testJob(row.JSONL), numbered(44)) // 5 chunks of 8, one of 4
	rankZero := ofThree(0, clock.now)
	zero := claimsOf(st, rankZero, clock)
	one := claimsOf(st, ofThree(1, clock.now), clock)
	acquire := func(c *claim.Claims, chunk int) {
		t.Helper()
		if ok, err := c.TryAcquire(t.Context(), claim.OnChunk(chunk)); !ok || err != nil {
			t.Fatalf("TryAcquire(chunk %d) = %v, %v", chunk, ok, err)
		}
	}
	for chunk, c := range []*claim.Claims{zero, zero, one, one} {
		acquire(c, chunk)
	}
	clock.now = clock.now.Add(10 * time.Second)
	r.commit(t, 0)
	r.commit(t, 2)
	clock.now = clock.now.Add(10 * time.Second)
	r.commit(t, 1)

	p := look()
	if p.Stage != Scoring || p.Job != job.ID || p.Images != 44 || p.ImagesDone != 24 || p.Chunks != 6 || p.ChunksDone != 3 {
		t.Errorf("Look() after three of six parts = %+v", p)
	}
	if p.Rate != 24.0/20 || p.LeftSeconds != 17 || !p.Last.Equal(clock.now) {
		t.Errorf("rate %v, left %v, last %v; want 1.2, 17s, %v", p.Rate, p.LeftSeconds, p.Last, clock.now)
	}
	if n := p.Statuses[row.StatusOK] + p.Failed(); n != 24 || p.Failed() == 0 {
		t.Errorf("statuses %v", p.Statuses)
	}
	type rank struct {
		host                    string
		chunks, images, holding int
		alive                   bool
	}
	ranks := func(p Progress) (all []rank) {
		for i, r := range p.Ranks {
			if r.Rank != i {
				t.Errorf("Ranks[%d] is rank %d", i, r.Rank)
			}
			all = append(all, rank{r.Host, r.Chunks, r.Images, r.Holding, r.Alive})
		}
		return all
	}
	want := func(p Progress, want ...rank) {
		t.Helper()
		have := ranks(p)
		for i := range want {
			if i >= len(have) || have[i] != want[i] {
				t.Errorf("Ranks = %+v, want %+v", have, want)
				return
			}
		}
	}
	want(p, rank{"host0", 2, 16, 0, false}, rank{"host1", 1, 8, 1, true}, rank{})
	if p.Alive() != 1 {
		t.Errorf("Alive() = %d", p.Alive())
	}

	// Rank 1 falls silent: no rank works, so the time left is not known.
	clock.now = clock.now.Add(silent)
	p = look()
	want(p, rank{"host0", 2, 16, 0, false}, rank{"host1", 1, 8, 0, false}, rank{})
	if p.LeftSeconds != 0 || p.Alive() != 0 || p.Stage != Stopped {
		t.Errorf("left %v with %d ranks alive, stage %s; want no rank and %s", p.LeftSeconds, p.Alive(), p.Stage, Stopped)
	}

	// Rank 0 takes over, does the rest and says so.
	for chunk := 3; chunk < 6; chunk++ {
		acquire(zero, chunk)
		r.commit(t, chunk)
	}
	if p = look(); p.Stage != Checking || p.ImagesDone != 44 {
		t.Errorf("Look() before _SUCCESS = %+v", p)
	}
	took := clock.now.Sub(p.Started) + 5*time.Second
	sum := WorkerSummary{Worker: rankZero, Started: p.Started, Seconds: took.Seconds(), End: "done", Statuses: map[string]int{}}
	writeSummary(t, st, sum)
	s := r.finish(t)
	p = look()
	if p.Stage != Complete || !maps.Equal(p.Statuses, s.Statuses) || p.LeftSeconds != 0 ||
		p.MakespanSeconds != s.MakespanSeconds || p.Rate != s.ImagesPerSecond ||
		p.WorkedSeconds != s.WorkedSeconds || p.WorkedRate != s.WorkedImagesPerSecond || p.WorkedSeconds == 0 {
		t.Errorf("Look() of a complete job = %+v, want what _SUCCESS says, %+v", p, s)
	}
	want(p, rank{"host0", 5, 36, 0, false}, rank{"host1", 1, 8, 0, false}, rank{})
	if p.Ranks[0].End != "done" || !p.Ranks[0].Sign.Equal(clock.now.Add(5*time.Second)) || p.Ranks[1].End != "" {
		t.Errorf("Ranks of a complete job = %+v", p.Ranks)
	}

	for name, n := range st.of {
		if n > 2 && strings.HasPrefix(name, partPrefix) { // one by the observer, one by Finish
			t.Errorf("%s was read %d times, want once", name, n)
		}
	}
}

// TestProgressWritesNothing looks at an unfinished job.
func TestProgressWritesNothing(t *testing.T) {
	clock := newClock()
	st := clock.store()
	r := begin(t, st, testJob(row.CSV), numbered(20))
	if _, err := claimsOf(st, elsewhere(0), clock).TryAcquire(t.Context(), claim.OnChunk(0)); err != nil {
		t.Fatal(err)
	}
	r.commit(t, 0)
	before := objects(t, st)
	if _, err := Observe(st).Look(t.Context()); err != nil {
		t.Fatal(err)
	}
	if after := objects(t, st); !maps.Equal(before, after) {
		t.Errorf("Look() changed the number of objects from %d to %d", len(before), len(after))
	}
}

func TestProgressOfADamagedPart(t *testing.T) {
	clock := newClock()
	st := clock.store()
	begin(t, st, testJob(row.JSONL), numbered(20))
	if _, err := st.Create(t.Context(), PartNames{format: row.JSONL}.Name(1), []byte("no row\n")); err != nil {
		t.Fatal(err)
	}
	if _, err := Observe(st).Look(t.Context()); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), PartNames{format: row.JSONL}.Name(1)) {
		t.Errorf("Look() = %v, want ErrMismatch that names the part", err)
	}
}

// TestProgressAfterTheLastPart: until _SUCCESS exists, a job is being checked only while
// a rank renews its claims.
func TestProgressAfterTheLastPart(t *testing.T) {
	clock := newClock()
	st := clock.store()
	r := begin(t, st, testJob(row.JSONL), numbered(16))
	c := claimsOf(st, elsewhere(0), clock)
	o := Observe(st)
	o.now = func() time.Time { return clock.now }
	stage := func(want Stage, alive int) {
		t.Helper()
		p, err := o.Look(t.Context())
		if err != nil || p.Stage != want || p.Alive() != alive {
			t.Errorf("stage %s with %d ranks alive, %v; want %s and %d", p.Stage, p.Alive(), err, want, alive)
		}
	}
	acquire := func(right claim.Right) {
		t.Helper()
		if ok, err := c.TryAcquire(t.Context(), right); !ok || err != nil {
			t.Fatalf("TryAcquire(%s) = %v, %v", right, ok, err)
		}
	}
	for chunk := range 2 {
		acquire(claim.OnChunk(chunk))
		r.commit(t, chunk)
	}
	stage(Checking, 0)
	sum := WorkerSummary{Worker: elsewhere(0), Started: clock.now, End: "done", Statuses: map[string]int{}}
	writeSummary(t, st, sum)
	stage(Checking, 0) // it is done with its chunks, and not with the job
	clock.now = clock.now.Add(silent * 4)
	stage(Stopped, 0)
	acquire(claim.OnEnd)
	stage(Checking, 1)
	clock.now = clock.now.Add(silent - time.Second)
	if ok, err := c.Renew(t.Context(), claim.OnEnd); !ok || err != nil {
		t.Fatal(ok, err)
	}
	clock.now = clock.now.Add(silent - time.Second)
	stage(Checking, 1)
	clock.now = clock.now.Add(time.Second)
	stage(Stopped, 0)
}

// TestProgressOfAPartThatIsGone: a job is not complete without one of its parts.
func TestProgressOfAPartThatIsGone(t *testing.T) {
	st := newClock().store()
	r := begin(t, st, testJob(row.JSONL), numbered(20))
	for chunk := range 3 {
		r.commit(t, chunk)
	}
	r.finish(t)
	name := PartNames{format: row.JSONL}.Name(1)
	_, object, err := store.ReadAll(t.Context(), st, name, 1<<20)
	if err == nil {
		err = store.Delete(t.Context(), st, name, object.ETag)
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Observe(st).Look(t.Context()); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), name) {
		t.Errorf("Look() = %v, want ErrMismatch that names the part", err)
	}
}
