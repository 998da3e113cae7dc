package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestPrune: of a folder of runs the last ones stay, and what users put there. Nothing is deleted
// without --yes.
func TestPrune(t *testing.T) {
	t.Parallel()
	_, out := scoredOnce(t)
	runs := t.TempDir()
	for _, name := range []string{"2026-11-01", "2026-11-02", "2026-11-03", "2026-11-04"} {
		if err := os.CopyFS(filepath.Join(runs, name), os.DirFS(out)); err != nil {
			t.Fatal(err)
		}
	}
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
