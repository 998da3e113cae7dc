package output

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/shard"
)

// chain is a made-up sequence of increments in one store.
type chain struct {
	whole   *mem.Store
	format  row.Format
	nights  int
	sources []Source
	images  map[string]shard.Entry // the last collection
	where   map[string]int         // the source that has the row of an image, its number from 1
}

func newChain(f row.Format) *chain {
	return &chain{whole: new(mem.Store), format: f, images: map[string]shard.Entry{}, where: map[string]int{}}
}

func (c *chain) place(n int) *store.Sub { return store.NewSub(c.whole, fmt.Sprintf("runs/%02d/", n)) }

func sealed(t testing.TB, entries []shard.Entry) *shard.Manifest {
	t.Helper()
	w := shard.NewWriter(room)
	for _, e := range entries {
		if err := w.Add(e); err != nil {
			t.Fatal(err)
		}
	}
	m, err := w.Manifest()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(m.Close)
	return m
}

func inOrderOfPaths(images map[string]shard.Entry) []shard.Entry {
	return slices.SortedFunc(maps.Values(images), func(a, b shard.Entry) int { return strings.Compare(a.Path, b.Path) })
}

// night makes the output of a night with those images. The sources in fold are copied.
func (c *chain) night(t testing.TB, images map[string]shard.Entry, fold ...int) run {
	t.Helper()
	c.nights++
	st := c.place(c.nights)
	want := testJob(c.format)
	var gone []shard.Entry
	for _, e := range inOrderOfPaths(c.images) {
		if _, still := images[e.Path]; !still {
			gone = append(gone, e)
		}
	}
	if c.nights > 1 {
		want.After = &After{Previous: "runs", Job: c.sources[len(c.sources)-1].Job, Sources: slices.Clone(c.sources)}
		for _, n := range fold {
			want.After.Sources[n-1].Folded = true
		}
	}
	var own []shard.Entry
	where := map[string]int{}
	all := inOrderOfPaths(images)
	for _, e := range all {
		at := c.where[e.Path]
		switch was := c.images[e.Path]; {
		case at > 0 && was == e && !slices.Contains(fold, at):
			where[e.Path] = at
			continue
		case at > 0 && was == e:
			m, err := ReadManifest(t.Context(), c.place(at))
			if err != nil {
				t.Fatal(err)
			}
			i, ok, err := m.Find(e.Path)
			if !ok || err != nil {
				t.Fatal(ok, err)
			}
			m.Close()
			e.FromOutput, e.FromRow = at, i
		case at > 0:
			e.Why = shard.Changed
		case c.nights > 1:
			e.Why = shard.New
		}
		own = append(own, e)
		where[e.Path] = len(c.sources) + 1
	}
	j, _, err := Join(t.Context(), st, want)
	if err != nil {
		t.Fatal(err)
	}
	m := sealed(t, own)
	if _, err := Freeze(t.Context(), st, freeze(m)); err != nil {
		t.Fatal(err)
	}
	if want.After != nil {
		for name, m := range map[string]*shard.Manifest{collectionName: sealed(t, all), goneName: sealed(t, gone)} {
			if _, err := store.CreateFrom(t.Context(), st, name, m.Encode); err != nil {
				t.Fatal(err)
			}
		}
	}
	r := run{st, j, m, j.Chunks(m.Len())}
	for chunk := range r.c.Count() {
		r.commit(t, chunk)
	}
	s := r.finish(t)
	c.sources = append(c.sources, Source{Place: st.String(), Job: j.ID, Manifest: s.Digests.Manifest, Parts: s.Digests.Parts, Images: m.Len()})
	c.images, c.where = maps.Clone(images), where
	return r
}

