package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestPrune: of a folder of runs the last ones stay, and what users put there. Nothing is deleted
// without --yes.
func TestPrune(t *testing.T) {
	t.Parallel()
	runs := jobsOf(t, "2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04")
	writeFile(t, filepath.Join(runs, "2026-11-02", "labels.csv"), []byte("of the user"))
	if err := os.Remove(filepath.Join(runs, "2026-11-04", "_SUCCESS")); err != nil {
		t.Fatal(err)
	}
	left := func() string {
		t.Helper()
		names, err := filepath.Glob(filepath.Join(runs, "*"))
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range names {
			names[i] = filepath.Base(name)
		}
		return strings.Join(names, " ")
	}
	const all = "2026-11-01 2026-11-02 2026-11-03 2026-11-04"
	for args, says := range map[string]string{
		"":         "nothing can be deleted of 4 outputs",
		"--keep=1": "2 of 4 outputs can be deleted: ",
		"--json":   `"keep": "it is the last complete run"`,
	} {
		r := batchscore(t, append([]string{"prune", runs}, strings.Fields(args)...)...)
		if r.code != 0 || !strings.Contains(r.stdout, says) || left() != all {
			t.Errorf("prune %s: got %v, and %q are left; want %q and all of them", args, r, left(), says)
		}
	}
	r := batchscore(t, "prune", runs, "--keep=1", "--yes")
	for _, want := range []string{"gone  2026-11-01: ", "gone  2026-11-02: ", "; 1 object of others in its folder stay",
		"keep  2026-11-03: it is the last complete run\n", "keep  2026-11-04: it is not complete", "2 of 4 outputs deleted: "} {
		if r.code != 0 || !strings.Contains(r.stdout, want) {
			t.Errorf("got %v, want %q", r, want)
		}
	}
	if got := left(); got != "2026-11-02 2026-11-03 2026-11-04" {
		t.Errorf("%q are left", got)
	}
	if names, err := os.ReadDir(filepath.Join(runs, "2026-11-02")); err != nil || len(names) != 1 {
		t.Errorf("%v is left of a run with a file of the user, %v", names, err)
	}
	must(t, 0, "verify", filepath.Join(runs, "2026-11-03"))
	// One output is deleted, and its folder stays.
	one := filepath.Join(runs, "2026-11-03")
	must(t, 0, "prune", one, "--yes")
	if names, err := os.ReadDir(one); err != nil || len(names) != 0 {
		t.Errorf("%v is left of it, %v", names, err)
	}
	for place, code := range map[string]int{one: 78, filepath.Join(runs, "none"): 78, filepath.Join(runs, "2026-11-04"): 75} {
		if r := batchscore(t, "prune", place, "--yes"); r.code != code || r.stdout != "" {
			t.Errorf("prune %s: got %v, want exit code %d", place, r, code)
		}
	}
	must(t, 64, "prune", runs, "--keep=0")
}

// jobsOf scores a few images once for each name, each time in another job.
func jobsOf(t *testing.T, names ...string) (runs string) {
	t.Helper()
	images, runs, model := pictures(t, 3), t.TempDir(), tiny(t, graphtest.Options{})
	for _, name := range names {
		must(t, 0, "run", "--images", images, "--out", filepath.Join(runs, name), "--model", model)
	}
	return runs
}

// TestPruneLinks: a link to a run is not a run, and a link that is named is resolved.
func TestPruneLinks(t *testing.T) {
	t.Parallel()
	runs := jobsOf(t, "01", "02")
	if err := os.Symlink("02", filepath.Join(runs, "latest")); err != nil {
		t.Fatal(err)
	}
	r := must(t, 0, "prune", runs, "--keep=1", "--yes")
	for _, want := range []string{"gone  01: ", "keep  02: it is the last complete run\n", "keep  latest: it is a link to "} {
		if !strings.Contains(r.stdout, want) {
			t.Errorf("got %v, want %q", r, want)
		}
	}
	must(t, 0, "verify", filepath.Join(runs, "02"))
	if r := must(t, 0, "prune", filepath.Join(runs, "latest")); !strings.Contains(r.stdout, "drop  02: ") {
		t.Errorf("got %v", r)
	}
}

// TestAfterMarkedOrLinked: an output that is half deleted is not continued, and the record has the
// place that a link leads to.
func TestAfterMarkedOrLinked(t *testing.T) {
	t.Parallel()
	runs := jobsOf(t, "01", "02")
	writeFile(t, filepath.Join(runs, "02", "_batchscore", "pruning.json"), []byte("{}\n"))
	if err := os.Symlink("01", filepath.Join(runs, "zlink")); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(runs, "02\xff"), 0o777); err != nil {
		t.Fatal(err)
	}
	var record struct{ Images string }
	if err := json.Unmarshal([]byte(readFile(t, filepath.Join(runs, "01", "_batchscore", "job.json"))), &record); err != nil {
		t.Fatal(err)
	}
	model := tiny(t, graphtest.Options{})
	for out, after := range map[string]string{"03": runs, "04": filepath.Join(runs, "zlink")} {
		must(t, 0, "run", "--images", record.Images, "--out", filepath.Join(runs, out), "--model", model, "--after", after)
		if got := readFile(t, filepath.Join(runs, out, "_batchscore", "job.json")); !strings.Contains(got, `"previous": "../01"`) {
			t.Errorf("%s does not continue ../01: %s", out, got)
		}
	}
	must(t, 64, "run", "--images", record.Images, "--out", filepath.Join(runs, "06\xff"), "--model", model, "--after", runs)
	r := must(t, 75, "run", "--images", record.Images, "--out", filepath.Join(runs, "05"), "--model", model, "--after", filepath.Join(runs, "02"))
	if !strings.Contains(r.stderr, "run prune again") {
		t.Errorf("got %v", r)
	}
}
