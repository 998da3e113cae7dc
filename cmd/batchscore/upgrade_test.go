package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestUpgrade reads what former releases wrote, and continues it: outputs, records,
// registries, measurements and local jobs. deploy/compat/fixtures.sh made the archives.
func TestUpgrade(t *testing.T) {
	t.Parallel()
	needRuntime(t)
	archives, err := filepath.Glob("../../deploy/compat/testdata/*.tar.gz")
	if err != nil || len(archives) == 0 {
		t.Fatal("there are no archives of former releases", err)
	}
	for _, archive := range archives {
		t.Run(strings.TrimSuffix(filepath.Base(archive), ".tar.gz"), func(t *testing.T) {
			w := unpackFixture(t, archive)
			w.readOutputs(t)
			w.finishOutput(t)
			w.retryOutput(t)
			w.readState(t)
			w.readTuned(t)
		})
	}
}

// A fixture is the folder in which a release made the files of an archive.
type fixture struct{ root string }

var fixtureRoot = regexp.MustCompile(`^/tmp/batchscore-fixture\.\w{8}/fixture$`)

// unpackFixture unpacks an archive where it was made, because records have paths. Other
// processes that run this test wait.
func unpackFixture(t *testing.T, archive string) fixture {
	t.Helper()
	text, err := exec.Command("tar", "-xzOf", archive, "./unfinished/_batchscore/job.json").Output()
	if err != nil {
		t.Fatal(err)
	}
	var job struct{ Images string }
	if err := json.Unmarshal(text, &job); err != nil {
		t.Fatal(err)
	}
	root := filepath.Dir(job.Images)
	if !fixtureRoot.MatchString(root) {
		t.Fatalf("the files of %s were made in %s, want %v", archive, root, fixtureRoot)
	}
	place := filepath.Dir(root)
	lock, err := os.Open(filepath.Dir(place))
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := os.RemoveAll(place); err != nil {
			t.Error(err)
		}
		_ = lock.Close()
	})
	if err := os.RemoveAll(place); err != nil { // of a test that was killed
		t.Fatal(err)
	}
	if err := os.Mkdir(place, 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(root, 0o700); err != nil {
		t.Fatal(err)
	}
	if said, err := exec.Command("tar", "-xzf", archive, "-C", root).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, said)
	}
	return fixture{root}
}

func (w fixture) at(name string) string { return filepath.Join(w.root, name) }

// run runs a command, which ends with a code and says all of some texts.
func (w fixture) run(t *testing.T, code int, says string, args ...string) processResult {
	t.Helper()
	cmd := command(t, []string{"XDG_STATE_HOME=" + w.at("state"), "BATCHSCORE_MODELS=" + w.at("models"), "XDG_CACHE_HOME=" + w.at("cache")}, args...)
	cmd.Dir = w.root
	r := finish(t, cmd)
	for text := range strings.SplitSeq(says, "|") {
		if r.code != code || !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("%v: got %v, want exit code %d and %q", args, r, code, text)
		}
	}
	return r
}

// score is run for the command run with the flags of the fixture's jobs.
func (w fixture) score(t *testing.T, says string, args ...string) {
	t.Helper()
	flags := []string{"run", "--images", "images", "--model", "model.onnx", "--chunk", "3", "--batch", "2", "--max-errors", "100%"}
	w.run(t, 0, says, append(flags, args...)...)
}

// readOutputs verifies and shows complete outputs, and merges one as its release did.
func (w fixture) readOutputs(t *testing.T) {
	t.Helper()
	for _, out := range []string{"jsonl", "csv", "parquet", "repaired", "delivered", "launched"} {
		w.run(t, 0, "OK: rows equal manifest|1 empty|1 not_image|24 ok|1 truncated", "verify", out)
	}
	w.run(t, 0, "OK: rows equal manifest|1 not_image|25 ok|1 truncated", "verify", "retried")
	for _, out := range []string{"jsonl", "parquet", "retried"} {
		w.run(t, 0, "page.jpg|not_image", "show", out, "--status", "failed")
	}
	w.run(t, 0, "", "merge", "delivered", "-o", "now.csv")
	was, _ := os.ReadFile(w.at("again.csv"))
	if now, err := os.ReadFile(w.at("now.csv")); err != nil || string(now) != string(was) || len(was) == 0 {
		t.Errorf("the merged rows differ: %v", err)
	}
}

