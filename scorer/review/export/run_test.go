package export

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/review/choose"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// names is a Writer that notes what it is given.
type names struct {
	c     Collection
	items []Item
}

func (n *names) Begin(c Collection, _ Folder) error    { n.c = c; return nil }
func (n *names) Add(_ context.Context, it *Item) error { n.items = append(n.items, *it); return nil }
func (n *names) End() error                            { return nil }
func (n *names) ImageName(it *Item) (string, error) {
	return "data/" + RelativeName(it.Entry.Path), nil
}
func (n *names) paths() (all []string) { return pathsOf(n.items) }
func rowsIn(items []*Item) func(context.Context, func(*Item) error) error {
	return func(_ context.Context, fn func(*Item) error) error {
		for _, it := range items {
			if err := fn(it); err != nil {
				return err
			}
		}
		return nil
	}
}

func pathsOf(items []Item) (all []string) {
	for _, it := range items {
		all = append(all, it.Entry.Path)
	}
	return all
}

// some are images of three labels, one of which failed.
func some(n int) []*Item {
	var all []*Item
	for i := range n {
		score := float32(i%10) / 10
		it := image(fmt.Sprintf("%04d.jpg", i), nil, class(i%3, fmt.Sprint("label", i%3), score), class(3, "other", score/2))
		if i%7 == 0 {
			it = image(it.Entry.Path, nil)
		}
		if i%2 == 0 {
			it.Truth = []string{"label1"}
		}
		all = append(all, it)
	}
	return all
}

// run exports to a Writer that notes what it is given.
func run(t *testing.T, items []*Item, s Selection, change ...func(*Request)) (*names, Report, error) {
	t.Helper()
	w := &names{}
	r := Request{Job: &output.Job{Images: "/photos"}, Select: s, Rows: rowsIn(items), HasTruth: true,
		Format: Format{Name: "test", Failed: true, New: func() Writer { return w }}}
	for _, c := range change {
		c(&r)
	}
	report, err := Run(t.Context(), &r, memory{})
	return w, report, err
}

// TestSelection checks which images conditions take.
func TestSelection(t *testing.T) {
	items := some(210)
	for name, c := range map[string]struct {
		s    Selection
		want func(it *Item, label string, score, margin float32, ok bool) bool
	}{
		"all": {s: Selection{}, want: func(*Item, string, float32, float32, bool) bool { return true }},
		"label": {s: Selection{Labels: []string{"label1", "none"}},
			want: func(_ *Item, label string, _, _ float32, ok bool) bool { return ok && label == "label1" }},
		"score": {s: Selection{Score: &Range{From: 0.3, To: 0.7}},
			want: func(_ *Item, _ string, s, _ float32, ok bool) bool { return ok && s > 0.29 && s < 0.71 }},
		"margin": {s: Selection{Margin: &Range{To: 0.1}}, want: func(_ *Item, _ string, _, m float32, ok bool) bool { return ok && m <= 0.1 }},
		"wrong": {s: Selection{Wrong: true}, want: func(it *Item, label string, _, _ float32, ok bool) bool {
			return ok && it.Truth != nil && label != "label1"
		}},
		"match": {s: Selection{Match: func(r *row.Row) bool { return r.Status != row.StatusOK }},
			want: func(_ *Item, _ string, _, _ float32, ok bool) bool { return !ok }},
	} {
		t.Run(name, func(t *testing.T) {
			var want []string
			for _, it := range items {
				label, score, ok := it.Label()
				if c.want(it, label, score, score/2, ok) {
					want = append(want, it.Entry.Path)
				}
			}
			w, report, err := run(t, items, c.s)
			if err != nil {
				t.Fatal(err)
			}
			if got := w.paths(); !slices.Equal(got, want) || len(want) == 0 {
				t.Errorf("took %d images, want %d: %q", len(got), len(want), got)
			}
			if report.Rows != 210 || report.Written != len(want) || report.Taken != len(want) || w.c.Images != len(want) {
				t.Errorf("the report is %+v, and Images %d", report, w.c.Images)
			}
			var labels []string
			for _, it := range w.items {
				label, _, ok := it.Label()
				if ok {
					labels = append(labels, label)
				}
				labels = append(labels, it.Truth...)
			}
			slices.Sort(labels)
			if labels = slices.Compact(labels); !slices.Equal(labels, w.c.Labels) {
				t.Errorf("Labels are %q, want %q", w.c.Labels, labels)
			}
			if want := []string{"label0", "label1", "label2", "other"}; !slices.Equal(w.c.Classes, want) {
				t.Errorf("Classes are %q, want %q", w.c.Classes, want)
			}
			for i, label := range w.c.Labels {
				if want := slices.Index([]string{"label0", "label1", "label2", "other"}, label); w.c.ClassIDs[i] != want {
					t.Errorf("%s is class %d, want %d", label, w.c.ClassIDs[i], want)
				}
			}
		})
	}
}

