package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"reflect"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// mended returns the row of an image that no longer fails.
func mended(e shard.Entry) row.Row {
	return row.Row{Path: e.Path, Size: e.Size, Status: row.StatusOK, Answer: &row.Classification{
		ClassID: 1, Label: "mended", Score: 0.5, TopK: []row.Class{{ClassID: 1, Label: "mended", Score: 0.5}},
	}}
}

// beginRetry begins a retry of an output's failed images, each of which now has 7
// bytes.
func beginRetry(t testing.TB, r run, n int) run {
	t.Helper()
	images := new(mem.Store)
	for i := range r.m.Len() {
		e, err := r.m.At(i)
		if err != nil {
			t.Fatal(err)
		}
		images.Put(e.Path, []byte("7 bytes"))
	}
	chosen := row.Selection{row.AnyFailure}
	want := r.j
	want.Chunk, want.Retry = 2, &Retry{Of: r.j.ID, Generation: n, Statuses: chosen}
	place := Generation(r.st, n)
	job, _, err := Join(t.Context(), place, want)
	if err != nil {
		t.Fatal(err)
	}
	m, err := Freeze(t.Context(), place, func(ctx context.Context) (*shard.Manifest, error) {
		return RetryManifest(ctx, r.st, images, chosen, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return run{place, job, m, job.Chunks(m.Len())}
}

// score commits all chunks of a retry, and finishes it.
func (r run) mend(t testing.TB) {
	t.Helper()
	for chunk := range r.c.Count() {
		first, last := r.c.Range(chunk)
		entries, err := r.m.Entries(nil, first, last)
		if err != nil {
			t.Fatal(err)
		}
		var rows []row.Row
		for _, e := range entries {
			rows = append(rows, mended(e))
		}
		if _, err := Commit(t.Context(), r.st, &r.j, r.m, chunk, rows); err != nil {
			t.Fatal(err)
		}
	}
	r.finish(t)
}

// retried returns a complete output with a complete retry whose rows are not yet in
// the parts.
func retried(t testing.TB, f row.Format) (*mem.Store, run) {
	t.Helper()
	st := new(mem.Store)
	r := complete(t, st, testJob(f), 20)
	beginRetry(t, r, 1).mend(t)
	return st, r
}

func TestFault43_SeveralPublishAtOnce(t *testing.T) {
	for _, f := range formats {
		st, r := retried(t, f)
		var group sync.WaitGroup
		for range 8 {
			group.Go(func() {
				s, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{})
				if err != nil || s.Generation() != 1 || s.Statuses[row.StatusOK] != 20 {
					t.Errorf("%s: Finish() = %+v, %v", f, s, err)
				}
			})
		}
		group.Wait()
		checkRows(t, st, numbered(20))
		for _, o := range []string{"part-00000." + string(f), SuccessName, digestsName} {
			if objects(t, st)[o] == "" {
				t.Errorf("%s is missing", o)
			}
		}
	}
}

// TestFault43_WhatWasOvertakenChangesNothing has a worker continue an old retry after
// the next one was published.
func TestFault43_WhatWasOvertakenChangesNothing(t *testing.T) {
	st, r := retried(t, row.JSONL)
	old, err := readState(t.Context(), st, &r.j)
	if err != nil {
		t.Fatal(err)
	}
	r.finish(t)
	again := r.j
	again.Retry = &Retry{Of: r.j.ID, Generation: 2, Statuses: row.Selection{row.StatusOK}}
	place := Generation(st, 2)
	if again, _, err = Join(t.Context(), place, again); err != nil {
		t.Fatal(err)
	}
	m, err := Freeze(t.Context(), place, func(ctx context.Context) (*shard.Manifest, error) {
		return RetryManifest(ctx, st, new(mem.Store), row.Selection{row.StatusOK}, nil)
	})
	if err != nil {
		t.Fatal(err)
	}
	defer m.Close()
	run{place, again, m, again.Chunks(m.Len())}.mend(t)
	r.finish(t)
	want := objects(t, st)
	_, err = publish(t.Context(), st, &r.j, r.m, old, FinishOptions{})
	if have := objects(t, st); !reflect.DeepEqual(have, want) {
		t.Errorf("Finish() of the old retry changed the output, and returned %v", err)
	}
	checkRows(t, st, numbered(20))
}

// TestFault43_APartAlteredBefore: publishing a retry refuses a part that was altered
// before, rather than storing its new digest.
func TestFault43_APartAlteredBefore(t *testing.T) {
	for _, gone := range []string{"", digestsName} {
		st, r := retried(t, row.JSONL)
		if gone != "" {
			st.Remove(gone)
		}
		body := objects(t, st)["part-00001.jsonl"]
		altered := strings.Replace(body, "class, ", "clasp, ", 1)
		if altered == body {
			t.Fatal("the part has no label")
		}
		st.Put("part-00001.jsonl", []byte(altered))
		before := objects(t, st)
		if _, err := Finish(t.Context(), st, r.j, r.m, FinishOptions{}); !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "batchscore repair") {
			t.Errorf("Finish() = %v, want ErrMismatch that names repair", err)
		}
		if !reflect.DeepEqual(objects(t, st), before) {
			t.Error("Finish() changed the output")
		}
	}
}

// TestFault28_ARepairThatDiesAnywhere kills a repair at each of its writes. Repairing
// again and running the job again must complete the output.
func TestFault28_ARepairThatDiesAnywhere(t *testing.T) {
	died := errors.New("the machine lost its power")
	for _, tt := range []struct {
		name   string
		damage func(st *mem.Store, all map[string]string)
	}{
		{name: "a part", damage: func(st *mem.Store, all map[string]string) {
			st.Put("part-00001.jsonl", []byte(strings.Replace(all["part-00001.jsonl"], "0.", "0.1", 1)))
		}},
		{name: "a part, one gone, one too many", damage: func(st *mem.Store, all map[string]string) {
			st.Put("part-00001.jsonl", []byte(all["part-00001.jsonl"][:50]))
			st.Remove("part-00002.jsonl")
			st.Put("part-00009.jsonl", []byte(all["part-00002.jsonl"]))
		}},
		{name: "_SUCCESS and digests", damage: func(st *mem.Store, all map[string]string) {
			st.Put(SuccessName, []byte(all[SuccessName][:50]))
			st.Remove(digestsName)
		}},
		{name: "digests", damage: func(st *mem.Store, all map[string]string) { st.Put(digestsName, []byte(all[digestsName][5:])) }},
	} {
		for _, again := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s, retried=%v", tt.name, again), func(t *testing.T) {
				for writes := int64(1); ; writes++ {
					st, r := retried(t, row.JSONL)
					if again {
						r.finish(t)
					}
					tt.damage(st, objects(t, st))
					var n atomic.Int64
					mortal := func() error {
						if n.Add(1) >= writes {
							return died
						}
						return nil
					}
					_, err := Repair(t.Context(), &storetest.Faulty{Store: st,
						BeforeCreate: func(context.Context, int, string, []byte) error { return mortal() },
						BeforeChange: func(context.Context, string) error { return mortal() },
					})
					if err != nil && !errors.Is(err, died) {
						t.Fatal(err)
					}
					if _, err := Repair(t.Context(), st); err != nil {
						t.Fatal(err)
					}
					for chunk := range r.c.Count() {
						if _, ok := objects(t, st)[PartNames{format: row.JSONL}.Name(chunk)]; !ok {
							r.commit(t, chunk)
						}
					}
					if s := r.finish(t); s.Generation() != 1 || s.Failed != 0 {
						t.Fatalf("killed after %d writes, then finished: %+v", writes, s)
					}
					checkRows(t, st, numbered(20))
					if err == nil {
						break
					}
				}
			})
		}
	}
}

