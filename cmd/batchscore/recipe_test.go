package main

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// These are the faults of the 2018 recipe and of its sibling script that show
// in a whole run. The images lost at the end of every share are in package
// shard, ranks that know nothing of one another in TestFault07, one bad JPEG
// that ends a rank in TestFault17, and CUDA_VISIBLE_DEVICES in models/ort.

// labels reads the merged rows of an output by path.
func labels(t *testing.T, out string) map[string]jsonRow {
	t.Helper()
	rows := map[string]jsonRow{}
	for _, r := range rowsOf(t, out) {
		rows[r.Path] = r
	}
	return rows
}

// TestRecipeNamesAndPredictionsStayTogether puts bad files between good ones. The recipe
// matched names and predictions by counting.
func TestRecipeNamesAndPredictionsStayTogether(t *testing.T) {
	t.Parallel()
	model := tiny(t, graphtest.Options{})
	clean, mixed := t.TempDir(), t.TempDir()
	for i := range 20 {
		name := string(rune('a'+i)) + ".jpg"
		writeFile(t, filepath.Join(clean, name), picture(t, i*13))
		writeFile(t, filepath.Join(mixed, name), picture(t, i*13))
		if i%3 == 0 {
			writeFile(t, filepath.Join(mixed, name+".bad.jpg"), []byte("<html>"))
		}
	}
	want, got := t.TempDir(), t.TempDir()
	must(t, 0, "run", "--images", clean, "--out", want, "--model", model)
	must(t, 0, "run", "--images", mixed, "--out", got, "--model", model, "--max-errors", "100%")
	rows := labels(t, got)
	for path, w := range labels(t, want) {
		if g := rows[path]; g.Label != w.Label || g.Score != w.Score {
			t.Errorf("%s: %s %v among bad files, %s %v without them", path, g.Label, g.Score, w.Label, w.Score)
		}
	}
	if len(rows) != 27 {
		t.Errorf("%d rows for 27 files", len(rows))
	}
}

// TestRecipeRerunTruncatesNothing runs a finished job again.
func TestRecipeRerunTruncatesNothing(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 20), t.TempDir(), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model}
	must(t, 0, args...)
	snapshot := func() map[string]string {
		files := map[string]string{}
		err := filepath.WalkDir(out, func(path string, d os.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			body, err := os.ReadFile(path)
			files[path] = string(body)
			return err
		})
		if err != nil {
			t.Fatal(err)
		}
		return files
	}
	before := snapshot()
	must(t, 0, args...)
	after := snapshot()
	for path, body := range before {
		if after[path] != body {
			t.Errorf("%s changed", path)
		}
	}
}

// TestRecipeFoldersAreKept scores images of the same name in two folders.
func TestRecipeFoldersAreKept(t *testing.T) {
	t.Parallel()
	in, out := t.TempDir(), t.TempDir()
	writeFile(t, filepath.Join(in, "left", "same.jpg"), picture(t, 1))
	writeFile(t, filepath.Join(in, "right", "same.jpg"), picture(t, 2))
	must(t, 0, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}))
	rows := labels(t, out)
	if len(rows) != 2 || rows["left/same.jpg"].Status != "ok" || rows["right/same.jpg"].Status != "ok" {
		t.Errorf("rows are %v", rows)
	}
}

// TestRecipeMissingListIsNoEmptyShard starts ranks, one of which cannot see the images.
// That rank fails instead of doing nothing.
func TestRecipeMissingListIsNoEmptyShard(t *testing.T) {
	t.Parallel()
	out := filepath.Join(t.TempDir(), "out")
	must(t, 78, "run", "--images", filepath.Join(t.TempDir(), "none"), "--out", out,
		"--model", tiny(t, graphtest.Options{}), "--rank", "0", "--world", "2")
}