// TestClassIDs checks the numbers of classes: the lowest where several are called the same,
// and -1 for a label that only people use.
func TestClassIDs(t *testing.T) {
	items := []*Item{image("a.jpg", []string{"crane", "by people"}, class(9, "crane", 0.9), class(7, "crane", 0.1)), image("b.jpg", nil, class(8, "crane", 0.9))}
	w, _, err := run(t, items, Selection{})
	if err != nil || !slices.Equal(w.c.Labels, []string{"by people", "crane"}) || !slices.Equal(w.c.ClassIDs, []int{-1, 7}) {
		t.Errorf("the labels %q have the numbers %d, %v", w.c.Labels, w.c.ClassIDs, err)
	}
}

// TestSample checks that samples are those of the lowest hashes, in manifest order, at most
// so many of each label, and the smaller a part of the larger.
func TestSample(t *testing.T) {
	items := some(500)
	lowest := func(n int, seed uint64, of func(it *Item) bool) []string {
		var all []string
		for _, it := range items {
			if of(it) {
				all = append(all, it.Entry.Path)
			}
		}
		slices.SortFunc(all, func(a, b string) int {
			x, y := choose.Hash(a, seed), choose.Hash(b, seed)
			return strings.Compare(string(x[:]), string(y[:]))
		})
		all = all[:min(n, len(all))]
		slices.Sort(all)
		return all
	}
	every := func(*Item) bool { return true }
	for _, n := range []int{1, 20, 100, 499, 500, 1000} {
		w, _, err := run(t, items, Selection{Sample: n, Seed: 7})
		if want := lowest(n, 7, every); err != nil || !slices.Equal(w.paths(), want) {
			t.Errorf("a sample of %d is %q, %v, want %q", n, w.paths(), err, want)
		}
	}
	group := func(it *Item) string {
		if label, _, ok := it.Label(); ok {
			return label
		}
		return it.Row.Status
	}
	perClass := func(n int) (all []string) {
		for _, label := range []string{"label0", "label1", "label2", "corrupt"} {
			all = append(all, lowest(n, 0, func(it *Item) bool { return group(it) == label })...)
		}
		slices.Sort(all)
		return all
	}
	w, _, err := run(t, items, Selection{PerClass: 5})
	if want := perClass(5); err != nil || !slices.Equal(w.paths(), want) || len(want) != 20 {
		t.Errorf("5 of each label are %q, %v, want %q", w.paths(), err, want)
	}
	for _, c := range []struct{ of, n int }{{of: 5, n: 8}, {of: 1, n: 3}, {of: 2, n: 7}, {of: 9, n: 4}, {of: 3, n: 1000}} {
		w, _, err = run(t, items, Selection{PerClass: c.of, Sample: c.n})
		some := perClass(c.of)
		if want := lowest(c.n, 0, func(it *Item) bool { return slices.Contains(some, it.Entry.Path) }); err != nil || !slices.Equal(w.paths(), want) {
			t.Errorf("%d of %d of each label are %q, %v, want %q", c.n, c.of, w.paths(), err, want)
		}
	}
}

