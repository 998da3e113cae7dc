package scorer

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// namesOf returns the names of all that a store has.
func namesOf(t *testing.T, st store.Store) (names []string) {
	t.Helper()
	if err := store.Names(t.Context(), st, "", func(name string) error { names = append(names, name); return nil }); err != nil {
		t.Fatal(err)
	}
	return names
}

// TestDependentRowsAreNotKept: rows that depend on which images are scored together are all made again.
func TestDependentRowsAreNotKept(t *testing.T) {
	images, whole := collection(t, 30), new(mem.Store)
	for n := 1; n <= 2; n++ {
		o := after(t, images, whole, n)
		o.Job.DependentRows = true
		if s := mustRun(t, o); s.Images != 30 || s.Increment != nil {
			t.Errorf("night %d: %d own rows, %+v", n, s.Images, s.Increment)
		}
	}
	job, err := output.ReadJob(t.Context(), night(whole, 2))
	if err != nil || job.After == nil || !strings.Contains(job.After.Nothing, "--allow-dependent-rows") {
		t.Errorf("ReadJob() = %+v, %v", job.After, err)
	}
}

// TestLostSourceIsSaid: a night whose rows are in two outputs is not continued if one of them is gone or
// damaged, and nothing is written.
func TestLostSourceIsSaid(t *testing.T) {
	for _, c := range []struct {
		name string
		gone func(name string) bool // of the first night
	}{
		{name: "all", gone: func(string) bool { return true }},
		{name: "the record", gone: func(name string) bool { return strings.HasSuffix(name, "/job.json") }},
		{name: "_SUCCESS", gone: func(name string) bool { return name == output.SuccessName }},
		{name: "a part", gone: func(name string) bool { return strings.HasPrefix(name, "part-00002") }},
	} {
		t.Run(c.name, func(t *testing.T) {
			images, whole := collection(t, 40), new(mem.Store)
			mustRun(t, after(t, images, whole, 1))
			images.Put("new.jpg", picture(t, 50))
			if s := mustRun(t, after(t, images, whole, 2)); s.Increment.Outputs != 2 {
				t.Fatalf("%+v", s.Increment)
			}
			n := 0
			for _, name := range namesOf(t, night(whole, 1)) {
				if c.gone(name) {
					n++
					whole.Remove("runs/night-0001/" + name)
				}
			}
			before := namesOf(t, whole)
			images.Put("newer.jpg", picture(t, 51))
			_, err := Run(t.Context(), after(t, images, whole, 3))
			if n == 0 || !errors.Is(err, output.ErrMismatch) || !strings.Contains(err.Error(), "night-0001") ||
				!strings.Contains(err.Error(), "bring") || !strings.Contains(err.Error(), "without --after") {
				t.Errorf("with %d objects gone, the night ended with %v", n, err)
			}
			if now := namesOf(t, whole); strings.Join(now, "\n") != strings.Join(before, "\n") {
				t.Errorf("it wrote something: %q, not %q", now, before)
			}
		})
	}
}

// TestManyGone: a night of a collection that is there in part is refused before anything is written.
func TestManyGone(t *testing.T) {
	most := func(text string) judge.Most {
		m, err := judge.ParseMost(text)
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	for _, c := range []struct {
		images, gone int
		most         string
		refused      bool
	}{
		{images: 100, gone: 51, refused: true},
		{images: 100, gone: 50},
		{images: 100, gone: 51, most: "100%"},
		{images: 99, gone: 98},
		{images: 20, gone: 3, most: "2", refused: true},
		{images: 20, gone: 3, most: "10%", refused: true},
		{images: 20, gone: 2, most: "10%"},
	} {
		t.Run(fmt.Sprintf("%d of %d with %q", c.gone, c.images, c.most), func(t *testing.T) {
			images, whole := collection(t, c.images), new(mem.Store)
			mustRun(t, after(t, images, whole, 1))
			for i := range c.gone {
				images.Remove(pictureName(i))
			}
			before := len(namesOf(t, whole))
			o := after(t, images, whole, 2)
			o.After.MaxGone = most(c.most)
			s, err := Run(context.Background(), o)
			if !c.refused {
				if err != nil || s.Increment.Gone != c.gone {
					t.Errorf("Run() = %+v, %v", s.Increment, err)
				}
				return
			}
			says := fmt.Sprintf("%d of the %d images", c.gone, c.images)
			if !errors.Is(err, increment.ErrGone) || !strings.Contains(err.Error(), says) || !strings.Contains(err.Error(), "--max-gone 100%") {
				t.Errorf("Run() = %v", err)
			}
			if now := len(namesOf(t, whole)); now != before {
				t.Errorf("%d objects, not %d: it wrote something", now, before)
			}
		})
	}
}

// TestTrialRunIsSkipped: a run of another model in the folder does not make the next night score
// everything.
func TestTrialRunIsSkipped(t *testing.T) {
	images, whole := collection(t, 30), new(mem.Store)
	mustRun(t, after(t, images, whole, 1))
	trial := after(t, images, whole, 2)
	trial.Job.ModelDigest = "sha256:trial"
	if s := mustRun(t, trial); s.Images != 30 {
		t.Fatalf("the trial scored %d images", s.Images)
	}
	other := options(t, images, night(whole, 3))
	other.Job.Images = "elsewhere"
	mustRun(t, other)
	images.Put("new.jpg", picture(t, 50))
	s := mustRun(t, after(t, images, whole, 4))
	if s.Images != 1 || s.Increment == nil || s.Increment.Previous != "../night-0001" {
		t.Errorf("the night scored %d images: %+v", s.Images, s.Increment)
	}
	// One that continues none of them is told why.
	last := after(t, images, whole, 5)
	last.Job.ModelDigest = "sha256:newest"
	if s := mustRun(t, last); s.Images != 31 {
		t.Errorf("the night of a new model scored %d images", s.Images)
	}
}