// change returns the images of the next night: some are added, removed or replaced.
func change(rnd *rand.Rand, images map[string]shard.Entry) map[string]shard.Entry {
	next := map[string]shard.Entry{}
	maps.Copy(next, images)
	for _, e := range inOrderOfPaths(images) {
		name := e.Path
		switch rnd.IntN(12) {
		case 0:
			delete(next, name)
		case 1:
			e.Size, e.ETag = e.Size+1000, e.ETag+"+"
			next[name] = e
		}
	}
	for range rnd.IntN(60) {
		name := fmt.Sprintf("images/%06d.jpg", rnd.IntN(900))
		if _, ok := images[name]; !ok {
			next[name] = shard.Entry{Path: name, Size: int64(10 + rnd.IntN(50)), ETag: "first"}
		}
	}
	return next
}

func mergedAs(t testing.TB, st store.Store, opt MergeOptions) string {
	t.Helper()
	var b bytes.Buffer
	if err := Merge(t.Context(), st, &b, opt); err != nil {
		t.Fatal(err)
	}
	return b.String()
}

// full returns a store with the output of one job that scores the images, in chunks of another
// size.
func full(t testing.TB, f row.Format, images map[string]shard.Entry) store.Store {
	t.Helper()
	st, want := new(mem.Store), testJob(f)
	want.Chunk = 37
	j, _, err := Join(t.Context(), st, want)
	if err != nil {
		t.Fatal(err)
	}
	m := sealed(t, inOrderOfPaths(images))
	if _, err := Freeze(t.Context(), st, freeze(m)); err != nil {
		t.Fatal(err)
	}
	r := run{st, j, m, j.Chunks(m.Len())}
	for chunk := range r.c.Count() {
		r.commit(t, chunk)
	}
	r.finish(t)
	return st
}

// TestMergeOfIncrement checks that the rows of an increment are those that one job which scores
// the whole collection writes, byte for byte.
func TestMergeOfIncrement(t *testing.T) {
	for _, f := range formats {
		t.Run(string(f), func(t *testing.T) {
			rnd := rand.New(rand.NewPCG(1, 2))
			c := newChain(f)
			images := change(rnd, change(rnd, change(rnd, nil)))
			c.night(t, images)
			for n := 2; n <= 7; n++ {
				images = change(rnd, images)
				if n == 4 {
					images = maps.Clone(c.images) // nothing happened
				}
				var fold []int
				if n == 6 {
					fold = []int{2, 4, 5}
				}
				c.night(t, images, fold...)
				verifyOK(t, c.place(n))
				once := full(t, f, images)
				for _, as := range formats {
					opt := MergeOptions{Format: as, Absolute: n%2 == 0}
					if got, want := mergedAs(t, c.place(n), opt), mergedAs(t, once, opt); got != want {
						t.Errorf("night %d as %s: %d bytes, want %d, of one job", n, as, len(got), len(want))
					}
				}
				if n == 6 {
					// The rows of folded outputs are copied.
					for _, folded := range fold {
						c.remove(folded)
					}
					if report := verifyOK(t, c.place(n)); report.Copied == 0 || report.CopiedAlone != report.Copied {
						t.Errorf("the report on copied rows is %+v", report)
					}
					mergedAs(t, c.place(n), MergeOptions{})
					break
				}
			}
		})
	}
}

