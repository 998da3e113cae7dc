package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
)

// TestOwnedNames: nothing is written to a name that an output folder owns, whatever the
// flags, and the result stays as it was.
func TestOwnedNames(t *testing.T) {
	t.Parallel()
	images, out := scoredOnce(t)
	_, other := scoredOnce(t)
	link := filepath.Join(t.TempDir(), "link.csv")
	if err := os.Symlink(filepath.Join(out, "part-00000.jsonl"), link); err != nil {
		t.Fatal(err)
	}
	model, fresh := tiny(t, graphtest.Options{}), filepath.Join(t.TempDir(), "new")
	inside := filepath.Join(out, "_batchscore")
	samples := filepath.Join(t.TempDir(), "old.txt")
	writeFile(t, samples, nil)
	for _, args := range [][]string{
		{"merge", out, "-o", inside + "/manifest.jsonl", "--force"},
		{"merge", out, "-o", inside + "/job.json", "--format", "csv", "--force"},
		{"merge", out, "-o", inside + "/parts.sha256", "--format", "csv", "--force"},
		{"merge", out, "-o", inside + "/new.csv"},
		{"merge", out, "-o", inside + "/workers/new.csv"},
		{"merge", out, "-o", out + "/_SUCCESS", "--force", "--format", "csv"},
		{"merge", out, "-o", out + "/part-00000.jsonl", "--force"},
		{"merge", out, "-o", out + "/part-0000/part-0000000.jsonl"},
		{"merge", out, "-o", link, "--force"},
		{"merge", other, "-o", out + "/part-00000.jsonl", "--force"},
		{"merge", other, "-o", inside + "/manifest.jsonl", "--force"},
		{"run", "--images", images, "--model", model, "--out", out, "--merge", inside + "/manifest.jsonl", "--force"},
		{"run", "--images", images, "--model", model, "--out", fresh, "--merge", out + "/part-00000.jsonl", "--force"},
		{"run", "--images", images, "--model", model, "--out", fresh, "--merge", fresh + "/part-00000.jsonl", "--force"},
		{"run", "--images", images, "--model", model, "--out", fresh, "--profile", inside},
		{"jobs", "fetch", "newest", inside},
		{"bench", "run", "--images", images, "--model", model, "--save", out + "/part-00000.jsonl"},
		{"bench", "compare", samples, "--chart", inside + "/job.json"},
		{"models", "fuse", model, "-o", out + "/part-00000.jsonl"},
		{"sample", "--images", images, "--out", out},
		{"sample", "--images", images, "--out", inside + "/new"},
		{"sample", "--from", out, "--out", other},
	} {
		r := batchscore(t, args...)
		if r.code != 64 || !strings.Contains(r.stderr, "output folder") {
			t.Errorf("%q: got %v, want exit code 64 and whose name that is", args, r)
		}
	}
	for _, folder := range []string{out, other} {
		must(t, 0, "verify", folder)
	}
	if exists(fresh) || exists(filepath.Join(inside, "new.csv")) {
		t.Error("something was written")
	}
}

// TestOwnedNamesBelowNoResult: the same names are free where there is no result.
func TestOwnedNamesBelowNoResult(t *testing.T) {
	t.Parallel()
	_, out := scoredOnce(t)
	for _, file := range []string{"part-00000.jsonl", "labels.csv"} {
		must(t, 0, "merge", out, "-o", filepath.Join(t.TempDir(), file))
	}
	must(t, 0, "merge", out, "-o", filepath.Join(out, "labels.csv"))
	must(t, 0, "verify", out)
}

// TestOwnedBlobs is TestOwnedNames in blob storage.
func TestOwnedBlobs(t *testing.T) {
	t.Parallel()
	server := azuritetest.Start(t)
	images, model := pictures(t, 4), tiny(t, graphtest.Options{})
	out, other := newPlace(t, server), newPlace(t, server)
	run := func(code int, args ...string) {
		t.Helper()
		if r := withBlobs(t, server, server.Endpoint, args...); r.code != code || code == 64 && !strings.Contains(r.stderr, "output folder") {
			t.Errorf("%q: got %v, want exit code %d", args, r, code)
		}
	}
	for _, place := range []string{out, other} {
		run(0, "run", "--images", images, "--model", model, "--out", place)
	}
	for _, args := range [][]string{
		{"merge", out, "-o", out + "/part-00000.jsonl", "--format", "csv", "--force"},
		{"merge", out, "-o", out + "/_batchscore/manifest.jsonl", "--force"},
		{"merge", out, "-o", out + "/_batchscore/new.csv"},
		{"merge", out, "-o", out + "/_SUCCESS", "--format", "csv", "--force"},
		{"merge", other, "-o", out + "/part-00000.jsonl", "--force"},
		{"run", "--images", images, "--model", model, "--out", other, "--merge", out + "/_batchscore/manifest.jsonl", "--force"},
		{"run", "--images", images, "--model", model, "--out", other, "--merge", other + "/part-00000.jsonl", "--force"},
		{"sample", "--images", images, "--out", out},
		{"sample", "--images", images, "--out", out + "/_batchscore/x"},
	} {
		run(64, args...)
	}
	for _, place := range []string{out, other} {
		run(0, "verify", place)
	}
	run(0, "merge", out, "-o", out+"/labels.csv")
}

// TestMergeIntoNewFolder: the file may be in the output folder that the run makes.
func TestMergeIntoNewFolder(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "new")
	args := []string{"run", "--images", pictures(t, 3), "--model", tiny(t, graphtest.Options{}), "--out", out, "--merge", filepath.Join(out, "labels.csv")}
	for range 2 {
		must(t, 0, args...)
	}
	if got := readFile(t, filepath.Join(out, "labels.csv")); !strings.HasPrefix(got, "path,") {
		t.Errorf("labels.csv begins with %.20q", got)
	}
	must(t, 0, "verify", out)
}
