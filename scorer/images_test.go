package scorer

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/listing"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// freezeJob begins a job and stops it once its manifest is frozen.
func freezeJob(t *testing.T, images, out store.Store) {
	t.Helper()
	stop := make(chan struct{})
	close(stop)
	o := options(t, images, out)
	o.Stop = stop
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrStopped) {
		t.Fatalf("Run() = %v, want ErrStopped", err)
	}
}

// rows returns all rows of an output by path.
func rows(t *testing.T, out store.Store) map[string]row.Row {
	t.Helper()
	all := map[string]row.Row{}
	err := output.Rows(t.Context(), out, func(r row.Row) error {
		name, err := r.Name()
		if _, double := all[name]; double {
			t.Errorf("two rows for %q", name)
		}
		all[name] = r
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

// classified returns the answer in a row of an output.
func classified(r row.Row) *row.Classification { return r.Answer.(*row.Classification) }

func TestFault14_DeletedAfterListing(t *testing.T) {
	images, out := collection(t, 25), new(mem.Store)
	freezeJob(t, images, out)
	images.Remove(pictureName(7))
	s := mustRun(t, options(t, images, out))
	verified(t, out)
	if r := rows(t, out)[pictureName(7)]; r.Status != row.StatusNotFound || r.Error == "" || classified(r).ClassID != -1 {
		t.Errorf("the row is %+v, want status %s with an error", r, row.StatusNotFound)
	}
	if s.Statuses[row.StatusNotFound] != 1 || s.Statuses[row.StatusOK] != 24 {
		t.Errorf("statuses are %v, want 1 not_found and 24 ok", s.Statuses)
	}
}

// TestLinkThatLeadsNowhere: in a collection of links, one whose file is missing gets
// a row that says so.
func TestLinkThatLeadsNowhere(t *testing.T) {
	folder, out := t.TempDir(), new(mem.Store)
	images := open(folder)
	put(t, images, "there.jpg", picture(t, 1))
	if err := os.Symlink("nowhere", filepath.Join(folder, "link.jpg")); err != nil {
		t.Fatal(err)
	}
	s := mustRun(t, options(t, images, out))
	verified(t, out)
	if r := rows(t, out)["link.jpg"]; r.Status != row.StatusNotFound || s.Images != 2 || *s.Drift != (output.Drift{}) {
		t.Errorf("the row is %+v, want not_found; _SUCCESS is %+v, want 2 images and no drift", r, s)
	}
}

func TestFault15_ChangedAfterListing(t *testing.T) {
	for _, rescore := range []bool{false, true} {
		t.Run(fmt.Sprintf("rescore=%v", rescore), func(t *testing.T) {
			images, out := collection(t, 25), new(mem.Store)
			freezeJob(t, images, out)
			images.Put(pictureName(3), picture(t, 999))
			images.Put(pictureName(4), append(picture(t, 998), make([]byte, 5000)...)) // longer, with trailing garbage
			o := options(t, images, out)
			o.Rescore = rescore
			s := mustRun(t, o)
			verified(t, out)
			want := row.StatusChanged
			if rescore {
				want = row.StatusOK
			}
			for _, n := range []int{3, 4} {
				if r := rows(t, out)[pictureName(n)]; r.Status != want {
					t.Errorf("the row of picture %d is %+v, want status %s", n, r, want)
				}
			}
			if s.Drift == nil || s.Drift.Changed != 2 {
				t.Errorf("drift is %+v, want 2 changed", s.Drift)
			}
		})
	}
}

// TestFault15_ReplacedWhileRead replaces a file between its first and its last
// byte.
func TestFault15_ReplacedWhileRead(t *testing.T) {
	folder, out := t.TempDir(), new(mem.Store)
	images := open(folder)
	for i := range 5 {
		put(t, images, pictureName(i), picture(t, i))
	}
	victim := filepath.Join(folder, pictureName(2))
	swapping := &storetest.Faulty{Store: images, BeforeOpen: nil}
	swapping.Body = func(o store.Object, r readCloser) readCloser {
		if o.Name == pictureName(2) {
			if err := os.WriteFile(victim, append(picture(t, 77), 0), 0o644); err != nil {
				t.Error(err)
			}
		}
		return r
	}
	mustRun(t, options(t, swapping, out))
	verified(t, out)
	if r := rows(t, out)[pictureName(2)]; r.Status != row.StatusChanged {
		t.Errorf("the row is %+v, want status %s", r, row.StatusChanged)
	}
}

func TestFault16_AddedAfterListing(t *testing.T) {
	images, out := collection(t, 25), new(mem.Store)
	freezeJob(t, images, out)
	put(t, images, "new.jpg", picture(t, 1000))
	put(t, images, "new.txt", []byte("not counted"))
	s := mustRun(t, options(t, images, out))
	verified(t, out)
	if s.Images != 25 || s.Drift == nil || s.Drift.Added != 1 {
		t.Errorf("%d images, drift %+v: want 25 and 1 added", s.Images, s.Drift)
	}
}

func TestFault17_EachBadFileHasItsRow(t *testing.T) {
	images, out := collection(t, 3), new(mem.Store)
	good := picture(t, 1)
	for name, body := range map[string][]byte{
		"empty.jpg": {}, "page.jpg": []byte("<!DOCTYPE html><html><body>404</body></html>"),
		"cut.jpg": good[:len(good)*2/3], "tail.jpg": append(bytes.Clone(good), "garbage"...),
		"garbage.png": []byte("\x89PNG\r\n\x1a\n and then nothing that makes sense"),
	} {
		put(t, images, name, body)
	}
	mustRun(t, options(t, images, out))
	verified(t, out)
	got := rows(t, out)
	for name, want := range map[string]string{
		"empty.jpg": "empty", "page.jpg": "not_image", "cut.jpg": "truncated", "tail.jpg": "ok",
	} {
		if got[name].Status != want {
			t.Errorf("%s: status %q, want %q", name, got[name].Status, want)
		}
		if (got[name].Error == "") != (want == "ok") {
			t.Errorf("%s: error %q, want none if and only if it is ok", name, got[name].Error)
		}
	}
	if s := got["garbage.png"].Status; s == "ok" || s == "" {
		t.Errorf("garbage.png: status %q, want a failure", s)
	}
}

func TestUnreadableImageIsARow(t *testing.T) {
	images, out := collection(t, 5), new(mem.Store)
	denying := &storetest.Faulty{Store: images, BeforeOpen: func(_ context.Context, _ int, name string) error {
		if name == pictureName(4) {
			return fmt.Errorf("open: %w", store.ErrUnreadable)
		}
		return nil
	}}
	mustRun(t, options(t, denying, out))
	if r := rows(t, out)[pictureName(4)]; r.Status != row.StatusUnreadable {
		t.Errorf("the row is %+v, want status %s", r, row.StatusUnreadable)
	}
}

func TestDeniedStoreStopsTheRun(t *testing.T) {
	images, out := collection(t, 50), new(mem.Store)
	denying := &storetest.Faulty{Store: images, BeforeOpen: func(_ context.Context, n int, _ string) error {
		if n >= 20 {
			return fmt.Errorf("the credential expired: %w", store.ErrDenied)
		}
		return nil
	}}
	if _, err := Run(t.Context(), options(t, denying, out)); !errors.Is(err, store.ErrDenied) {
		t.Fatalf("Run() = %v, want ErrDenied", err)
	}
	mustRun(t, options(t, images, out))
	verified(t, out)
}

func TestFault23_NamesAreExact(t *testing.T) {
	names := []string{
		"a b.jpg", "a#b.jpg", "100%.jpg", "a%2Fb.jpg", "a+b?.jpg", `q"u'o.jpg`, "new\nline.jpg",
		"\u00e9.jpg", "e\u0301.jpg", "dot./x.jpg", "UPPER.JPG", "\xff\xfe.jpg", ",;\t.jpg",
		strings.Repeat("d/", 400) + strings.Repeat("n", 220) + ".jpg",
	}
	for _, format := range []row.Format{row.JSONL, row.CSV, row.Parquet} {
		t.Run(string(format), func(t *testing.T) {
			images, out := open(t.TempDir()), open(t.TempDir())
			for i, name := range names {
				put(t, images, name, picture(t, i))
			}
			o := options(t, images, out)
			o.Job.Format = format
			mustRun(t, o)
			verified(t, out)
			got := rows(t, out)
			for _, name := range names {
				if r, ok := got[name]; !ok || r.Status != row.StatusOK {
					t.Errorf("%q: row %+v, want status ok", name, r)
				}
			}
			if len(got) != len(names) {
				t.Errorf("%d rows, want %d", len(got), len(names))
			}
		})
	}
}

func TestFault24_ListedTwiceAndStoredTwice(t *testing.T) {
	images, out := collection(t, 10), new(mem.Store)
	put(t, images, "copy.jpg", picture(t, 3)) // the content of picture 3
	twice := &storetest.Faulty{Store: images, Listed: func(n int, _ store.Object) (int, error) {
		if n%4 == 0 {
			return 2, nil
		}
		return 1, nil
	}}
	var log strings.Builder
	o := options(t, twice, out)
	o.Log = zerolog.New(&log)
	s := mustRun(t, o)
	verified(t, out)
	got := rows(t, out)
	if s.Images != 11 || len(got) != 11 {
		t.Errorf("%d images, %d rows: want 11", s.Images, len(got))
	}
	if classified(got["copy.jpg"]).Score != classified(got[pictureName(3)]).Score {
		t.Error("equal content got different scores")
	}
	if !strings.Contains(log.String(), "more than once") {
		t.Errorf("the log does not report it:\n%s", log.String())
	}
}

func TestFault25_NoImages(t *testing.T) {
	images, out := new(mem.Store), new(mem.Store)
	put(t, images, "readme.txt", []byte("x"))
	_, err := Run(t.Context(), options(t, images, out))
	if !errors.Is(err, listing.ErrNoImages) || !strings.Contains(err.Error(), "1 file passed over (1 .txt)") {
		t.Errorf("Run() = %v, want listing.ErrNoImages", err)
	}
	if err := out.List(t.Context(), "", func(o store.Object) error { return errors.New(o.Name) }); err != nil {
		t.Errorf("something was written: %v", err)
	}
}

func TestFault25_ListingFailsOnTheWay(t *testing.T) {
	images, out := collection(t, 30), new(mem.Store)
	failing := &storetest.Faulty{Store: images, Listed: func(n int, _ store.Object) (int, error) {
		if n == 20 {
			return 0, fmt.Errorf("page 3: %w", store.ErrUnavailable)
		}
		return 1, nil
	}}
	if _, err := Run(t.Context(), options(t, failing, out)); !errors.Is(err, store.ErrUnavailable) {
		t.Errorf("Run() = %v, want ErrUnavailable", err)
	}
	if _, err := output.ReadManifest(t.Context(), out); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("a manifest was stored: %v", err)
	}
	mustRun(t, options(t, images, out))
	verified(t, out)
}

func TestFault26_MoreRanksThanImages(t *testing.T) {
	images, out := collection(t, 3), new(mem.Store)
	ended := make(chan error)
	const world = 9
	for rank := range world {
		o := options(t, images, out)
		o.Job.Chunk = 1
		o.World = shard.World{Rank: rank, Size: world, LocalSize: 1}
		go func() {
			_, err := Run(context.Background(), o)
			ended <- err
		}()
	}
	for range world {
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
	verified(t, out)
	if n := len(rows(t, out)); n != 3 {
		t.Errorf("%d rows, want 3", n)
	}
}

func TestFault28_DamagedRecords(t *testing.T) {
	for _, name := range []string{"_batchscore/job.json", "_batchscore/manifest.jsonl"} {
		for _, damage := range []string{"cut", "flipped", "empty"} {
			t.Run(name+" "+damage, func(t *testing.T) {
				images, folder := collection(t, 12), t.TempDir()
				freezeJob(t, images, open(folder))
				path := filepath.Join(folder, name)
				body, err := os.ReadFile(path)
				if err != nil {
					t.Fatal(err)
				}
				switch damage {
				case "cut":
					body = body[:len(body)-7]
				case "flipped":
					body[len(body)/2] ^= 1
				case "empty":
					body = nil
				}
				if err := os.WriteFile(path, body, 0o644); err != nil {
					t.Fatal(err)
				}
				if _, err := Run(t.Context(), options(t, images, open(folder))); !errors.Is(err, output.ErrMismatch) {
					t.Errorf("Run() = %v, want ErrMismatch", err)
				}
			})
		}
	}
}

// TestFault29_ManyImagesInOneProcess scores a collection in one process. Goroutines,
// files and memory must not grow with the number of images.
func TestFault29_ManyImagesInOneProcess(t *testing.T) {
	n := 50_000
	if testing.Short() {
		n = 5_000
	}
	images, out := open(t.TempDir()), open(t.TempDir())
	body := picture(t, 1)
	many := &generated{Store: images, n: n, body: body}
	type sample struct {
		goroutines, files int
		heap              uint64
	}
	var samples []sample
	o := options(t, many, out)
	o.Log = zerolog.Nop()
	o.Job.Chunk = n / 10
	o.hook = func(point string, _ int) {
		if point != "after-commit" {
			return
		}
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		files, err := os.ReadDir("/proc/self/fd")
		if err != nil {
			t.Error(err)
		}
		samples = append(samples, sample{runtime.NumGoroutine(), len(files), m.HeapAlloc})
	}
	mustRun(t, o)
	first, last := samples[2], samples[len(samples)-1]
	if last.goroutines > first.goroutines+2 || last.files > first.files+8 {
		t.Errorf("goroutines or files grow: %+v then %+v", first, last)
	}
	if last.heap > first.heap+first.heap/4+1<<20 {
		t.Errorf("the heap grows from %d to %d bytes", first.heap, last.heap)
	}
	verified(t, out)
}

// generated is a collection of n equal pictures that exist only in memory.
type generated struct {
	store.Store
	n    int
	body []byte
}

func (g *generated) List(_ context.Context, _ string, fn func(store.Object) error) error {
	for i := range g.n {
		if err := fn(g.object(fmt.Sprintf("%07d.jpg", i))); err != nil {
			return err
		}
	}
	return nil
}

func (g *generated) object(name string) store.Object {
	return store.Object{Name: name, Size: int64(len(g.body)), ETag: "1", Modified: time.Unix(0, 0)}
}

func (g *generated) Open(_ context.Context, name, _ string) (readCloser, store.Object, error) {
	return nopCloser{bytes.NewReader(g.body)}, g.object(name), nil
}