// TestRun_Errors checks exports that cannot be right.
func TestRun_Errors(t *testing.T) {
	_, report, err := run(t, some(10), Selection{Labels: []string{"none"}})
	if !errors.Is(err, ErrNone) || report.Rows != 10 {
		t.Errorf("no image: %v, %+v", err, report)
	}
	_, report, err = run(t, []*Item{image("a.jpg", nil)}, Selection{}, func(r *Request) { r.Format.Failed = false })
	if !errors.Is(err, ErrNone) || report.Failed != 1 {
		t.Errorf("only failed images: %v, %+v", err, report)
	}
	passes := 0
	_, _, err = run(t, nil, Selection{}, func(r *Request) {
		r.Rows = func(ctx context.Context, fn func(*Item) error) error {
			passes++
			return rowsIn(some(10*passes))(ctx, fn)
		}
	})
	if !errors.Is(err, output.ErrIncomplete) {
		t.Errorf("an output that grows: %v", err)
	}
}

// photos is a place with images under names, and their items.
func photos(t *testing.T, n int) (store.Store, []*Item) {
	t.Helper()
	place := &mem.Store{}
	var items []*Item
	for i := range n {
		name := fmt.Sprintf("%03d.png", i)
		o, err := place.Create(t.Context(), name, picture(t, 10+i, 20))
		if err != nil {
			t.Fatal(err)
		}
		it := image(name, nil, class(0, "cat", 0.5))
		it.Entry = shard.Entry{Path: name, Size: o.Size, ETag: o.ETag}
		items = append(items, it)
	}
	return place, items
}

// TestImages checks what formats get that need more than rows, and that images which are
// not those that were scored are left out and counted.
func TestImages(t *testing.T) {
	place, items := photos(t, 150)
	items[3].Entry.ETag = "another"
	items[5].Entry.Path = "gone.png"
	for _, needs := range []Needs{Sizes, Files, Bodies} {
		to := memory{}
		w := &names{}
		var left []string
		r := Request{Job: &output.Job{Images: "/photos"}, Rows: rowsIn(items), Images: place, Format: Format{Needs: needs, New: func() Writer { return w }},
			LeftOut: func(e shard.Entry, err error) { left = append(left, e.Path) }, Decode: preprocess.Options{MaxPixels: 1 << 20}}
		report, err := Run(t.Context(), &r, &locked{Folder: to})
		if err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(left, []string{"003.png", "gone.png"}) || report.Changed != 1 || report.Gone != 1 || report.Unread != 0 || report.Written != 148 {
			t.Errorf("needs %d: left out %q, %+v", needs, left, report)
		}
		if !slices.IsSorted(w.paths()) || len(w.items) != 148 {
			t.Errorf("needs %d: %d images, in another order than that of the manifest", needs, len(w.items))
		}
		for _, it := range w.items {
			var i int
			if _, err := fmt.Sscanf(it.Entry.Path, "%03d.png", &i); err != nil || it.Width != 10+i || it.Height != 20 {
				t.Fatalf("needs %d: %s has %d x %d pixels", needs, it.Entry.Path, it.Width, it.Height)
			}
			if (it.Body != nil) != (needs == Bodies) || (it.File != "") != (needs == Files) {
				t.Fatalf("needs %d: the body has %d bytes, the file is %q", needs, len(it.Body), it.File)
			}
			if needs == Files && int64(to[it.File].Len()) != it.Entry.Size {
				t.Fatalf("%s has %d bytes, want %d", it.File, to[it.File].Len(), it.Entry.Size)
			}
		}
	}
}

// TestResizedCopies checks that copies of images which have another size than those that were scored
// are left out, and not cut.
func TestResizedCopies(t *testing.T) {
	for _, needs := range []Needs{Sizes, Files, Bodies} {
		place, items := photos(t, 4)
		items[1].Entry.Size--
		items[2].Entry.Size++
		w := &names{}
		r := Request{Job: &output.Job{Images: "/photos"}, Rows: rowsIn(items), Images: place, Format: Format{Needs: needs, New: func() Writer { return w }},
			AnyVersion: true, Decode: preprocess.Options{MaxPixels: 1 << 20}}
		report, err := Run(t.Context(), &r, &locked{Folder: memory{}})
		if err != nil || !slices.Equal(w.paths(), []string{"000.png", "003.png"}) || report.Changed != 2 {
			t.Errorf("needs %d: %q are exported, %+v, %v", needs, w.paths(), report, err)
		}
	}
}