// finishOutput finishes the job whose rank was killed. What that had committed stays.
func (w fixture) finishOutput(t *testing.T) {
	t.Helper()
	parts, err := filepath.Glob(w.at("unfinished/part-*"))
	if err != nil || len(parts) < 2 {
		t.Fatalf("parts %v, %v; want two or more", parts, err)
	}
	before := filesIn(t, w.at("unfinished"))
	w.run(t, 10, "", "verify", "unfinished")
	w.run(t, 75, "of 27 images|start it again to continue", "jobs", "status", "unfinished", "--check")
	w.score(t, fmt.Sprintf("continuing: %d of 27 images are done|24 ok, 3 failed", 3*len(parts)), "--out", "unfinished", "--provider", "simulate:rate=1000")
	w.run(t, 0, "OK: rows equal manifest|24 ok", "verify", "unfinished")
	w.run(t, 0, "complete: 27 of 27 images", "jobs", "status", "unfinished", "--check")
	after := filesIn(t, w.at("unfinished"))
	for _, part := range parts {
		if name := filepath.Base(part); after[name] != before[name] || before[name] == "" {
			t.Errorf("%s has changed", name)
		}
	}
}

// retryOutput scores failed images again, of which one is an image now. The job that its
// release had retried before is retried a second time.
func (w fixture) retryOutput(t *testing.T) {
	t.Helper()
	if err := os.Link(w.at("images/001.bmp"), w.at("mended")); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(w.at("mended"), w.at("images/empty.bmp")); err != nil {
		t.Fatal(err)
	}
	w.score(t, "scored again: 3 images: 1 ok, 2 failed", "--out", "csv", "--format", "csv", "--retry", "failed")
	w.run(t, 0, "OK: rows equal manifest|1 not_image|25 ok|1 truncated", "verify", "csv")
	w.score(t, "scored again: 2 images: 0 ok, 2 failed", "--out", "retried", "--format", "csv", "--retry", "failed")
	w.run(t, 0, "OK: rows equal manifest|1 not_image|25 ok|1 truncated", "verify", "retried")
}

// readState asks for the local job by its name, and scores with a model of the registry.
func (w fixture) readState(t *testing.T) {
	t.Helper()
	jobs, err := filepath.Glob(w.at("state/batchscore/jobs/*.yaml"))
	if err != nil || len(jobs) != 1 {
		t.Fatalf("jobs %v, %v; want one", jobs, err)
	}
	name := strings.TrimSuffix(filepath.Base(jobs[0]), ".yaml")
	w.run(t, 0, name+"|complete", "jobs", "list")
	w.run(t, 0, name+"|succeeded|complete: 27 of 27 images", "jobs", "status", name, "--check")
	w.run(t, 0, "complete", "jobs", "logs", name)
	if r := w.run(t, 0, "colours", "models", "list"); !regexp.MustCompile(`(?m)^colours +\S+ +ok `).MatchString(r.stdout) {
		t.Errorf("the registered model is not found: %v", r)
	}
}

// readTuned scores with what a release measured. Names of such files depend on the
// machine and on the libraries; what is in them does not.
func (w fixture) readTuned(t *testing.T) {
	t.Helper()
	measured, err := filepath.Glob(w.at("tuned/tune-*.json"))
	if err != nil || len(measured) != 1 {
		t.Fatalf("measurements %v, %v; want one", measured, err)
	}
	var was struct{ Batch, Sessions int }
	text, err := os.ReadFile(measured[0])
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(text, &was); err != nil {
		t.Fatal(err)
	}
	tuned := func(out, says string) {
		t.Helper()
		w.run(t, 0, says, "run", "--images", "images", "--model", "colours", "--max-errors", "100%", "--out", out,
			"--batch", "auto", "--sessions", "auto", "--tune-cache", "here")
	}
	tuned("tuning", `"from_cache":false`)
	here, err := filepath.Glob(w.at("here/tune-*.json"))
	if err != nil || len(here) != 1 {
		t.Fatalf("measurements %v, %v; want one", here, err)
	}
	if err := os.WriteFile(here[0], text, 0o600); err != nil {
		t.Fatal(err)
	}
	tuned("as-tuned", fmt.Sprintf(`"batch":%d,|"sessions":%d,|"from_cache":true`, was.Batch, was.Sessions))
}
