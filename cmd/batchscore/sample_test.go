package main

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestSample takes samples of one collection, from a folder and from Azurite. They are
// the same, contain smaller ones, and can be continued.
func TestSample(t *testing.T) {
	t.Parallel()
	folder := pictures(t, 60)
	writeFile(t, filepath.Join(folder, "notes.txt"), []byte("no image"))
	all := filesIn(t, folder)
	take := func(into string, code int, args ...string) processResult {
		t.Helper()
		return must(t, code, append([]string{"sample", "--images", folder, "--out", into}, args...)...)
	}
	small, large := filepath.Join(t.TempDir(), "small"), filepath.Join(t.TempDir(), "large")
	if r := take(small, 0, "-n", "10"); !strings.Contains(r.stdout, "10 of 60 images") || !strings.Contains(r.stdout, "10 copied") {
		t.Errorf("got %v, want %q in stdout and %q in stdout", r, "10 of 60 images", "10 copied")
	}
	take(large, 0, "-n", "25")
	few, many := filesIn(t, small), filesIn(t, large)
	if len(few) != 10 || len(many) != 25 {
		t.Errorf("%d and %d images", len(few), len(many))
	}
	for name, body := range many {
		if all[name] != body || !strings.HasSuffix(name, ".jpg") {
			t.Errorf("%s is not that of the collection", name)
		}
	}
	for name := range few {
		if _, ok := many[name]; !ok {
			t.Errorf("%s is in the small sample and not in the large one", name)
		}
	}

	// What is there is not copied again; what is missing is.
	for name := range few {
		if err := os.Remove(filepath.Join(small, filepath.FromSlash(name))); err != nil {
			t.Fatal(err)
		}
		break
	}
	if r := take(small, 0, "-n", "25"); !strings.Contains(r.stdout, "16 copied") || !strings.Contains(r.stdout, "9 were there already") {
		t.Errorf("got %v, want %q in stdout and %q in stdout", r, "16 copied", "9 were there already")
	}
	if got := filesIn(t, small); len(got) != 25 {
		t.Errorf("%d images after the sample grew", len(got))
	}
	other := filepath.Join(t.TempDir(), "other")
	take(other, 0, "-n", "25", "--seed", "1")
	if same := sortedNames(filesIn(t, other)); slices.Equal(same, sortedNames(many)) {
		t.Error("another seed gave the same sample")
	}
	whole := filepath.Join(t.TempDir(), "whole")
	take(whole, 0, "-n", "1000")
	if got := filesIn(t, whole); len(got) != 60 {
		t.Errorf("%d images where more were asked for than there are", len(got))
	}

	server := azuritetest.Start(t)
	fromBlobs := filepath.Join(t.TempDir(), "blobs")
	r := withBlobs(t, server, server.Endpoint, "sample", "--images", upload(t, server, folder), "-n", "25", "--out", fromBlobs)
	if got := filesIn(t, fromBlobs); r.code != 0 || !slices.Equal(sortedNames(got), sortedNames(many)) {
		t.Errorf("from blobs: %d images, %v", len(got), r)
	}
}

func TestSampleRefuses(t *testing.T) {
	t.Parallel()
	in := pictures(t, 3)
	out := filepath.Join(t.TempDir(), "out")
	must(t, 0, "sample", "--images", in, "-n", "3", "--out", out)
	for name := range filesIn(t, out) {
		writeFile(t, filepath.Join(out, filepath.FromSlash(name)), []byte("another"))
		break
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{args: []string{"--images", in, "--out", out, "-n", "3"}, code: 78, says: "already has another"},
		{args: []string{"--images", in, "--out", in, "-n", "3"}, code: 64, says: "same place"},
		{args: []string{"--images", in, "--out", out, "-n", "0"}, code: 64, says: "0 for -n"},
		{args: []string{"--images", in}, code: 64, says: "--out"},
		{args: []string{"--out", out}, code: 64, says: "--images"},
		{args: []string{"--images", t.TempDir(), "--out", out}, code: 78, says: "no images found"},
		{args: []string{"--images", filepath.Join(in, "none"), "--out", out}, code: 78, says: "does not exist"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			if r := must(t, c.code, append([]string{"sample"}, c.args...)...); !strings.Contains(r.stderr, c.says) {
				t.Errorf("%q: got %v, want %q", c.args, r, c.says)
			}
		})
	}
}

// TestSampleNames: an image whose name the place cannot hold is left out and named, and
// the others are copied.
func TestSampleNames(t *testing.T) {
	t.Parallel()
	in := pictures(t, 4)
	writeFile(t, filepath.Join(in, "odd \xff.jpg"), []byte("no image"))
	server := azuritetest.Start(t)
	r := withBlobs(t, server, server.Endpoint, "sample", "--images", in, "--out", newPlace(t, server))
	if r.code != 3 || !strings.Contains(r.stdout, "4 copied") || !strings.Contains(r.stdout, "1 could not keep their names there") ||
		!strings.Contains(r.stderr, `"odd \xff.jpg"`) || !strings.Contains(r.stderr, "the name is not UTF-8") {
		t.Errorf("got %v, want four copies and the name that is left out", r)
	}
}
