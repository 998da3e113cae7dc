package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// TestNights reads and checks, as users do, what four nights over a changing folder leave: every
// command gives the whole collection, and pruning takes away only what nothing needs.
func TestNights(t *testing.T) {
	t.Parallel()
	images, runs, model := pictures(t, 8), t.TempDir(), tiny(t, graphtest.Options{})
	out := func(name string) string { return filepath.Join(runs, name) }
	night := func(name string, more ...string) {
		t.Helper()
		must(t, 0, append([]string{"run", "--images", images, "--out", out(name), "--model", model, "--after", runs, "--format", "parquet"}, more...)...)
		must(t, 0, "verify", out(name))
		once := filepath.Join(t.TempDir(), "once")
		must(t, 0, "run", "--images", images, "--out", once, "--model", model, "--format", "parquet")
		for _, ending := range []string{"csv", "parquet"} {
			have, want := filepath.Join(t.TempDir(), "have."+ending), filepath.Join(t.TempDir(), "want."+ending)
			must(t, 0, "merge", out(name), "-o", have)
			must(t, 0, "merge", once, "-o", want)
			if readFile(t, have) != readFile(t, want) {
				t.Errorf("night %s: the merged %s is not that of one run over all images", name, ending)
			}
		}
	}
	writeFile(t, filepath.Join(images, "broken.jpg"), nil)
	night("2026-11-01")
	writeFile(t, filepath.Join(images, "new.jpg"), picture(t, 50))
	if err := os.Remove(filepath.Join(images, "batch 2", "00002.jpg")); err != nil {
		t.Fatal(err)
	}
	night("2026-11-02")
	r := batchscore(t, "show", out("2026-11-02"), "--new-rows", "--json", "--columns", "path")
	if r.code != 0 || strings.TrimSpace(r.stdout) != `{"path":"new.jpg"}` {
		t.Errorf("new rows: %v", r)
	}
	if r := batchscore(t, "show", out("2026-11-02"), "--limit", "0", "--json", "--columns", "path"); strings.Count(r.stdout, "\n") != 9 {
		t.Errorf("all rows: %v", r)
	}
	r = batchscore(t, "jobs", "status", out("2026-11-02"), "--json", "--check")
	var report struct{ Progress output.Progress }
	if err := json.Unmarshal([]byte(r.stdout), &report); err != nil || r.code != 0 {
		t.Fatalf("%v: %v", err, r)
	}
	if inc := report.Progress.Increment; inc == nil || inc.New != 1 || inc.Kept != 8 || inc.Gone != 1 || inc.Images != 9 || report.Progress.After == "" {
		t.Errorf("jobs status: %+v", report.Progress)
	}
	r = batchscore(t, "jobs", "status", out("2026-11-02"))
	if !strings.Contains(r.stdout, "9: 1 new, 0 changed, 0 scored again, 8 kept; 1 gone; rows in 2 outputs; 1 failed (") {
		t.Errorf("jobs status: %v", r)
	}
	night("2026-11-03") // nothing happened
	writeFile(t, filepath.Join(images, "batch 1", "00004.jpg"), picture(t, 60))
	night("2026-11-04")

	// What is needed is neither deleted nor changed in place.
	for _, args := range [][]string{
		{"prune", out("2026-11-01"), "--yes"},
		{"run", "--images", images, "--out", out("2026-11-01"), "--model", model, "--format", "parquet", "--retry", "failed"},
	} {
		if r := batchscore(t, args...); r.code != 78 || !strings.Contains(r.stderr, "other outputs keep rows of it") {
			t.Errorf("%q: %v, want exit code 78", args, r)
		}
	}
	must(t, 0, "prune", runs, "--keep", "1", "--yes")
	must(t, 0, "verify", out("2026-11-04"))
	must(t, 0, "verify", out("2026-11-01"))
	night("2026-11-05")

	// A source that is gone is said, and nothing is handed on.
	if err := os.RemoveAll(out("2026-11-01")); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{{"verify"}, {"merge", "-o", "-"}, {"show"}, {"jobs", "status", "--check"}} {
		r := batchscore(t, append(args, out("2026-11-05"))...)
		if r.code != 10 || !strings.Contains(r.stderr+r.stdout, "../2026-11-01") || !strings.Contains(r.stderr, "without --after") {
			t.Errorf("%q: %v, want exit code 10", args, r)
		}
	}
	if r := batchscore(t, "repair", out("2026-11-05")); r.code != 0 || !strings.Contains(r.stdout, "not repaired: ") {
		t.Errorf("repair: %v", r)
	}
	must(t, 0, "verify", "--own-rows", out("2026-11-05"))
}