func TestProgressTellsOfARetry(t *testing.T) {
	st := new(mem.Store)
	r := complete(t, st, testJob(row.JSONL), 20)
	o := Observe(st)
	look := func() Progress {
		t.Helper()
		p, err := o.Look(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	p := look()
	failed := p.Failed()
	if p.Stage != Complete || p.Retry != nil || failed == 0 {
		t.Errorf("Look() before the retry = %+v", p)
	}
	again := beginRetry(t, r, 1)
	if p := look(); p.Stage != Retrying || p.Retry.Images != failed || p.Retry.ImagesDone != 0 || p.Failed() != failed {
		t.Errorf("Look() of a retry that was begun = %+v, the retry %+v", p, p.Retry)
	}
	again.mend(t)
	if p := look(); p.Stage != Retrying || p.Retry.ImagesDone != failed {
		t.Errorf("Look() of a retry that was scored = %+v, the retry %+v", p, p.Retry)
	}
	r.finish(t)
	if p := look(); p.Stage != Complete || p.Retry != nil || p.Failed() != 0 {
		t.Errorf("Look() of a published retry = %+v, the retry %+v", p, p.Retry)
	}
	report, err := Verify(t.Context(), st)
	if err != nil || report.Unfinished != 0 {
		t.Errorf("%v\n%s", err, report.String())
	}
}

func TestOverlay(t *testing.T) {
	rows := func(status string, paths ...string) (all []row.Row) {
		for _, p := range paths {
			all = append(all, row.Row{Path: p, Status: status})
		}
		return all
	}
	seq := func(rows []row.Row, err error) iter.Seq2[row.Row, error] {
		return func(yield func(row.Row, error) bool) {
			for _, r := range rows {
				if !yield(r, nil) {
					return
				}
			}
			if err != nil {
				yield(row.Row{}, err)
			}
		}
	}
	for _, tt := range []struct {
		name  string
		newer []row.Row
		// want is the status of a, c, e and then of g, i: in two calls.
		want    string
		changed [2]bool
		used    int
	}{
		{name: "none", newer: nil, want: "old old old old old", changed: [2]bool{}, used: 0},
		{name: "all", newer: rows("new", "a", "c", "e", "g", "i"), want: "new new new new new", changed: [2]bool{true, true}, used: 5},
		{name: "some", newer: rows("new", "c", "i"), want: "old new old old new", changed: [2]bool{true, true}, used: 2},
		{name: "one call", newer: rows("new", "g"), want: "old old old new old", changed: [2]bool{false, true}, used: 1},
		{name: "equal ones", newer: rows("old", "a", "g"), want: "old old old old old", changed: [2]bool{}, used: 2},
		{name: "of other images", newer: rows("new", "0", "b", "f", "g", "z"), want: "old old old new old", changed: [2]bool{false, true}, used: 1},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := newOverlay(seq(tt.newer, nil), row.Schema{Task: row.Classify}.Equal)
			defer o.close()
			first, second := rows("old", "a", "c", "e"), rows("old", "g", "i")
			for i, part := range [][]row.Row{first, second} {
				if changed, err := o.replace(part); err != nil || changed != tt.changed[i] {
					t.Errorf("replace() call %d = %v, %v, want %v", i, changed, err, tt.changed[i])
				}
			}
			var have []string
			for _, r := range append(first, second...) {
				have = append(have, r.Status)
			}
			if got := strings.Join(have, " "); got != tt.want || o.used != tt.used {
				t.Errorf("the rows are %s with %d used, want %s with %d", got, o.used, tt.want, tt.used)
			}
		})
	}
	o := newOverlay(seq(rows("new", "a"), io.ErrUnexpectedEOF), row.Schema{Task: row.Classify}.Equal)
	defer o.close()
	if _, err := o.replace(rows("old", "a", "b")); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("replace() = %v, want the error of the newer rows", err)
	}
}

