package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// TestUpgrade reads what former releases wrote: their outputs, records, registries and
// local jobs. deploy/compat/fixtures.sh made the archives.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	archives, err := filepath.Glob("../../deploy/compat/testdata/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatal("there are no archives of former releases", err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			root := t.TempDir()
			if said, err := exec.Command("tar", "-xzf", archive, "-C", root).CombinedOutput(); err != nil {
				t.Fatalf("%v: %s", err, said)
			}
			at := func(name string) string { return filepath.Join(root, name) }
			run := func(code int, want string, args ...string) {
				t.Helper()
				env := []string{"XDG_STATE_HOME=" + at("state"), "BATCHSCORE_MODELS=" + at("models")}
				if r := finish(t, command(t, env, args...)); r.code != code || !strings.Contains(r.stdout+r.stderr, want) {
					t.Errorf("%v: got %v, want exit code %d and %q", args, r, code, want)
				}
			}
			for _, out := range []string{"jsonl", "csv", "parquet", "retried", "repaired", "delivered", "launched"} {
				run(0, "OK: rows equal manifest", "verify", at(out))
				run(0, "27", "show", at(out))
				run(0, "", "jobs", "status", at(out))
			}
			run(0, "", "merge", at("delivered"), "-o", at("now.csv"))
			was, _ := os.ReadFile(at("again.csv"))
			if now, err := os.ReadFile(at("now.csv")); err != nil || string(now) != string(was) || len(was) == 0 {
				t.Errorf("the merged rows differ: %v", err)
			}
			run(10, "", "verify", at("unfinished"))
			run(0, "colours", "models", "list")
			run(0, "score-", "jobs", "list")
		})
	}
}
