package serve

import (
	"context"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review"
	"github.com/batchscore/batchscore/scorer/scratch"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// increment begins a job that keeps 18 rows of another: image 5 is gone, 7 is another one now, and
// one is new. Both outputs are in whole.
func increment(t testing.TB, whole *mem.Store) *job {
	t.Helper()
	first := &job{t: t, out: count(store.NewSub(whole, "runs/01/")), images: count(new(mem.Store))}
	first.begin(20)
	first.finish(0)
	success, err := output.ReadSuccess(t.Context(), first.out)
	if err != nil {
		t.Fatal(err)
	}
	entries, err := first.m.Entries(nil, 0, first.m.Len())
	if err != nil {
		t.Fatal(err)
	}
	gone := []shard.Entry{entries[5]}
	body := photo(t, 70)
	o, err := store.Replace(t.Context(), *first.images.now.Load(), entries[7].Path, body, entries[7].ETag)
	if err != nil {
		t.Fatal(err)
	}
	entries[7].Size, entries[7].ETag, entries[7].Why = int64(len(body)), o.ETag, shard.Changed
	fresh := shard.Entry{Path: "images/00050.jpg", Size: int64(len(body)), Why: shard.New}
	if o, err = first.images.Create(t.Context(), fresh.Path, body); err != nil {
		t.Fatal(err)
	}
	fresh.ETag = o.ETag
	own := []shard.Entry{entries[7], fresh}
	all := append(slices.Delete(slices.Clone(entries), 5, 6), fresh)
	for i := range all {
		all[i].Why = ""
	}
	sealed := func(entries []shard.Entry) *shard.Manifest {
		w := shard.NewWriter(scratch.Room())
		for _, e := range entries {
			if err := w.Add(e); err != nil {
				t.Fatal(err)
			}
		}
		m, err := w.Manifest()
		if err != nil {
			t.Fatal(err)
		}
		return m
	}
	j := &job{t: t, out: count(store.NewSub(whole, "runs/02/")), images: first.images}
	j.join(&output.After{Previous: "runs", Job: first.record.ID, Sources: []output.Source{{
		Place: first.out.String(), Job: first.record.ID, Manifest: success.Digests.Manifest, Parts: success.Digests.Parts, Images: first.m.Len(),
	}}})
	for _, f := range []struct {
		freeze func(context.Context, store.Store, func(context.Context) (*shard.Manifest, error)) (*shard.Manifest, error)
		of     []shard.Entry
	}{{freeze: output.FreezeCollection, of: all}, {freeze: output.FreezeGone, of: gone}} {
		m, err := f.freeze(t.Context(), j.out, func(context.Context) (*shard.Manifest, error) { return sealed(f.of), nil })
		if err != nil {
			t.Fatal(err)
		}
		m.Close()
	}
	j.freeze(sealed(own))
	return j
}

// TestIncrementShowsItsWholeCollection follows an increment: first its own rows are shown, and then
// those of all images, which are in two outputs.
func TestIncrementShowsItsWholeCollection(t *testing.T) {
	whole := new(mem.Store)
	j := increment(t, whole)
	s := startJob(j)
	p := s.await("the manifest", func(p seen) bool { return p.Images == 2 })
	if p.Collection != nil || p.After != "runs" {
		t.Errorf("while it runs: %+v, %+v", p, p.Collection)
	}
	before := p.Edition
	j.finish(0)
	p = s.await("all rows", func(p seen) bool { return p.Collection != nil && p.Collection.Shown })
	if p.Rows != 20 || p.Images != 2 || p.Collection.Images != 20 || p.Collection.Text != "18 kept, 1 new, 1 changed, 1 gone" || p.Collection.Read != 20 {
		t.Errorf("all rows: %+v, %+v", p, p.Collection)
	}
	if p.Failed != 3 || !slices.Equal(p.Statuses, []counted{{"ok", 17}, {"not_image", 3}}) || len(p.Failures) != 3 || !p.Failures[0].At.IsZero() {
		t.Errorf("failures: %d, %v, %+v", p.Failed, p.Statuses, p.Failures)
	}
	findings, _, err := review.Collect(t.Context(), j.out, review.Options{PerGallery: 20, Seed: sampleSeed})
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range findings.Labels {
		if !slices.Contains(p.Labels, counted{l.Label, l.Images}) {
			t.Errorf("%d rows have the label %q; the page says %v", l.Images, l.Label, p.Labels)
		}
	}
	var want, got []string
	for _, g := range findings.Galleries {
		for _, one := range g.Pictures {
			if g.ID == "random" {
				want = append(want, one.Path)
			}
		}
	}
	a := decode[answer](s, "/rows?order=sample")
	for _, r := range a.Rows {
		got = append(got, r.Path)
	}
	if !slices.Equal(got, want) || len(got) != 20 || a.Edition != p.Edition || p.Edition == before {
		t.Errorf("a sample of edition %d (%d): %q, want %q", a.Edition, p.Edition, got, want)
	}
	// Row 8 was row 9 of the other output; row 6 is that of the image that has changed, row 19 that of the new one.
	for row, want := range map[int]details{
		0: {Path: hostile, Label: "label 0"}, 8: {Path: "images/00009.jpg", Label: "label 0"}, 9: {Path: "images/00010.jpg", Status: "not_image"},
		6: {Path: "images/00007.jpg", Label: "label 0"}, 19: {Path: "images/00050.jpg", Label: "label 1"},
	} {
		d := decode[details](s, fmt.Sprint("/row?row=", row, "&edition=", p.Edition))
		if d.Path != want.Path || d.Label != want.Label || want.Status != "" && d.Status != want.Status || d.Status == "" {
			t.Errorf("row %d: %+v, want %+v", row, d, want)
		}
		if r := s.get(fmt.Sprint("/image?size=small&row=", row)); (r.code == http.StatusOK) != (want.Status == "") {
			t.Errorf("the picture of row %d: %d %.100q", row, r.code, r.body)
		}
	}
	// A page that shows what was shown before asks for rows by numbers that mean others now.
	for _, ask := range []string{"/row?row=0", "/image?size=small&row=0"} {
		if r := s.get(fmt.Sprint(ask, "&edition=", before)); r.code != http.StatusConflict {
			t.Errorf("%s of another edition: %d, want 409", ask, r.code)
		}
	}
}

// TestIncrementWithoutASource says what is missing, and shows its own rows.
func TestIncrementWithoutASource(t *testing.T) {
	whole := new(mem.Store)
	j := increment(t, whole)
	j.finish(0)
	whole.Remove("runs/01/_SUCCESS")
	s := startJob(j)
	p := s.await("what is missing", func(p seen) bool { return p.Trouble != "" })
	if !strings.Contains(p.Trouble, "Rows of other outputs are not shown") || !strings.Contains(p.Trouble, "runs/01") {
		t.Errorf("the trouble is %q", p.Trouble)
	}
	if p.Rows != 2 || p.Failed != 0 || p.Collection == nil || p.Collection.Shown || p.Collection.Images != 20 {
		t.Errorf("without a source: %+v, %+v", p, p.Collection)
	}
}
