package scorer

import (
	"context"
	"crypto/md5"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// busyStore changes while it is read: it calls do before it opens the image called name.
type busyStore struct {
	store.Store
	name string
	do   func()
	once sync.Once
}

func (b *busyStore) Open(ctx context.Context, name, etag string) (readCloser, store.Object, error) {
	if name == b.name {
		b.once.Do(b.do)
	}
	return b.Store.Open(ctx, name, etag)
}

// sums lists the MD5 of each image, as blob storage does.
type sums struct{ store.Store }

func (s sums) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	var all []store.Object
	if err := s.Store.List(ctx, prefix, func(o store.Object) error { all = append(all, o); return nil }); err != nil {
		return err
	}
	for _, o := range all {
		r, _, err := s.Store.Open(ctx, o.Name, "")
		if err != nil {
			return err
		}
		b, err := io.ReadAll(r)
		r.Close()
		if err != nil {
			return err
		}
		sum := md5.Sum(b)
		o.MD5 = string(sum[:])
		if err := fn(o); err != nil {
			return err
		}
	}
	return nil
}

// sameLength returns two pictures of one size.
func sameLength(t *testing.T) (a, b []byte) {
	t.Helper()
	a = picture(t, 1)
	for n := 2; n < 3000; n++ {
		if b = picture(t, n); len(b) == len(a) && string(b) != string(a) {
			return a, b
		}
	}
	t.Fatal("no two pictures have the same size")
	return nil, nil
}

// TestRescoredRowIsNoSource: an image is replaced during the night, and scored as it is then. Its row
// is not that of the listed version, so no image with the content of that version takes it.
func TestRescoredRowIsNoSource(t *testing.T) {
	a, b := sameLength(t)
	images, whole := collection(t, 30), new(mem.Store)
	images.Remove(pictureName(1))
	images.Put("x.jpg", a)
	busy := &busyStore{Store: images, name: "x.jpg", do: func() { images.Put("y.jpg", a); images.Put("x.jpg", b) }}
	play := func(out, from store.Store, night bool) {
		o := options(t, from, out)
		o.Job.Images, o.Rescore = images.String(), true
		if night {
			o.After = &After{Place: "memory/runs", Asked: increment.Asked{ReuseByContent: true}}
		}
		mustRun(t, o)
	}
	play(night(whole, 1), &listedAs{Store: busy, listed: sums{images}}, true)
	play(night(whole, 2), sums{images}, true)
	full := store.NewSub(whole, "full/")
	play(full, sums{images}, false)
	if have, want := wholeMerge(t, night(whole, 2), row.JSONL), wholeMerge(t, full, row.JSONL); have != want {
		t.Errorf("the rows are\n%s\nnot\n%s", have, want)
	}
}

// listedAs is a store with the listing of another one.
type listedAs struct {
	store.Store
	listed store.Store
}

func (l *listedAs) List(ctx context.Context, prefix string, fn func(store.Object) error) error {
	return l.listed.List(ctx, prefix, fn)
}

// TestPutBackIsScoredAgain: an image that changes during a night and is put back, with its time of
// modification, looks unchanged the next night; its row is of the other content, or of none.
func TestPutBackIsScoredAgain(t *testing.T) {
	for _, c := range []struct {
		name    string
		rescore bool
		during  func(t *testing.T, x string) // after x was moved away
	}{
		{name: "replaced", during: replace},
		{name: "replaced and rescored", rescore: true, during: replace},
		{name: "missing", during: func(*testing.T, string) {}},
		{name: "not a picture, rescored", rescore: true, during: func(t *testing.T, x string) { write(t, x, []byte("no picture")) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			root, whole := t.TempDir(), new(mem.Store)
			for i, n := range []string{"a.jpg", "b.jpg", "x.jpg"} {
				write(t, filepath.Join(root, n), picture(t, i+1))
			}
			st, err := dir.New(root, dir.Options{})
			if err != nil {
				t.Fatal(err)
			}
			x, away := filepath.Join(root, "x.jpg"), filepath.Join(t.TempDir(), "away")
			busy := &busyStore{Store: st, name: "x.jpg", do: func() { rename(t, x, away); c.during(t, x) }}
			play := func(out, from store.Store, night bool) (scored int) {
				o := options(t, from, out)
				o.Job.Images, o.Rescore = root, c.rescore
				if night {
					o.After = &After{Place: "memory/runs"}
				}
				return mustRun(t, o).Images
			}
			play(night(whole, 1), busy, true)
			rename(t, away, x)
			if n := play(night(whole, 2), st, true); n < 1 {
				t.Errorf("the night scored %d images", n)
			}
			full := store.NewSub(whole, "full/")
			play(full, st, false)
			if have, want := wholeMerge(t, night(whole, 2), row.JSONL), wholeMerge(t, full, row.JSONL); have != want {
				t.Errorf("the rows are\n%s\nnot\n%s", have, want)
			}
			if n := play(night(whole, 3), st, true); n != 0 {
				t.Errorf("the night after scored %d images: the row is that of the image now", n)
			}
		})
	}
}

func replace(t *testing.T, x string) { write(t, x, picture(t, 99)) }

func write(t *testing.T, file string, body []byte) {
	t.Helper()
	if err := os.WriteFile(file, body, 0o644); err != nil {
		t.Error(err)
	}
}

func rename(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil {
		t.Error(err)
	}
}
