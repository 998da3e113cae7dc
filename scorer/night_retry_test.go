package scorer

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// anyFailure returns what --retry failed selects.
func anyFailure(t testing.TB) row.Selection {
	t.Helper()
	all, err := row.ParseSelection(row.AnyFailure, row.FailureStatuses())
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// foldedNight plays two nights: the second copies the row of an image that failed, and scores 20
// new images.
func foldedNight(t *testing.T) (images, whole *mem.Store) {
	t.Helper()
	images, whole = collection(t, 4), new(mem.Store)
	images.Put("bad.jpg", []byte("no picture"))
	mustRun(t, after(t, images, whole, 1))
	for i := range 20 {
		images.Put(fmt.Sprintf("new%02d.jpg", i), picture(t, 100+i))
	}
	return images, whole
}

// newRows returns how many rows merge --new-rows writes.
func newRows(t *testing.T, st store.Store) int {
	t.Helper()
	var b bytes.Buffer
	if err := output.Merge(t.Context(), st, &b, output.MergeOptions{Format: row.JSONL, OnlyNew: true}); err != nil {
		t.Fatal(err)
	}
	return strings.Count(b.String(), "\n")
}

// TestRetryInPlaceOfAnIncrement: what an increment copied stays copied when some of its images are
// scored again in place, whether their rows were copied or not.
func TestRetryInPlaceOfAnIncrement(t *testing.T) {
	images, whole := foldedNight(t)
	images.Put("newbad.jpg", []byte("no picture, and new"))
	if s := mustRun(t, after(t, images, whole, 2)); s.Increment.Copied != 5 || newRows(t, night(whole, 2)) != 21 {
		t.Fatalf("the second night: %d new rows, %+v", newRows(t, night(whole, 2)), s.Increment)
	}
	o := options(t, images, night(whole, 2))
	o.Retry = anyFailure(t)
	s := mustRun(t, o)
	if i := s.Increment; i.Copied != 4 || i.Retried != 1 || i.New != 21 || i.Failed != 2 || s.Retry.Images != 2 {
		t.Errorf("after the retry: %+v, %+v", i, s.Retry)
	}
	if n := newRows(t, night(whole, 2)); n != 22 {
		t.Errorf("%d new rows after a retry of one of them and of a copied one", n)
	}
	images.Put("newbad.jpg", picture(t, 7))
	images.Put("bad.jpg", picture(t, 8))
	o = options(t, images, night(whole, 2))
	o.Retry = anyFailure(t)
	if s := mustRun(t, o); s.Failed != 0 || s.Increment.Copied != 4 {
		t.Errorf("after the second retry: %d failed, %+v", s.Failed, s.Increment)
	}
	full := store.NewSub(whole, "full/")
	mustRun(t, options(t, images, full))
	if wholeMerge(t, night(whole, 2), row.JSONL) != wholeMerge(t, full, row.JSONL) {
		t.Error("the rows are not those of a job that scores all")
	}
	images.Put("later.jpg", picture(t, 9))
	if s := mustRun(t, after(t, images, whole, 3)); s.Increment.New != 1 || s.Increment.Changed != 0 || s.Increment.Failed != 0 {
		t.Errorf("the night after: %+v", s.Increment)
	}
	wholeMerge(t, night(whole, 3), row.JSONL)
}

// changing is a store in which something happens when an image is opened first.
type changing struct {
	*mem.Store
	once sync.Once
	name string
	do   func()
}

func (c *changing) Open(ctx context.Context, name, etag string) (readCloser, store.Object, error) {
	if name == c.name {
		c.once.Do(c.do)
	}
	return c.Store.Open(ctx, name, etag)
}

// TestNoDriftAfterARetryOfAnIncrement: the images that a retry in place scored are compared as it
// found them.
func TestNoDriftAfterARetryOfAnIncrement(t *testing.T) {
	images, whole := collection(t, 40), new(mem.Store)
	mustRun(t, after(t, images, whole, 1))
	images.Put("new.jpg", picture(t, 101))
	o := after(t, images, whole, 2)
	o.Images = &changing{Store: images, name: "new.jpg", do: func() { images.Put("new.jpg", picture(t, 102)) }}
	o.Job.Images = images.String()
	if s := mustRun(t, o); s.Drift == nil || s.Drift.Changed != 1 || s.Statuses[row.StatusChanged] != 1 {
		t.Fatalf("the second night: drift %v, %v", s.Drift, s.Statuses)
	}
	for range 2 {
		o = options(t, images, night(whole, 2))
		o.Retry, o.StrictDrift = anyFailure(t), true
		if s := mustRun(t, o); s.Failed != 0 || s.Drift == nil || *s.Drift != (output.Drift{}) {
			t.Errorf("after the retry: drift %v, %d failed", s.Drift, s.Failed)
		}
	}
	if s, err := output.ReadSuccess(t.Context(), night(whole, 2)); err != nil || s.Drift == nil || *s.Drift != (output.Drift{}) {
		t.Errorf("_SUCCESS has drift %v, %v", s.Drift, err)
	}
}

// TestAdviceForKeptFailures: what a complete increment advises for its failed images scores them.
func TestAdviceForKeptFailures(t *testing.T) {
	images, whole := collection(t, 40), new(mem.Store)
	images.Put("bad.jpg", []byte("no picture"))
	mustRun(t, after(t, images, whole, 1))
	play := func(n int, o Options) (string, output.Success) {
		var lines bytes.Buffer
		o.Log = zerolog.New(&lines)
		s := mustRun(t, o)
		if stored, err := output.ReadSuccess(t.Context(), night(whole, n)); err != nil || stored.Failed != row.Failed(stored.Statuses) {
			t.Errorf("night %d: _SUCCESS has %d failed of %v, %v", n, stored.Failed, stored.Statuses, err)
		}
		return lines.String(), s
	}
	images.Put("new.jpg", picture(t, 101))
	mustRun(t, after(t, images, whole, 2))
	advice := "another --out with --after " + night(whole, 2).String() + " --retry failed"
	log, _ := play(2, after(t, images, whole, 2))
	if !strings.Contains(log, "1 failed (not_image 1); their rows are in earlier outputs; "+advice+" scores them again") {
		t.Errorf("the same command again says\n%s", log)
	}
	o := after(t, images, whole, 2)
	o.Retry = anyFailure(t)
	log, s := play(2, o)
	if s.Retry != nil || !strings.Contains(log, "the rows of the 1 images with this status are in earlier outputs") {
		t.Errorf("a retry in place: %+v\n%s", s.Retry, log)
	}
	images.Put("worse.jpg", []byte("no picture either"))
	mustRun(t, after(t, images, whole, 3))
	if log, s = play(3, after(t, images, whole, 3)); s.Failed != 1 || s.AllFailed() != 2 ||
		!strings.Contains(log, "2 failed (not_image 2); the same command with --retry failed scores 1 of them again") {
		t.Errorf("the third night: %d of %d failed\n%s", s.Failed, s.AllFailed(), log)
	}
	o = after(t, images, whole, 4)
	o.Retry = anyFailure(t)
	if _, s = play(4, o); s.Increment.Retried != 2 {
		t.Errorf("a retry in another output: %+v", s.Increment)
	}
}

// TestCopiedRowsAreNoNews: an image that failed on an earlier night is no failure of this one
// because its row is copied.
func TestCopiedRowsAreNoNews(t *testing.T) {
	images, whole := foldedNight(t)
	o := after(t, images, whole, 2)
	o.Failed = func(rows []row.Row) { t.Errorf("%s failed, whose row was copied", rows[0].Path) }
	if s := mustRun(t, o); s.Increment.Copied != 5 || s.Statuses["not_image"] != 1 {
		t.Errorf("the second night: %v, %+v", s.Statuses, s.Increment)
	}
	if counted := o.Counters.Snapshot().Statuses; counted["ok"] != 20 || counted["not_image"] != 0 {
		t.Errorf("counted as scored: %v", counted)
	}
}

// TestCopiedRowsAreNotSuspects: the search for an image that workers die on leaves copied rows out.
func TestCopiedRowsAreNotSuspects(t *testing.T) {
	c := &chunk{entries: make([]shard.Entry, 2), rows: []row.Row{{Status: row.StatusOK}, {Status: row.StatusOK}}}
	for i := range c.entries {
		c.entries[i].FromOutput = 1
	}
	progress := &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}}
	s := &search{isolator: &isolator{filler: &filler{progress: progress}}, batch: &batch{chunk: c}}
	if err := s.try(t.Context(), 0, 2); err != nil || c.rows[0].Status != row.StatusOK {
		t.Errorf("try() = %v, %v", err, c.rows)
	}
}
