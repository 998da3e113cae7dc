package scorer

import (
	"bytes"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/prune"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// night returns the place of the output of a night.
func night(whole *mem.Store, n int) store.Store {
	return store.NewSub(whole, fmt.Sprintf("runs/night-%04d/", n))
}

// after returns options that continue the last output of the folder of all nights.
func after(t testing.TB, images *mem.Store, whole *mem.Store, n int) Options {
	o := options(t, images, night(whole, n))
	o.After = &After{Place: "memory/runs"}
	return o
}

// wholeMerge returns the rows of the collection of an output as one file, once it has checked them.
func wholeMerge(t testing.TB, st store.Store, f row.Format) string {
	t.Helper()
	report, err := output.Verify(t.Context(), st)
	if err != nil || !report.OK() || !report.Complete {
		t.Errorf("Verify() = %v\n%s", err, report.String())
	}
	var text bytes.Buffer
	if err := output.Merge(t.Context(), st, &text, output.MergeOptions{Format: f}); err != nil {
		t.Fatal(err)
	}
	return text.String()
}

// TestNightScoresWhatIsNew plays three nights: nothing but what is new or changed is read.
func TestNightScoresWhatIsNew(t *testing.T) {
	images, whole := collection(t, 40), new(mem.Store)
	if s := mustRun(t, after(t, images, whole, 1)); s.Images != 40 || s.Increment != nil {
		t.Fatalf("the first night: %d images, %+v", s.Images, s.Increment)
	}
	images.Put(pictureName(7), picture(t, 1007))
	images.Put("new.jpg", picture(t, 50))
	images.Put("bad.jpg", []byte("no picture"))
	images.Remove(pictureName(8))
	s := mustRun(t, after(t, images, whole, 2))
	i := s.Increment
	if s.Images != 3 || i == nil || i.New != 2 || i.Changed != 1 || i.Gone != 1 || i.Kept != 38 || i.Images != 41 || i.Failed != 1 {
		t.Fatalf("the second night: %d own rows, %+v", s.Images, i)
	}
	s = mustRun(t, after(t, images, whole, 3))
	i = s.Increment
	if s.Images != 0 || s.Chunks != 0 || i == nil || i.Kept != 41 || i.Images != 41 || i.Failed != 1 || s.Failed != 0 || s.AllFailed() != 1 {
		t.Fatalf("the third night: %d own rows, %+v", s.Images, i)
	}
	for _, f := range []row.Format{row.JSONL, row.CSV, row.Parquet} {
		full := night(whole, 9000)
		o := options(t, images, full)
		if f == row.JSONL {
			mustRun(t, o)
		}
		if wholeMerge(t, night(whole, 3), f) != wholeMerge(t, full, f) {
			t.Errorf("%s: the rows of the third night are not those of a job that scores all", f)
		}
	}
}

// TestNightRetries scores kept images with a status again, and renames by content.
func TestNightRetries(t *testing.T) {
	images, whole := collection(t, 30), new(mem.Store)
	images.Put("bad.jpg", []byte("no picture"))
	mustRun(t, after(t, images, whole, 1))
	o := after(t, images, whole, 2)
	o.Retry = row.Selection{row.AnyFailure}
	all, err := row.ParseSelection(row.AnyFailure, row.FailureStatuses())
	if err != nil {
		t.Fatal(err)
	}
	o.Retry = all
	s := mustRun(t, o)
	if s.Images != 1 || s.Increment.Retried != 1 || s.Increment.Kept != 30 || s.Increment.Failed != 1 {
		t.Fatalf("%d own rows, %+v", s.Images, s.Increment)
	}
	images.Put("new.jpg", picture(t, 50))
	if s = mustRun(t, after(t, images, whole, 3)); s.Increment.Copied != 1 || s.Images != 2 || s.Increment.Outputs != 2 {
		t.Fatalf("the second night is not folded: %d own rows, %+v", s.Images, s.Increment)
	}
	if text := wholeMerge(t, night(whole, 3), row.JSONL); strings.Count(text, "\n") != 32 {
		t.Errorf("%d rows", strings.Count(text, "\n"))
	}
}

// TestNightReusesContent: where MD5 is known, a new image takes the row of an earlier one with the
// same content, wherever that row lies, and no row of a failed image is taken.
func TestNightReusesContent(t *testing.T) {
	images, whole := &mem.Store{MD5: true}, new(mem.Store)
	for i := range 30 {
		images.Put(pictureName(i), picture(t, i))
	}
	images.Put("bad.jpg", []byte("no picture"))
	play := func(n int, want output.Increment) {
		t.Helper()
		o := after(t, images, whole, n)
		o.After.ReuseByContent = true
		s := mustRun(t, o)
		if i := s.Increment; n > 1 && (i == nil || i.New != want.New || i.Changed != want.Changed || i.Renamed != want.Renamed || i.Gone != want.Gone) {
			t.Errorf("night %d: %+v, want %+v", n, i, want)
		}
		full := store.NewSub(whole, fmt.Sprintf("full-%d/", n))
		mustRun(t, options(t, images, full))
		if wholeMerge(t, night(whole, n), row.JSONL) != wholeMerge(t, full, row.JSONL) {
			t.Errorf("night %d: the rows are not those of a job that scores all", n)
		}
	}
	play(1, output.Increment{})
	images.Remove(pictureName(1))
	images.Put("a/moved.jpg", picture(t, 1))
	images.Put("bad copy.jpg", []byte("no picture"))
	play(2, output.Increment{New: 1, Renamed: 1, Gone: 1})
	// Moved again: the row is in the second output. Two images change places.
	images.Remove("a/moved.jpg")
	images.Put("z/moved.jpg", picture(t, 1))
	images.Put(pictureName(2), picture(t, 3))
	images.Put(pictureName(3), picture(t, 2))
	play(3, output.Increment{Changed: 2, Renamed: 1, Gone: 1})
	// Of what was replaced the row is still there for another name.
	images.Put(pictureName(4), picture(t, 400))
	images.Put("kept/4.jpg", picture(t, 4))
	play(4, output.Increment{Changed: 1, Renamed: 1})
	play(5, output.Increment{})
}

// TestFewNewImagesWakeNobody: one broken image of a night with few new ones is no reason to end
// with an error, unless a number is given.
func TestFewNewImagesWakeNobody(t *testing.T) {
	images, whole := collection(t, 40), new(mem.Store)
	mustRun(t, after(t, images, whole, 1))
	play := func(n int, limits string) (log string, err error) {
		o := after(t, images, whole, n)
		o.MaxErrors = limit(t, limits)
		var lines bytes.Buffer
		o.Log = zerolog.New(zerolog.SyncWriter(&lines))
		_, err = Run(t.Context(), o)
		return lines.String(), err
	}
	for i, limits := range []string{"", "1%", "not_image=0%"} {
		n := i + 2
		images.Put("bad.jpg", fmt.Appendf(nil, "no picture, %d", n))
		log, err := play(n, limits)
		if err != nil || strings.Count(log, `"event":"failures_few"`) != 1 || !strings.Contains(log, "1 of 1 (not_image 1)") {
			t.Errorf("with %q the night ended with %v and the log\n%s", limits, err, log)
		}
		if log, err = play(n, limits); err != nil {
			t.Errorf("with %q the night again ended with %v and the log\n%s", limits, err, log)
		}
	}
	images.Put("bad.jpg", []byte("no picture, with a number"))
	for range 2 {
		if log, err := play(5, "0"); !errors.Is(err, ErrTooManyFailed) || strings.Contains(log, "failures_few") {
			t.Errorf("with a number the night ended with %v and the log\n%s", err, log)
		}
	}
	for i := range 30 {
		images.Put(fmt.Sprintf("more-%d.jpg", i), []byte("no picture"))
	}
	if _, err := play(6, "10%"); !errors.Is(err, ErrTooManyFailed) {
		t.Errorf("a night of which 30 of 30 new images failed ended with %v", err)
	}
	if _, err := play(7, "0"); err != nil {
		t.Errorf("a night without new images ended with %v: failed rows that are kept count", err)
	}
}

// TestRetriedImagesWakeNobody: images that are scored again and fail as before do not count.
func TestRetriedImagesWakeNobody(t *testing.T) {
	images, whole := collection(t, 40), new(mem.Store)
	for i := range 30 {
		images.Put(fmt.Sprintf("bad-%d.jpg", i), []byte("no picture"))
	}
	mustRun(t, after(t, images, whole, 1))
	images.Put("new.jpg", picture(t, 50))
	o := after(t, images, whole, 2)
	o.Retry = row.Selection{"not_image"}
	o.MaxErrors = limit(t, "0")
	if s := mustRun(t, o); s.Increment.Retried != 30 || s.Increment.New != 1 {
		t.Errorf("%+v", s.Increment)
	}
}

// limit reads limits.
func limit(t testing.TB, text string) judge.Limits {
	t.Helper()
	l, err := judge.ParseLimits(text)
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// lateNights is a random history of a collection and its nights.
type lateNights struct {
	t      *rapid.T
	images *mem.Store
	whole  *mem.Store
	names  []string // that may exist
	made   int
}

// change adds, removes, replaces and renames images.
func (h *lateNights) change(n int) {
	for range n {
		name := rapid.SampledFrom(h.names).Draw(h.t, "name")
		switch rapid.SampledFrom([]string{"add", "add", "remove", "break", "copy"}).Draw(h.t, "change") {
		case "add":
			h.made++
			h.images.Put(name, picture(testingTB, h.made))
		case "remove":
			h.images.Remove(name)
		case "break":
			h.images.Put(name, []byte("no picture"))
		case "copy":
			if r, _, err := h.images.Open(context.Background(), name, ""); err == nil {
				body, _ := io.ReadAll(r)
				h.images.Put(rapid.SampledFrom(h.names).Draw(h.t, "to"), body)
			}
		}
	}
}

// testingTB is for helpers that need a testing.TB where a rapid.T runs.
var testingTB testing.TB

// TestPropertyNights plays random nights, some of which are killed, with ranks in number that
// changes, with retries in place and prunes in between. The collections of the last one and of some
// others have the rows of one job that scores all.
func TestPropertyNights(t *testing.T) {
	testingTB = t
	fewerChecks(t)
	rapid.Check(t, func(rt *rapid.T) {
		h := &lateNights{t: rt, images: &mem.Store{MD5: rapid.Bool().Draw(rt, "md5")}, whole: new(mem.Store)}
		for i := range 24 {
			h.names = append(h.names, pictureName(i))
		}
		h.images.Put("always.jpg", picture(t, 999))
		h.change(20)
		nights := rapid.IntRange(2, 5).Draw(rt, "nights")
		for n := 1; n <= nights; n++ {
			h.change(rapid.IntRange(0, 6).Draw(rt, "changes"))
			h.play(n)
			if rapid.Bool().Draw(rt, "retry in place") {
				h.retryInPlace(n)
			}
			if rapid.Bool().Draw(rt, "prune") {
				h.prune(rapid.IntRange(1, 3).Draw(rt, "keep"))
			}
			if n == nights {
				h.compare(n, row.JSONL, row.CSV, row.Parquet)
			} else if rapid.IntRange(0, 2).Draw(rt, "compare") == 0 {
				h.compare(n, row.JSONL)
			}
		}
	})
}

// fewerChecks has rapid check a property 40 times where its flag does not say how often: 100 times
// these nights take half a minute of a processor under the race detector. Each run of the tests
// draws others.
func fewerChecks(t *testing.T) {
	const name = "rapid.checks"
	if f := flag.Lookup(name); f.Value.String() == f.DefValue {
		if err := flag.Set(name, "40"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = flag.Set(name, f.DefValue) })
	}
}

// compare compares the collection of a night with the rows of one job that scores all.
func (h *lateNights) compare(n int, formats ...row.Format) {
	full := store.NewSub(h.whole, fmt.Sprintf("full/%d/", n))
	o := options(testingTB, h.images, full)
	o.MaxErrors, o.Log = judge.None, zerolog.Nop()
	mustRun(testingTB, o)
	for _, f := range formats {
		if got, want := wholeMerge(testingTB, night(h.whole, n), f), wholeMerge(testingTB, full, f); got != want {
			h.t.Fatalf("%s: the collection of night %d is not that of a job that scores all:\n%s\nwant\n%s", f, n, got, want)
		}
	}
}

// retryInPlace scores failed images of the last night again, in its own parts.
func (h *lateNights) retryInPlace(n int) {
	o := options(testingTB, h.images, night(h.whole, n))
	o.MaxErrors, o.Log, o.Retry = judge.None, zerolog.Nop(), row.Selection{"not_image"}
	if _, err := Run(context.Background(), o); err != nil {
		h.t.Fatalf("retry of night %d in place: %v", n, err)
	}
}

// prune deletes what the last nights do not need.
func (h *lateNights) prune(keep int) {
	plan, err := prune.Look(context.Background(), store.NewSub(h.whole, "runs/"), prune.Rules{Keep: keep})
	if err == nil {
		err = plan.Delete(context.Background(), nil)
	}
	if err != nil {
		h.t.Fatalf("prune: %v", err)
	}
	for _, r := range plan.Runs {
		if r.Deleted {
			continue
		}
		if report, err := output.Verify(context.Background(), store.NewSub(h.whole, "runs/"+r.Name+"/")); err != nil || !report.OK() {
			h.t.Fatalf("%s after a prune: %v\n%s", r.Name, err, report.String())
		}
	}
}

// play runs a night, on several ranks, after it was killed at a few writes.
func (h *lateNights) play(n int) {
	retry := rapid.Bool().Draw(h.t, "retry")
	reuse := rapid.Bool().Draw(h.t, "reuse")
	begin := func(out store.Store, world shard.World) error {
		o := options(testingTB, h.images, out)
		o.Log = zerolog.Nop()
		o.World, o.MaxErrors = world, judge.None
		o.After = &After{Place: "memory/runs", Asked: increment.Asked{ReuseByContent: reuse}}
		if retry {
			o.Retry = row.Selection{"not_image"}
		}
		_, err := Run(context.Background(), o)
		return err
	}
	for range rapid.IntRange(0, 1).Draw(h.t, "kills") {
		writes := rapid.IntRange(0, 12).Draw(h.t, "writes")
		dies := mortal(night(h.whole, n), writes, rapid.Bool().Draw(h.t, "last"))
		if err := begin(dies, shard.World{Size: 1}); err == nil {
			break
		}
		// What a killed worker held is taken over at once.
		h.forgetClaims(n)
	}
	ranks := rapid.IntRange(1, 4).Draw(h.t, "ranks")
	var g errgroup.Group
	for r := range ranks {
		g.Go(func() error { return begin(night(h.whole, n), shard.World{Rank: r, Size: ranks}) })
	}
	if err := g.Wait(); err != nil {
		h.t.Fatalf("night %d: %v", n, err)
	}
}

// forgetClaims removes the claims of workers that were killed.
func (h *lateNights) forgetClaims(n int) {
	st := night(h.whole, n)
	var names []string
	_ = st.List(context.Background(), output.Folder+"claims/", func(o store.Object) error {
		names = append(names, o.Name)
		return nil
	})
	for _, name := range names {
		h.whole.Remove(fmt.Sprintf("runs/night-%04d/%s", n, name))
	}
}