// TestLookup finds each row of a chain of increments, one of which is folded, and of a full output.
func TestLookup(t *testing.T) {
	rnd := rand.New(rand.NewPCG(3, 4))
	c := newChain(row.JSONL)
	images := change(rnd, change(rnd, change(rnd, nil)))
	c.night(t, images)
	for n := 2; n <= 5; n++ {
		images = change(rnd, images)
		var fold []int
		if n == 5 {
			fold = []int{2}
		}
		c.night(t, images, fold...)
	}
	c.remove(2)
	outputs := map[int]bool{}
	for _, st := range []store.Store{c.place(5), full(t, row.JSONL, images)} {
		l, err := OpenLookup(t.Context(), st)
		if err != nil {
			t.Fatal(err)
		}
		i := 0
		if err := Results(t.Context(), st, func(e shard.Entry, want row.Row) error {
			at, err := l.Find(i)
			if err != nil {
				return err
			}
			rows, err := l.Rows(t.Context(), at)
			if err != nil {
				return err
			}
			if image, err := l.Images().At(i); err != nil || image.Path != e.Path || image.ETag != e.ETag {
				t.Errorf("image %d is %+v, want that of %+v (%v)", i, image, e, err)
			}
			if got := rows[at.Row]; got.Path != want.Path || got.Size != want.Size || got.Status != want.Status {
				t.Errorf("row %d at %+v: %+v, want %+v", i, at, got, want)
			}
			outputs[at.Output] = true
			i++
			return nil
		}); err != nil || i != l.Images().Len() {
			t.Errorf("%d rows of %d: %v", i, l.Images().Len(), err)
		}
		l.Close()
	}
	if len(outputs) < 4 {
		t.Errorf("rows are in %d outputs, want 4 for the test to mean something", len(outputs))
	}
	c.remove(1)
	if l, err := OpenLookup(t.Context(), c.place(5)); !errors.Is(err, ErrMismatch) || l != nil {
		t.Errorf("without a source: %v, want ErrMismatch", err)
	}
}

// verifyOK checks that an increment and all that it keeps are right.
func verifyOK(t testing.TB, st store.Store) *CollectionReport {
	t.Helper()
	report, err := Verify(t.Context(), st)
	if err != nil || !report.OK() || !report.Complete || report.Collection == nil || report.Collection.Unproven > 0 {
		t.Fatalf("Verify() = %v\n%s", err, report.String())
	}
	return report.Collection
}

// remove removes the output of a night.
func (c *chain) remove(n int) {
	_ = c.whole.List(context.Background(), c.place(n).Folder(), func(o store.Object) error {
		c.whole.Remove(o.Name)
		return nil
	})
}

// TestNewRows checks that the new rows of an increment are those that it scored.
func TestNewRows(t *testing.T) {
	c := newChain(row.JSONL)
	images := map[string]shard.Entry{}
	for _, name := range numbered(20) {
		images[name] = shard.Entry{Path: name, Size: 10, ETag: "1"}
	}
	c.night(t, images)
	delete(images, numbered(20)[3])
	images["images/new.jpg"] = shard.Entry{Path: "images/new.jpg", Size: 7, ETag: "1"}
	c.night(t, images, 1)
	var names []string
	if err := NewRows(t.Context(), c.place(2), func(r row.Row) error {
		names = append(names, r.Path)
		return nil
	}); err != nil || !slices.Equal(names, []string{"images/new.jpg"}) {
		t.Errorf("NewRows() = %q, %v", names, err)
	}
	if got := mergedAs(t, c.place(2), MergeOptions{OnlyNew: true}); strings.Count(got, "\n") != 1 {
		t.Errorf("the merge of new rows is %q", got)
	}
}

