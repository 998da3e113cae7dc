package scorer

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
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

// wholeMerge returns the rows of the collection of an output as one file.
func wholeMerge(t testing.TB, st store.Store, f row.Format) string {
	t.Helper()
	ctx := context.Background()
	job, done, err := output.Settled(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]row.Row{}
	add := func(st store.Store) {
		if err := output.Results(ctx, st, func(e shard.Entry, r row.Row) error {
			rows[e.Path] = r
			return nil
		}); err != nil {
			t.Fatal(err)
		}
	}
	if job.After != nil {
		for _, s := range job.After.Sources {
			if s.Folded {
				continue
			}
			src, err := s.Open(st)
			if err != nil {
				t.Fatal(err)
			}
			add(src)
		}
	}
	add(st)
	all, err := done.Collection(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	defer all.Close()
	schema := job.Schema()
	schema.Format = f
	var b bytes.Buffer
	w, err := schema.NewWriter(&b)
	if err != nil {
		t.Fatal(err)
	}
	statuses := map[string]int{}
	for at := shard.NewWalk(all); !at.Done; at.Next() {
		r, ok := rows[at.Path]
		if !ok {
			t.Fatalf("no output has a row of %q", at.Path)
		}
		statuses[r.Status]++
		if err := w.Write([]row.Row{r}); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	if got := done.AllStatuses(); fmt.Sprint(got) != fmt.Sprint(statuses) {
		t.Errorf("_SUCCESS says %v, the rows %v", got, statuses)
	}
	failed, err := done.FailedImages(ctx, st)
	if err != nil {
		t.Fatal(err)
	}
	defer failed.Close()
	for at := shard.NewWalk(failed); !at.Done; at.Next() {
		if rows[at.Path].Status != at.Status || at.Status == row.StatusOK {
			t.Errorf("the list of failed images says %s of %q, its row %s", at.Status, at.Path, rows[at.Path].Status)
		}
		statuses[at.Status]--
	}
	for status, n := range statuses {
		if status != row.StatusOK && n != 0 {
			t.Errorf("the list of failed images lacks %d with the status %s", n, status)
		}
	}
	return b.String()
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
	if s.Images != 0 || s.Chunks != 0 || i == nil || i.Kept != 41 || i.Images != 41 || i.Failed != 1 || s.Failed != 1 {
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