// TestAPlaceThatOnlyCreates: a store that cannot replace objects is refused before any
// part is replaced.
func TestAPlaceThatOnlyCreates(t *testing.T) {
	st, r := retried(t, row.JSONL)
	only := struct{ store.Store }{st}
	if _, err := Finish(t.Context(), only, r.j, r.m, FinishOptions{}); !errors.Is(err, store.ErrDenied) {
		t.Errorf("Finish() = %v, want ErrDenied", err)
	}
	r.finish(t)
	checkRows(t, st, numbered(20))
	var merged bytes.Buffer
	if err := Merge(t.Context(), st, &merged, MergeOptions{}); err != nil || strings.Contains(merged.String(), "truncated") {
		t.Errorf("%v\n%s", err, merged.String())
	}
}

// TestFault43_ReadersWhileARetryIsPublished: readers do not report a part with the new
// rows as altered.
func TestFault43_ReadersWhileARetryIsPublished(t *testing.T) {
	for reads := 1; reads < 40; reads++ {
		st, r := retried(t, row.JSONL)
		n := 0
		// The whole publication takes place before one of the reads.
		midway := &storetest.Faulty{Store: st, BeforeOpen: func(context.Context, int, string) error {
			if n++; n == reads {
				r.finish(t)
			}
			return nil
		}}
		var serial sync.Mutex
		one := &serialized{midway, &serial}
		if report, err := Verify(t.Context(), one); err != nil || !report.OK() {
			t.Fatalf("verify, published before read %d: %v\n%s", reads, err, report.String())
		}
	}
	for reads := 1; reads < 25; reads++ {
		st, r := retried(t, row.JSONL)
		n := 0
		midway := &storetest.Faulty{Store: st, BeforeOpen: func(context.Context, int, string) error {
			if n++; n == reads {
				r.finish(t)
			}
			return nil
		}}
		var serial sync.Mutex
		if err := Merge(t.Context(), &serialized{midway, &serial}, io.Discard, MergeOptions{}); err != nil && !errors.Is(err, ErrIncomplete) {
			t.Fatalf("merge, published before read %d: %v", reads, err)
		}
	}
}

// serialized opens one object at a time.
type serialized struct {
	store.Store
	mu *sync.Mutex
}

func (s *serialized) Open(ctx context.Context, name, etag string) (io.ReadCloser, store.Object, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Store.Open(ctx, name, etag)
}
