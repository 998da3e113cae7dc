package prune

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// runs is a folder of made-up runs.
type runs struct {
	t     testing.TB
	whole store.Store
	ids   map[string]output.Source // by name
	model string
}

func newRuns(t testing.TB, whole store.Store) *runs {
	return &runs{t: t, whole: whole, ids: map[string]output.Source{}, model: "m"}
}

func (r *runs) place(name string) *store.Sub { return store.NewSub(r.whole, name+"/") }

func (r *runs) manifest(entries ...shard.Entry) *shard.Manifest {
	r.t.Helper()
	w := shard.NewWriter(shard.Room{})
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			r.t.Fatal(err)
		}
	}
	m, err := w.Manifest()
	if err != nil {
		r.t.Fatal(err)
	}
	return m
}

func always(m *shard.Manifest) func(context.Context) (*shard.Manifest, error) {
	return func(context.Context) (*shard.Manifest, error) { return m, nil }
}

// begin begins a run that scores one image, and keeps that of each source. A source that ends in
// "!" is copied.
func (r *runs) begin(name string, sources ...string) (output.Job, *shard.Manifest) {
	r.t.Helper()
	ctx, st := r.t.Context(), r.place(name)
	want := output.Job{Images: "/images", Model: "m", ModelDigest: "sha256:" + r.model, Precision: "fp32", Batch: 1, Chunk: 2, TopK: 1, Format: row.JSONL}
	entry := func(n string) shard.Entry { return shard.Entry{Path: n + ".jpg", Size: 5, ETag: "1"} }
	own, all := []shard.Entry{entry(name)}, []shard.Entry{entry(name)}
	if len(sources) > 0 {
		own[0].Why = shard.New
	}
	if len(sources) > 0 {
		want.After = &output.After{Previous: "before", Job: "j"}
	}
	for i, n := range sources {
		n, folded := strings.CutSuffix(n, "!")
		s := r.ids[n]
		s.Folded = folded
		want.After.Sources = append(want.After.Sources, s)
		e := entry(n)
		all = append(all, e)
		if folded {
			e.FromOutput = i + 1
			own = append(own, e)
		}
	}
	for _, list := range [][]shard.Entry{own, all} {
		slices.SortFunc(list, func(a, b shard.Entry) int { return strings.Compare(a.Path, b.Path) })
	}
	job, _, err := output.Join(ctx, st, want)
	if err != nil {
		r.t.Fatal(err)
	}
	if err := Announce(ctx, st, &job, func(err error) { r.t.Error(err) }); err != nil {
		r.t.Fatal(err)
	}
	if len(sources) > 0 {
		for _, freeze := range []func() (*shard.Manifest, error){
			func() (*shard.Manifest, error) { return output.FreezeCollection(ctx, st, always(r.manifest(all...))) },
			func() (*shard.Manifest, error) { return output.FreezeGone(ctx, st, always(r.manifest())) },
		} {
			if _, err := freeze(); err != nil {
				r.t.Fatal(err)
			}
		}
	}
	m, err := output.Freeze(ctx, st, always(r.manifest(own...)))
	if err != nil {
		r.t.Fatal(err)
	}
	return job, m
}

// night makes a complete run.
func (r *runs) night(name string, sources ...string) {
	r.t.Helper()
	job, m := r.begin(name, sources...)
	r.finish(name, job, m)
}

func (r *runs) finish(name string, job output.Job, m *shard.Manifest) {
	r.t.Helper()
	ctx, st := r.t.Context(), r.place(name)
	c := job.Chunks(m.Len())
	for chunk := range c.Count() {
		first, last := c.Range(chunk)
		entries, err := m.Entries(nil, first, last)
		if err != nil {
			r.t.Fatal(err)
		}
		var rows []row.Row
		for _, e := range entries {
			rows = append(rows, row.Row{Path: e.Path, Size: e.Size, Status: row.StatusOK,
				Answer: &row.Classification{Label: "a", Score: 1, TopK: []row.Class{{Label: "a", Score: 1}}}})
		}
		if _, err := output.Commit(ctx, st, &job, m, chunk, rows); err != nil {
			r.t.Fatal(err)
		}
	}
	s, err := output.Finish(ctx, st, job, m, output.FinishOptions{})
	if err != nil {
		r.t.Fatal(err)
	}
	r.ids[name] = output.Source{Place: "../" + name, Job: job.ID, Manifest: s.Digests.Manifest, Parts: s.Digests.Parts, Images: m.Len()}
}