// TestFault50_SourceDamaged checks that rows of an earlier output that is not what it was are never
// handed on, and that the error names it and says what to do.
func TestFault50_SourceDamaged(t *testing.T) {
	part := "part-00000.jsonl"
	for name, damage := range map[string]func(t *testing.T, whole *mem.Store){
		"part gone":          func(_ *testing.T, whole *mem.Store) { whole.Remove("runs/01/" + part) },
		"_SUCCESS gone":      func(_ *testing.T, whole *mem.Store) { whole.Remove("runs/01/_SUCCESS") },
		"record gone":        func(_ *testing.T, whole *mem.Store) { whole.Remove("runs/01/" + jobName) },
		"digests gone":       func(_ *testing.T, whole *mem.Store) { whole.Remove("runs/01/" + digestsName) },
		"digests altered":    func(_ *testing.T, whole *mem.Store) { whole.Put("runs/01/"+digestsName, []byte("x")) },
		"manifest gone":      func(_ *testing.T, whole *mem.Store) { whole.Remove("runs/01/" + manifestName) },
		"another in place":   func(t *testing.T, whole *mem.Store) { whole.Remove("runs/01/" + jobName); other(t, whole) },
		"rows of part other": func(t *testing.T, whole *mem.Store) { alter(t, whole, "runs/01/"+part) },
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(row.JSONL)
			images := map[string]shard.Entry{}
			for _, name := range numbered(20) {
				images[name] = shard.Entry{Path: name, Size: 10, ETag: "1"}
			}
			c.night(t, images)
			images["images/new.jpg"] = shard.Entry{Path: "images/new.jpg", Size: 7, ETag: "1"}
			c.night(t, images)
			damage(t, c.whole)
			err := Merge(t.Context(), c.place(2), new(bytes.Buffer), MergeOptions{})
			if !errors.Is(err, ErrMismatch) || errors.Is(err, store.ErrNotExist) || errors.Is(err, ErrIncomplete) ||
				!strings.Contains(err.Error(), "runs/01") || !strings.Contains(err.Error(), "without --after") {
				t.Errorf("Merge() = %v", err)
			}
			report, err := Verify(t.Context(), c.place(2))
			if err != nil || report.Found[Unkept] != 1 || len(report.Found) != 1 || report.Collection.Unproven == 0 ||
				!errors.Is(report.Err(), ErrMismatch) || !strings.Contains(report.Err().Error(), "without --after") {
				t.Errorf("Verify() = %v\n%s\n%v", err, report.String(), report.Err())
			}
			if done, err := Repair(t.Context(), c.place(2)); err != nil || len(done.Aside)+len(done.Rebuilt) > 0 ||
				(len(done.Sources) == 1) == (name == "rows of part other") || done.Missing > 0 {
				t.Errorf("Repair() = %v\n%s", err, done.String())
			}
			if report, err := VerifyOwn(t.Context(), c.place(2)); err != nil || !report.OK() || !report.Collection.Skipped {
				t.Errorf("VerifyOwn() = %v\n%s", err, report.String())
			}
		})
	}
}

// other makes another job's output of the first night.
func other(t *testing.T, whole *mem.Store) {
	for _, name := range []string{"_SUCCESS", manifestName, digestsName, failedName} {
		whole.Remove("runs/01/" + name)
	}
	_ = whole.List(t.Context(), "runs/01/part-", func(o store.Object) error {
		whole.Remove(o.Name)
		return nil
	})
	complete(t, store.NewSub(whole, "runs/01/"), testJob(row.JSONL), 20)
}

// alter replaces a label in a part.
func alter(t *testing.T, whole *mem.Store, name string) {
	body, _, err := store.ReadAll(t.Context(), whole, name, 1<<20)
	if err != nil || !bytes.Contains(body, []byte("class, 0")) {
		t.Fatal(err, string(body))
	}
	whole.Put(name, bytes.Replace(body, []byte("class, 0"), []byte("class, 2"), 1))
}

