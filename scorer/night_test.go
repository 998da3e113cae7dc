package scorer

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
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