// month makes runs of which each keeps rows of some before it.
func (r *runs) month() {
	r.night("01")
	r.night("02", "01")
	r.night("03", "01", "02")
	r.night("04", "01!", "02!", "03!") // needs none of them now
	r.night("05", "04")
	r.night("06", "04", "05")
	r.night("07", "04", "05!", "06!")
}

func look(t testing.TB, st store.Store, keep int) *Plan {
	t.Helper()
	p, err := Look(t.Context(), st, Rules{Keep: keep})
	if err != nil {
		t.Fatal(err)
	}
	return p
}

func dropped(p *Plan) string {
	all, _ := p.Dropped()
	var names []string
	for _, r := range all {
		names = append(names, r.Name)
	}
	return strings.Join(names, " ")
}

// whole checks that every run with _SUCCESS has all its rows, and returns their names.
func (r *runs) complete() string {
	r.t.Helper()
	var names []string
	if err := store.Folders(r.t.Context(), r.whole, "", func(name string) error {
		if _, err := output.ReadSuccess(r.t.Context(), r.place(name)); err != nil {
			return nil
		}
		names = append(names, name)
		report, err := output.Verify(r.t.Context(), r.place(name))
		if err != nil || !report.OK() || report.Collection != nil && report.Collection.Unproven > 0 {
			r.t.Errorf("run %s: %v\n%s", name, err, report.String())
		}
		return output.Merge(r.t.Context(), r.place(name), new(bytes.Buffer), output.MergeOptions{})
	}); err != nil {
		r.t.Error(err)
	}
	slices.Sort(names)
	return strings.Join(names, " ")
}