// TestVerifyIncrement damages an increment in every way that concerns its collection.
func TestVerifyIncrement(t *testing.T) {
	for name, test := range map[string]struct {
		damage func(t *testing.T, c *chain)
		kind   Kind
		says   string
	}{
		"no collection": {damage: func(_ *testing.T, c *chain) { c.whole.Remove("runs/02/" + collectionName) }, kind: Damaged, says: "is gone"},
		"torn collection": {damage: func(_ *testing.T, c *chain) {
			c.whole.Put("runs/02/"+collectionName, []byte("{"))
		}, kind: Damaged, says: "corrupt"},
		"no list of images that are gone": {damage: func(_ *testing.T, c *chain) { c.whole.Remove("runs/02/" + goneName) }, kind: Damaged, says: "is gone"},
		"others are gone": {damage: func(t *testing.T, c *chain) {
			c.put(t, goneName, sealed(t, []shard.Entry{{Path: "x", Size: 1, ETag: "1"}}))
		}, kind: Altered, says: "images that are gone: it says 0, there is 1"},
		"another image in the collection": {damage: func(t *testing.T, c *chain) {
			c.put(t, collectionName, sealed(t, append(inOrderOfPaths(c.images), shard.Entry{Path: "z", Size: 1, ETag: "1"})))
		}, kind: Missing, says: "no output has a row for this image"},
		"an image less in the collection": {damage: func(t *testing.T, c *chain) {
			c.put(t, collectionName, sealed(t, inOrderOfPaths(c.images)[:20]))
		}, kind: Altered, says: "digest of the collection"},
		"another version in the collection": {damage: func(t *testing.T, c *chain) {
			all := inOrderOfPaths(c.images)
			all[4].ETag = "newer"
			c.put(t, collectionName, sealed(t, all))
		}, kind: Altered, says: "that of another version of the image"},
		"a copied row": {damage: func(t *testing.T, c *chain) {
			// The digests of the increment match the altered row, so only the source can tell.
			alter(t, c.whole, "runs/02/part-00000.jsonl")
			c.reseal(t)
		}, kind: Altered, says: "differs from the one that it was copied from"},
		"counts": {damage: func(t *testing.T, c *chain) {
			c.recount(t, func(i *Increment) { i.New++ })
		}, kind: Altered, says: "images scored: it says 11, there is 10"},
		"statuses": {damage: func(t *testing.T, c *chain) {
			c.recount(t, func(i *Increment) { i.Statuses = map[string]int{"ok": i.Images} })
		}, kind: Altered, says: "failed images in _batchscore/failed.jsonl: it says 0"},
		"outputs": {damage: func(t *testing.T, c *chain) { c.recount(t, func(i *Increment) { i.Outputs = 9 }) }, kind: Altered, says: "outputs with rows"},
	} {
		t.Run(name, func(t *testing.T) {
			c := newChain(row.JSONL)
			images := map[string]shard.Entry{}
			for _, name := range numbered(12) {
				images[name] = shard.Entry{Path: name, Size: 10, ETag: "1"}
			}
			c.night(t, images)
			c.nightAfterFolding(t, images)
			verifyOK(t, c.place(2))
			test.damage(t, c)
			report, err := Verify(t.Context(), c.place(2))
			if err != nil || report.Found[test.kind] == 0 || !strings.Contains(report.String(), test.says) || report.Err() == nil {
				t.Errorf("Verify() = %v\n%s", err, report.String())
			}
		})
	}
}

// nightAfterFolding makes a night that copies all rows, and scores ten new images.
func (c *chain) nightAfterFolding(t *testing.T, images map[string]shard.Entry) {
	t.Helper()
	next := maps.Clone(images)
	for i := range 10 {
		name := fmt.Sprintf("new/%d.jpg", i)
		next[name] = shard.Entry{Path: name, Size: 7, ETag: "1"}
	}
	c.night(t, next, 1)
}

func (c *chain) put(t *testing.T, name string, m *shard.Manifest) {
	t.Helper()
	var text bytes.Buffer
	if err := m.Encode(&text); err != nil {
		t.Fatal(err)
	}
	c.whole.Put("runs/02/"+name, text.Bytes())
}

// recount changes what _SUCCESS says of the collection.
func (c *chain) recount(t *testing.T, change func(*Increment)) {
	t.Helper()
	s, err := ReadSuccess(t.Context(), c.place(2))
	if err != nil {
		t.Fatal(err)
	}
	change(s.Increment)
	body, err := encodeRecord(&s)
	if err != nil {
		t.Fatal(err)
	}
	c.whole.Put("runs/02/"+SuccessName, body)
}

