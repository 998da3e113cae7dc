package output

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/shard"
)

// listImages builds a manifest from a listing, as the worker does.
func listImages(images store.Store, duplicates *int) func(context.Context) (*shard.Manifest, error) {
	return func(ctx context.Context) (*shard.Manifest, error) {
		b := shard.Builder{Room: room}
		err := images.List(ctx, "", func(o store.Object) error {
			return b.Add(shard.Entry{Path: o.Name, Size: o.Size, ETag: o.ETag})
		})
		if err != nil {
			return nil, err
		}
		m, stats, err := b.Build(0)
		*duplicates = stats.Duplicates
		return m, err
	}
}

// TestFault25_NeverAPartialManifest: listings of about one page or several. One that fails leaves no manifest.
func TestFault25_NeverAPartialManifest(t *testing.T) {
	const page = 5000
	for _, n := range []int{0, 1, page - 1, page, page + 1} {
		images, out := new(mem.Store), new(mem.Store)
		for _, name := range numbered(n) {
			images.Put(name, nil)
		}
		var duplicates int
		failed := errors.New("503 on the next page")
		for _, at := range []int{0, page - 1, page} {
			if at >= n {
				continue
			}
			f := &storetest.Faulty{Store: images, Listed: func(i int, _ store.Object) (int, error) {
				if i == at {
					return 0, failed
				}
				return 1, nil
			}}
			if _, err := Freeze(t.Context(), out, listImages(f, &duplicates)); !errors.Is(err, failed) {
				t.Errorf("Freeze() of %d images, failing at %d = %v", n, at, err)
			}
			if left := objects(t, out); len(left) != 0 {
				t.Fatalf("Freeze() of %d images, failing at %d, left %d objects", n, at, len(left))
			}
		}
		m, err := Freeze(t.Context(), out, listImages(images, &duplicates))
		if err != nil || m.Len() != n {
			t.Fatalf("Freeze() of %d images = %v", n, err)
		}
		read, err := ReadManifest(t.Context(), out)
		if err != nil || read.Len() != n || read.Digest() != m.Digest() {
			t.Errorf("ReadManifest() of %d images = %v", n, err)
		}
	}
}

// TestFault24_DoubledNamesAndDoubledContent: a name that is listed twice is one entry, and counted. The same content
// under two names is two entries.
func TestFault24_DoubledNamesAndDoubledContent(t *testing.T) {
	images, out := new(mem.Store), new(mem.Store)
	names := []string{"a.jpg", "b.jpg", "same-as-b.jpg"}
	for _, name := range names {
		images.Put(name, []byte("pixels"))
	}
	twice := &storetest.Faulty{Store: images, Listed: func(i int, _ store.Object) (int, error) { return 1 + i%2, nil }}
	var duplicates int
	j, _, err := Join(t.Context(), out, testJob(row.JSONL))
	if err != nil {
		t.Fatal(err)
	}
	m, err := Freeze(t.Context(), out, listImages(twice, &duplicates))
	if err != nil || duplicates != 1 || m.Len() != 3 {
		t.Fatalf("Build() = %d entries with %d duplicates, %v", m.Len(), duplicates, err)
	}
	r := run{out, j, m, j.Chunks(m.Len())}
	r.commit(t, 0)
	r.finish(t)
	checkRows(t, out, names)
}

// TestFreezeDecidesOnceForAll: of several workers that list at once and see different
// images, one decides for all.
func TestFreezeDecidesOnceForAll(t *testing.T) {
	st := new(mem.Store)
	var group sync.WaitGroup
	var digests [16]string
	var built atomic.Int64
	start := make(chan struct{})
	for i := range digests {
		group.Go(func() {
			<-start
			m, err := Freeze(t.Context(), st, func(context.Context) (*shard.Manifest, error) {
				built.Add(1)
				return manifestOf(t, numbered(i)), nil
			})
			if err != nil {
				t.Error(err)
				return
			}
			digests[i] = m.Digest()
		})
	}
	close(start)
	group.Wait()
	if len(slices.Compact(digests[:])) != 1 {
		t.Errorf("workers have different manifests: %v", digests)
	}
	before := built.Load()
	if _, err := Freeze(t.Context(), st, func(context.Context) (*shard.Manifest, error) {
		built.Add(1)
		return nil, nil
	}); err != nil || built.Load() != before {
		t.Errorf("Freeze() built a frozen manifest again, %v", err)
	}
}

func TestFault02_TheManifestsAnswerIsLost(t *testing.T) {
	inner := new(mem.Store)
	f := &storetest.Faulty{Store: inner, AfterCreate: func(int, store.Object, error) error { return errLost }}
	m, err := Freeze(t.Context(), f, freeze(manifestOf(t, numbered(3))))
	if err != nil || m.Len() != 3 {
		t.Errorf("%v", err)
	}
	f = &storetest.Faulty{Store: new(mem.Store), BeforeCreate: func(context.Context, int, string, []byte) error { return errLost }}
	if _, err := Freeze(t.Context(), f, freeze(manifestOf(t, numbered(3)))); !errors.Is(err, errLost) {
		t.Errorf("Freeze() after a create without effect = %v, want the error of the store", err)
	}
}

// TestFault28_DamagedManifest: a damaged or cut manifest is ErrMismatch. The images are never listed
// again.
func TestFault28_DamagedManifest(t *testing.T) {
	st := new(mem.Store)
	r := complete(t, st, testJob(row.JSONL), 3)
	good := objects(t, st)[manifestName]
	check := func(what, body string) {
		st.Put(manifestName, []byte(body))
		_, err := Freeze(t.Context(), st, freeze(r.m))
		if !errors.Is(err, ErrMismatch) || !errors.Is(err, shard.ErrCorrupt) {
			t.Errorf("%s: Freeze() = %v, want ErrMismatch", what, err)
		}
		if objects(t, st)[manifestName] != body {
			t.Errorf("%s: the manifest was replaced", what)
		}
		if report, err := Verify(t.Context(), st); err != nil || report.Found[Damaged] != 1 {
			t.Errorf("%s: Verify() = %v, %v", what, report.Found, err)
		}
	}
	for i := range good {
		check(fmt.Sprint("cut after byte ", i), good[:i])
		flipped := []byte(good)
		flipped[i] ^= 1
		check(fmt.Sprint("flipped in byte ", i), string(flipped))
	}
}