// TestLocal_Killed checks that the folder of an export that was killed is removed by the next one
// to the same path, and that of one that is going on is not.
func TestLocal_Killed(t *testing.T) {
	parent := t.TempDir()
	begin := func(name string) *Local {
		t.Helper()
		l, err := NewLocal(filepath.Join(parent, name))
		if err != nil {
			t.Fatal(err)
		}
		return l
	}
	killed, going, other := begin("x"), begin("x"), begin("y")
	if len(going.Removed) != 0 || !slices.Equal(going.Left, []string{killed.work}) {
		t.Errorf("with one going on, it removed %q and left %q", going.Removed, going.Left)
	}
	if err := errors.Join(killed.locked.Close(), other.locked.Close()); err != nil { // as the end of a process does
		t.Fatal(err)
	}
	mine := filepath.Join(parent, ".x.partial-mine")
	unlocked := filepath.Join(parent, ".x.partial-ABCDEFGHIJ") // of which nobody knows
	if err := errors.Join(os.Mkdir(mine, 0o700), os.Mkdir(unlocked, 0o700)); err != nil {
		t.Fatal(err)
	}
	next := begin("x")
	left := []string{going.work, unlocked}
	slices.Sort(left)
	if !slices.Equal(next.Removed, []string{killed.work}) || !slices.Equal(next.Left, left) {
		t.Errorf("it removed %q and left %q, want %q and %q", next.Removed, next.Left, killed.work, left)
	}
	for path, want := range map[string]bool{killed.work: false, going.work: true, other.work: true, mine: true, unlocked: true} {
		if _, err := os.Stat(path); (err == nil) != want {
			t.Errorf("%s: %v, want it to be there: %v", path, err, want)
		}
	}
	if err := errors.Join(next.Keep(), next.Close()); err != nil {
		t.Fatal(err)
	}
	if files, err := os.ReadDir(filepath.Join(parent, "x")); err != nil || len(files) != 0 {
		t.Errorf("the export has %v, %v", files, err)
	}
}

// TestLocal checks that a folder appears whole or not at all, and mixes with nothing.
func TestLocal(t *testing.T) {
	parent := t.TempDir()
	path := filepath.Join(parent, "new", "export")
	begin := func() *Local {
		t.Helper()
		l, err := NewLocal(path)
		if err != nil {
			t.Fatal(err)
		}
		f, err := l.Create("a/b/c.txt")
		if err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(f, "text"); err != nil || f.Close() != nil {
			t.Fatal(err)
		}
		return l
	}
	l := begin()
	for _, name := range []string{"../out", "/out", "a/../../out", "a/b/c.txt"} {
		if _, err := l.Create(name); err == nil {
			t.Errorf("%s was created", name)
		}
	}
	if err := l.Link("az://acme/photos/x", "x"); err == nil {
		t.Error("a link to object storage was made")
	}
	if err := l.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 0 {
		t.Errorf("an export that ended early left %v, %v", left, err)
	}
	l = begin()
	if err := errors.Join(l.Link("/photos/x.jpg", "a/x.jpg"), l.Keep(), l.Close()); err != nil {
		t.Fatal(err)
	}
	if body, err := os.ReadFile(filepath.Join(path, "a/b/c.txt")); err != nil || string(body) != "text" {
		t.Errorf("the file holds %q, %v", body, err)
	}
	if to, err := os.Readlink(filepath.Join(path, "a/x.jpg")); err != nil || to != "/photos/x.jpg" {
		t.Errorf("the link leads to %q, %v", to, err)
	}
	if _, err := NewLocal(path); !errors.Is(err, ErrTaken) {
		t.Errorf("a folder that has files: %v", err)
	}
	if left, err := os.ReadDir(filepath.Dir(path)); err != nil || len(left) != 1 {
		t.Errorf("besides the export there is %v, %v", left, err)
	}
}