// stores are the kinds of place that can be tried everywhere.
var stores = map[string]func(t *testing.T) store.Store{
	"mem": func(*testing.T) store.Store { return new(mem.Store) },
	"dir": func(t *testing.T) store.Store {
		st, err := dir.New(t.TempDir(), dir.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return st
	},
	"Azurite": func(t *testing.T) store.Store {
		server := azuritetest.Start(t)
		return azuritetest.Open(t, server.Options(t, server.Container(t), "nightly/"))
	},
}

func TestPlan(t *testing.T) {
	for name, open := range stores {
		t.Run(name, func(t *testing.T) {
			r := newRuns(t, open(t))
			r.month()
			if _, err := r.whole.Create(t.Context(), "notes/readme.txt", []byte("x")); err != nil {
				t.Fatal(err)
			}
			for keep, want := range map[int]string{1: "01 02 03 05 06", 2: "01 02 03", 4: "01 02 03", 5: ""} {
				if got := dropped(look(t, r.whole, keep)); got != want {
					t.Errorf("with %d kept, %q are dropped, want %q", keep, got, want)
				}
			}
			// Whatever is not complete is kept, with all that it needs: it may still copy rows.
			r.begin("08", "04!", "05!")
			p := look(t, r.whole, 1)
			if got := dropped(p); got != "01 02 03 06" {
				t.Errorf("%q are dropped next to a run that is not complete", got)
			}
			if err := p.Delete(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if got := r.complete(); got != "04 05 07" {
				t.Errorf("%q are left", got)
			}
			left := 0
			for _, gone := range []string{"01", "02", "03", "06"} {
				_ = r.place(gone).List(t.Context(), "", func(store.Object) error { left++; return nil })
			}
			if left > 0 {
				t.Errorf("%d objects are left of what was deleted", left)
			}
			if again := dropped(look(t, r.whole, 1)); again != "" {
				t.Errorf("%q are dropped by another prune", again)
			}
		})
	}
}

// TestOneOutput checks that an output that another one needs is not deleted, and who needs it.
func TestOneOutput(t *testing.T) {
	whole := new(mem.Store)
	r := newRuns(t, store.NewSub(whole, "runs/"))
	r.month()
	if _, err := Look(t.Context(), r.place("04"), Rules{Keep: 1}); !errors.Is(err, ErrNeeded) || !strings.Contains(err.Error(), "../05") {
		t.Errorf("Look() = %v", err)
	}
	r.begin("08", "07")
	if _, err := Look(t.Context(), r.place("08"), Rules{Keep: 1}); !errors.Is(err, output.ErrIncomplete) {
		t.Errorf("Look() of a run that is not complete = %v", err)
	}
	if _, err := Look(t.Context(), r.place("none"), Rules{Keep: 1}); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Look() of nothing = %v", err)
	}
	// 01 is copied by all that came after 03, which need it no more once they are complete.
	for _, name := range []string{"03", "02", "01"} {
		whole.Put("runs/"+name+"/labels.csv", []byte("of the user"))
		whole.Put("runs/"+name+"/part-notes.txt", []byte("of the user"))
		p := look(t, r.place(name), 1)
		if got := dropped(p); got != name || p.Runs[0].Others != 2 {
			t.Fatalf("%q is dropped, %d objects of others", got, p.Runs[0].Others)
		}
		if err := p.Delete(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		var left []string
		_ = whole.List(t.Context(), "runs/"+name+"/", func(o store.Object) error { left = append(left, o.Name); return nil })
		if len(left) != 2 {
			t.Errorf("%q are left, want the files of the user", left)
		}
	}
	if got := r.complete(); got != "04 05 06 07" {
		t.Errorf("%q are left", got)
	}
}

// TestAbandoned checks that a run which was never completed is deleted if nothing has been written
// to it for long enough, by the clock of the store, and only then.
func TestAbandoned(t *testing.T) {
	now := time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC)
	whole := &mem.Store{Now: func() time.Time { return now }}
	r := newRuns(t, store.NewSub(whole, "runs/"))
	r.night("01")
	r.begin("02", "01")
	r.night("03")
	day := 24 * time.Hour
	plan := func(abandoned time.Duration) *Plan {
		t.Helper()
		p, err := Look(t.Context(), store.NewSub(whole, "runs/"), Rules{Keep: 1, Abandoned: abandoned})
		if err != nil {
			t.Fatal(err)
		}
		return p
	}
	now = now.Add(day - time.Second)
	for _, abandoned := range []time.Duration{0, day} {
		if got := dropped(plan(abandoned)); got != "" {
			t.Errorf("%q are dropped", got)
		}
	}
	now = now.Add(time.Minute)
	whole.Put("runs/02/_batchscore/claims/chunk-00000.1", []byte("{}")) // of a worker that lives
	if got := dropped(plan(day)); got != "" {
		t.Errorf("%q are dropped, with somebody at work", got)
	}
	now = now.Add(day)
	if got := dropped(plan(0)); got != "" {
		t.Errorf("%q are dropped by default", got)
	}
	p := plan(day)
	if got := dropped(p); got != "01 02" || !p.Runs[1].Abandoned {
		t.Fatalf("%q are dropped, want what is abandoned and what only that needs", got)
	}
	// Somebody continues it meanwhile, and then a deletion ends once it has left its mark.
	whole.Put("runs/02/_batchscore/claims/chunk-00000.2", []byte("{}"))
	if err := p.Delete(t.Context(), nil); err != nil || r.complete() != "01 03" {
		t.Errorf("Delete() = %v, %s is left", err, r.complete())
	}
	whole.Put("runs/02/"+pruningName, []byte(`{"abandoned":true}`))
	if got := dropped(plan(0)); got != "" {
		t.Errorf("%q are dropped after the mark, with somebody at work", got)
	}
	now = now.Add(day)
	if _, err := Look(t.Context(), r.place("02"), Rules{Abandoned: 2 * day}); !errors.Is(err, output.ErrIncomplete) {
		t.Errorf("Look() of one output = %v", err)
	}
	if err := plan(day).Delete(t.Context(), nil); err != nil || r.complete() != "03" {
		t.Errorf("Delete() = %v, %s is left", err, r.complete())
	}
	_ = whole.List(t.Context(), "runs/02/", func(o store.Object) error { t.Errorf("%s is left", o.Name); return nil })
}

// TestElsewhere checks that an increment outside the folder protects what it needs, as long as it
// exists.
func TestElsewhere(t *testing.T) {
	whole := new(mem.Store)
	r := newRuns(t, store.NewSub(whole, "runs/"))
	r.month()
	other := newRuns(t, store.NewSub(whole, "other/"))
	for name, s := range r.ids {
		s.Place = r.place(name).String()
		other.ids[name] = s
	}
	other.night("x", "03")
	p := look(t, r.whole, 1)
	if got := dropped(p); got != "05 06" {
		t.Errorf("%q are dropped", got)
	}
	if i := slices.IndexFunc(p.Runs, func(r *Run) bool { return r.Name == "03" }); !strings.Contains(p.Runs[i].Keep, "other/x") {
		t.Errorf("03 is kept because %s", p.Runs[i].Keep)
	}
	whole.Remove("other/x/" + jobName)
	if got := dropped(look(t, r.whole, 1)); got != "05 06" {
		t.Errorf("%q are dropped once the other run cannot be found", got)
	}
	p, err := Look(t.Context(), r.whole, Rules{Keep: 1, Forget: []string{other.place("x").String()}})
	if err != nil || dropped(p) != "01 02 03 05 06" {
		t.Errorf("%q are dropped once the other run is forgotten, %v", dropped(p), err)
	}
}

// TestFault50_PruneIsEnded ends a prune before and after each change that it makes. Whatever is left with
// _SUCCESS has all its rows, nobody can continue what has lost it, and another prune ends the work.
func TestFault50_PruneIsEnded(t *testing.T) {
	ended := errors.New("killed")
	for _, after := range []bool{false, true} {
		for n := 0; ; n++ {
			r := newRuns(t, new(mem.Store))
			r.night("01")
			r.night("02", "01")
			r.night("03", "01!", "02!")
			var changes atomic.Int64
			more := func(err error) error {
				if changes.Add(1) > int64(n) {
					return ended
				}
				return err
			}
			faulty := &storetest.Faulty{Store: r.whole, BeforeChange: func(context.Context, string) error { return more(nil) }}
			if after {
				faulty = &storetest.Faulty{Store: r.whole, AfterChange: func(_ string, err error) error { return more(err) }}
			}
			err := look(t, faulty, 1).Delete(t.Context(), nil)
			if err != nil && !errors.Is(err, ended) {
				t.Fatal(err)
			}
			left := r.complete()
			if !strings.HasSuffix(left, "03") {
				t.Fatalf("ended at change %d: %q are complete", n, left)
			}
			if err := look(t, r.whole, 1).Delete(t.Context(), nil); err != nil {
				t.Fatal(err)
			}
			if got := r.complete(); got != "03" {
				t.Fatalf("ended at change %d: in the end %q are complete", n, got)
			}
			objects := 0
			_ = r.whole.List(t.Context(), "", func(o store.Object) error {
				if !strings.HasPrefix(o.Name, "03/") {
					objects++
				}
				return nil
			})
			if objects > 0 {
				t.Fatalf("ended at change %d: %d objects are left", n, objects)
			}
			if err == nil {
				if n < 15 {
					t.Errorf("a prune made only %d changes", n)
				}
				break
			}
		}
	}
}

// TestFault50_RunBeginsMeanwhile lets a run begin at every moment of a prune that keeps rows of an output which is
// deleted. Either it is told, or the output stays.
func TestFault50_RunBeginsMeanwhile(t *testing.T) {
	for moment := range 4 {
		r := newRuns(t, new(mem.Store))
		r.month()
		p := look(t, r.whole, 1)
		begin := func() error {
			st := r.place("08")
			job, _, err := output.Join(t.Context(), st, output.Job{Images: "/images", Model: "m", ModelDigest: "sha256:m", Precision: "fp32",
				Batch: 1, Chunk: 2, TopK: 1, Format: row.JSONL, After: &output.After{Job: "j", Sources: []output.Source{r.ids["06"]}}})
			if err != nil {
				t.Fatal(err)
			}
			return Announce(t.Context(), st, &job, func(err error) { t.Error(err) })
		}
		var told error
		var at atomic.Int64 // objects are deleted at once
		step := func() {
			if at.Add(1) == int64(moment)+1 {
				told = begin()
			}
		}
		faulty := &storetest.Faulty{Store: r.whole,
			BeforeCreate: func(_ context.Context, _ int, name string, _ []byte) error { // of the mark of a deletion
				if strings.HasPrefix(name, "06/") {
					step()
				}
				return nil
			},
			BeforeChange: func(_ context.Context, name string) error {
				if strings.HasPrefix(name, "06/") {
					step()
				}
				return nil
			}}
		for _, run := range p.Runs {
			run.st = store.NewSub(faulty, run.Name+"/")
		}
		if err := p.Delete(t.Context(), nil); err != nil {
			t.Fatal(err)
		}
		_, err := output.ReadSuccess(t.Context(), r.place("06"))
		if kept := err == nil; kept == (told != nil) {
			t.Errorf("moment %d: the output is kept: %t, the run was told %v", moment, kept, told)
		}
		if told != nil && !errors.Is(told, output.ErrIncomplete) {
			t.Errorf("the run was told %v", told)
		}
		if flagged, _ := has(t.Context(), r.place("06"), pruningName); flagged {
			t.Errorf("moment %d: the mark of a deletion is left", moment)
		}
	}
}

// TestAnnounceAgain checks that a run that was ended before it had left its marks leaves them when
// it is started again, and that a place that takes no marks is said.
func TestAnnounceAgain(t *testing.T) {
	r := newRuns(t, new(mem.Store))
	r.month()
	job, _ := r.begin("08", "06", "07")
	for range 2 {
		if err := Announce(t.Context(), r.place("08"), &job, func(err error) { t.Error(err) }); err != nil {
			t.Fatal(err)
		}
	}
	faulty := &storetest.Faulty{Store: r.whole, BeforeCreate: func(context.Context, int, string, []byte) error {
		return fmt.Errorf("%w: read only", store.ErrDenied)
	}}
	job.ID = "another"
	said := 0
	if err := Announce(t.Context(), store.NewSub(faulty, "08/"), &job, func(err error) {
		said++
		if !strings.Contains(err.Error(), "prune") {
			t.Error(err)
		}
	}); err != nil || said != 2 {
		t.Errorf("Announce() = %v, and %d warnings", err, said)
	}
}

// TestAnnounceMarksNoPlaceWithoutOutput: a source that is gone gets no mark, which would make a folder
// of nothing else.
func TestAnnounceMarksNoPlaceWithoutOutput(t *testing.T) {
	whole := new(mem.Store)
	job := output.Job{ID: "me", After: &output.After{Job: "j", Sources: []output.Source{{Place: "../1", Job: "j"}}}}
	err := Announce(t.Context(), store.NewSub(whole, "runs/2/"), &job, func(err error) { t.Error(err) })
	if !errors.Is(err, output.ErrMismatch) || !strings.Contains(err.Error(), "runs/1") {
		t.Errorf("Announce() = %v", err)
	}
	if err := store.Names(t.Context(), whole, "", func(name string) error { t.Errorf("%s was written", name); return nil }); err != nil {
		t.Error(err)
	}
}
