package storetest

import (
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
)

var neighborTests = []test{
	{name: "SeesTheSameObjects", run: testNeighbors},
	{name: "OtherStorage", run: testOtherStorage},
}

func neighbor(t *testing.T, s store.Store, place string) store.Store {
	t.Helper()
	n, err := store.Neighbor(s, place)
	if err != nil {
		t.Fatalf("Neighbor(%q) of %s: %v", place, s, err)
	}
	return n
}

// testNeighbors opens a folder of the store by its full name, and one next to that by its
// relative name.
func testNeighbors(t *testing.T, s store.Store) {
	whole := strings.TrimSuffix(s.String(), "/")
	one := neighbor(t, s, whole+"/in/one 1%")
	two := neighbor(t, one, "../two/three")
	create(t, one, "a/x", []byte("1"))
	create(t, two, "y", []byte("2"))
	if got, want := slices.Sorted(slices.Values(ObjectNames(t, s))), []string{"in/one 1%/a/x", "in/two/three/y"}; !slices.Equal(got, want) {
		t.Errorf("the store holds %q, want %q", got, want)
	}
	if got, want := ObjectNames(t, neighbor(t, two, "../../one 1%/")), []string{"a/x"}; !slices.Equal(got, want) {
		t.Errorf("the first folder, seen from the second, holds %q, want %q", got, want)
	}
	if got, want := strings.TrimSuffix(one.String(), "/"), whole+"/in/one 1%"; got != want {
		t.Errorf("the neighbor is called %q, want %q", got, want)
	}
	if got := store.Relative(one, neighbor(t, one, "../other").String()); got != "../other" {
		t.Errorf("the relative name of a folder with the same parent is %q", got)
	}
	if got := store.Relative(one, two.String()); got != two.String() {
		t.Errorf("the name of a folder with another parent is %q, want %q", got, two)
	}
	if has[store.Ranger](one) != has[store.Ranger](s) || has[store.Replacer](one) != has[store.Replacer](s) {
		t.Error("the neighbor has other abilities than the store")
	}
}

func testOtherStorage(t *testing.T, s store.Store) {
	for _, place := range []string{"nowhere://a/b", "az://nobody/else/x", "plain", ""} {
		if n, err := store.Neighbor(s, place); !errors.Is(err, store.ErrOtherStorage) {
			t.Errorf("Neighbor(%q) = %v, %v; want %v", place, n, err, store.ErrOtherStorage)
		}
	}
}

var folderTests = []test{
	{name: "OneLevel", run: testFolders},
	{name: "StopsAtError", run: testFoldersStop},
	{name: "CancelledContext", run: testFoldersCancelled},
}

func foldersOf(t *testing.T, s store.Store, in string) []string {
	t.Helper()
	var names []string
	if err := store.Folders(t.Context(), s, in, func(name string) error {
		names = append(names, name)
		return nil
	}); err != nil {
		t.Fatalf("list the folders of %q: %v", in, err)
	}
	slices.Sort(names)
	return names
}

func testFolders(t *testing.T, s store.Store) {
	var want []string
	for _, name := range []string{"2026-01", "2026-02 b", "z", "é"} {
		want = append(want, name)
		for _, object := range []string{"part", "_b/x", "_c/y/z"} {
			create(t, s, name+"/"+object, nil)
		}
	}
	create(t, s, "alone", nil)
	if got := foldersOf(t, s, ""); !slices.Equal(got, want) {
		t.Errorf("folders of the root: %q, want %q", got, want)
	}
	if got, want := foldersOf(t, s, "2026-02 b/"), []string{"_b", "_c"}; !slices.Equal(got, want) {
		t.Errorf("folders of a folder: %q, want %q", got, want)
	}
	if got := foldersOf(t, s, "nothing/"); len(got) > 0 {
		t.Errorf("folders of a folder that does not exist: %q", got)
	}
}

func testFoldersStop(t *testing.T, s store.Store) {
	for _, name := range []string{"a/x", "b/x", "c/x"} {
		create(t, s, name, nil)
	}
	enough, n := errors.New("enough"), 0
	err := store.Folders(t.Context(), s, "", func(string) error {
		if n++; n == 2 {
			return enough
		}
		return nil
	})
	if !errors.Is(err, enough) || n != 2 {
		t.Errorf("Folders = %v after %d folders, want the function's own error after 2", err, n)
	}
}

func testFoldersCancelled(t *testing.T, s store.Store) {
	create(t, s, "a/x", nil)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := store.Folders(ctx, s, "", func(string) error { return nil }); !errors.Is(err, context.Canceled) {
		t.Errorf("Folders with a cancelled context = %v, want %v", err, context.Canceled)
	}
}