// reseal makes the digests of the second night match its parts.
func (c *chain) reseal(t *testing.T) {
	t.Helper()
	s, err := ReadSuccess(t.Context(), c.place(2))
	if err != nil {
		t.Fatal(err)
	}
	var lines []byte
	for i := range s.Chunks {
		name := s.partNames().Name(i)
		body, _, err := store.ReadAll(t.Context(), c.place(2), name, 1<<20)
		if err != nil {
			t.Fatal(err)
		}
		lines = appendDigest(lines, hexDigest(body), name)
	}
	c.whole.Put("runs/02/"+digestsName, lines)
	s.Digests.Parts = digest(lines)
	body, err := encodeRecord(&s)
	if err != nil {
		t.Fatal(err)
	}
	c.whole.Put("runs/02/"+SuccessName, body)
}

// TestRepairLists checks that a list which can be made again is: that of failed images from the
// rows, that of images that are gone from the collections. Until then nothing relies on it.
func TestRepairLists(t *testing.T) {
	other := func(t *testing.T) []byte {
		var text bytes.Buffer
		if err := sealed(t, []shard.Entry{{Path: "x", Size: 1, ETag: "1", Status: "not_image"}}).Encode(&text); err != nil {
			t.Fatal(err)
		}
		return text.Bytes()
	}
	for damage, change := range map[string]func(t *testing.T, whole *mem.Store, name string){
		"missing": func(_ *testing.T, whole *mem.Store, name string) { whole.Remove(name) },
		"torn":    func(_ *testing.T, whole *mem.Store, name string) { whole.Put(name, []byte(`{"path":"`)) },
		"another": func(t *testing.T, whole *mem.Store, name string) { whole.Put(name, other(t)) },
	} {
		for _, list := range []struct {
			night int
			name  string
		}{{night: 1, name: failedName}, {night: 2, name: failedName}, {night: 2, name: goneName}} {
			t.Run(fmt.Sprintf("%s of night %d %s", strings.TrimPrefix(list.name, Folder), list.night, damage), func(t *testing.T) {
				c := newChain(row.JSONL)
				images := map[string]shard.Entry{}
				for _, name := range numbered(20) {
					images[name] = shard.Entry{Path: name, Size: 10, ETag: "1"}
				}
				c.night(t, images)
				delete(images, numbered(20)[3])
				images["images/new.jpg"] = shard.Entry{Path: "images/new.jpg", Size: 7, ETag: "1"}
				c.night(t, images)
				st := c.place(list.night)
				name := st.Folder() + list.name
				before, _, err := store.ReadAll(t.Context(), c.whole, name, 1<<20)
				if err != nil {
					t.Fatal(err)
				}
				change(t, c.whole, name)
				if report, err := Verify(t.Context(), st); err != nil || report.OK() {
					t.Errorf("Verify() = %v\n%s", err, report.String())
				}
				if list.name == failedName {
					_, _, err := c.sources[list.night-1].OpenCollection(t.Context(), c.place(3))
					if !errors.Is(err, ErrMismatch) || !strings.Contains(err.Error(), "to repair it: batchscore repair "+st.String()) {
						t.Errorf("OpenCollection() = %v", err)
					}
				}
				done, err := Repair(t.Context(), st)
				if err != nil || !slices.Equal(done.Rebuilt, []string{list.name}) || len(done.Aside) == 0 == (damage != "missing") {
					t.Errorf("Repair() = %v\n%s", err, done.String())
				}
				if after, _, err := store.ReadAll(t.Context(), c.whole, name, 1<<20); err != nil || !bytes.Equal(before, after) {
					t.Errorf("the list is %q, %v; want %q", after, err, before)
				}
				if report, err := Verify(t.Context(), st); err != nil || !report.OK() {
					t.Errorf("Verify() = %v\n%s", err, report.String())
				}
				if list.night == 2 {
					change(t, c.whole, name)
					c.remove(1)
					if done, err := Repair(t.Context(), st); err != nil || len(done.Left) != 1 || len(done.Rebuilt) > 0 || !strings.Contains(done.Left[0], "runs/01") {
						t.Errorf("Repair() without the first night = %v\n%s", err, done.String())
					}
				}
			})
		}
	}
}
