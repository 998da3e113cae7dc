package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// TestCheckOfDamage: a monitor is never told that a result is complete of which a part
// is not what was written.
func TestCheckOfDamage(t *testing.T) {
	d := newDesk(t)
	in, model := pictures(t, 20), tiny(t, graphtest.Options{})
	rewrite := func(t *testing.T, name string, change func([]byte) []byte) {
		t.Helper()
		body, err := os.ReadFile(name)
		if err == nil {
			err = os.WriteFile(name, change(body), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	damages := map[string]func(t *testing.T, out, part string){
		"gone": func(t *testing.T, _, part string) {
			if err := os.Remove(part); err != nil {
				t.Fatal(err)
			}
		},
		"emptied": func(t *testing.T, _, part string) {
			rewrite(t, part, func([]byte) []byte { return nil })
		},
		"longer": func(t *testing.T, _, part string) {
			rewrite(t, part, func(body []byte) []byte { return append(body, '\n') })
		},
		"another digit": func(t *testing.T, _, part string) {
			rewrite(t, part, func(body []byte) []byte {
				i := bytes.LastIndexAny(body, "0123456789")
				body[i] = '0' + (body[i]-'0'+1)%10
				return body
			})
		},
		"another part": func(t *testing.T, out, part string) {
			other, err := filepath.Glob(filepath.Join(out, "part-00002.*"))
			if err != nil || len(other) != 1 {
				t.Fatal(other, err)
			}
			body, err := os.ReadFile(other[0])
			if err != nil {
				t.Fatal(err)
			}
			rewrite(t, part, func([]byte) []byte { return body })
		},
		"no manifest": func(t *testing.T, out, _ string) {
			manifests, err := filepath.Glob(filepath.Join(out, "_batchscore", "manifest*"))
			if err != nil || len(manifests) != 1 || os.Remove(manifests[0]) != nil {
				t.Fatal(manifests, err)
			}
		},
	}
	for _, format := range []string{"jsonl", "csv", "parquet"} {
		whole := filepath.Join(t.TempDir(), "out")
		must(t, 0, "run", "--images", in, "--out", whole, "--model", model, "--chunk", "4", "--format", format)
		d.must(t, 0, "jobs", "status", "--check", whole)
		for name, damage := range damages {
			t.Run(format+", "+name, func(t *testing.T) {
				out := filepath.Join(t.TempDir(), "out")
				if err := os.CopyFS(out, os.DirFS(whole)); err != nil {
					t.Fatal(err)
				}
				damage(t, out, filepath.Join(out, "part-00001."+format))
				for _, how := range [][]string{nil, {"--json"}} {
					r := d.must(t, 10, append(append([]string{"jobs", "status", "--check"}, how...), out)...)
					if strings.Contains(r.stdout, ", complete") || strings.Contains(r.stdout, `"complete"`) {
						t.Errorf("got %v, want no word of a complete job", r)
					}
					if how != nil {
						checkVerdict(t, r, "damaged")
					}
				}
				must(t, 10, "verify", out)
			})
		}
	}
}

// checkVerdict compares the verdict in JSON with the exit code and with what is said on
// standard error.
func checkVerdict(t *testing.T, r processResult, verdict string) (s report) {
	t.Helper()
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || s.Check == nil {
		t.Fatalf("%v in %v, want JSON with a verdict", err, r)
	}
	c := s.Check
	if c.Verdict != verdict || c.ExitCode != r.code || (c.Reason == "") != (r.code == 0) || !strings.Contains(r.stderr, c.Reason) {
		t.Errorf("check %+v in %v, want the verdict %q", *c, r, verdict)
	}
	return s
}

// TestVerdictInJSON: what a monitor needs is on standard output, whatever the exit code.
func TestVerdictInJSON(t *testing.T) {
	needMpirun(t)
	d := newDesk(t)
	check := func(code int, verdict string, more ...string) *checked {
		t.Helper()
		return checkVerdict(t, d.must(t, code, append([]string{"jobs", "status", "--check", "--json"}, more...)...), verdict).Check
	}
	check(78, "wrong configuration")
	check(78, "wrong configuration", filepath.Join(t.TempDir(), "none"))
	out, finish := paused(t)
	check(75, "stopped", out)
	must(t, 0, finish...)
	if c := check(0, "complete", out); c.Failed == nil || *c.Failed != 0 || c.MaxErrors != "10%" {
		t.Errorf("check %+v, want no image failed of 10%% that may", *c)
	}
	if r := d.must(t, 0, "jobs", "status", "--json", out); strings.Contains(r.stdout, "verdict") {
		t.Errorf("got %v, want no verdict without --check", r)
	}

	// The lines of --watch are one object each, and the last has the verdict.
	r := d.must(t, 0, "jobs", "status", "--check", "--json", "--watch", out)
	lines := strings.Split(strings.TrimSpace(r.stdout), "\n")
	if len(lines) != 2 || strings.Contains(lines[0], "verdict") {
		t.Fatalf("got %v, want two lines", r)
	}
	checkVerdict(t, processResult{stdout: lines[1], code: r.code}, "complete")

	// What a launch found of a result that was complete before it is not forgotten.
	in := filepath.Join(t.TempDir(), "in")
	if err := os.CopyFS(in, os.DirFS(pictures(t, 4))); err != nil {
		t.Fatal(err)
	}
	out = filepath.Join(t.TempDir(), "out")
	job := []string{"launch", "--", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--strict-drift"}
	d.must(t, 0, job...)
	check(0, "complete")
	writeFile(t, filepath.Join(in, "new.jpg"), []byte("<html>"))
	d.must(t, 4, job...)
	check(4, "images changed")
	if j := d.list(t)[0]; j.State != "complete, exit 4" || j.Outcome == complete || j.Outcome == "" {
		t.Errorf("listed as %+v, want a complete job with exit code 4", j)
	}
	check(0, "complete", out)
}

// TestCheckOfAKilledJob: a job whose ranks are dead is not still going, also between its
// last part and _SUCCESS.
func TestCheckOfAKilledJob(t *testing.T) {
	d := newDesk(t)
	out, finish := filepath.Join(t.TempDir(), "out"), []string(nil)
	finish = []string{"run", "--images", pictures(t, 12), "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	must(t, 0, finish...)
	if err := os.Remove(filepath.Join(out, output.SuccessName)); err != nil {
		t.Fatal(err)
	}
	says(t, d.must(t, 75, "jobs", "status", "--check", out), "stopped, 100% of 12 images, 3 of 3 chunks")
	if err := os.RemoveAll(filepath.Join(out, "_batchscore", "workers")); err != nil { // which a killed rank leaves out
		t.Fatal(err)
	}
	r := d.must(t, 75, "jobs", "status", "--check", out)
	says(t, r, "stopped, 100% of 12 images, 3 of 3 chunks", "start it again", "none is at work", "gone")
	if strings.Contains(r.stdout+r.stderr, "images/s") {
		t.Errorf("got %v, want no rate of a job that has stopped", r)
	}
	must(t, 0, finish...)
	d.must(t, 0, "jobs", "status", "--check", out)
}

// TestCheckOfAKilledRetry: while the rows of a retry are in some parts only, nothing
// proves the parts, so the job is not complete.
func TestCheckOfAKilledRetry(t *testing.T) {
	d := newDesk(t)
	in, out := filepath.Join(t.TempDir(), "in"), filepath.Join(t.TempDir(), "out")
	if err := os.CopyFS(in, os.DirFS(pictures(t, 8))); err != nil {
		t.Fatal(err)
	}
	whole, err := filepath.Glob(filepath.Join(in, "*", "*.*"))
	if err != nil || len(whole) < 8 {
		t.Fatal(whole, err)
	}
	picture, err := os.ReadFile(whole[0])
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(in, "broken.jpg"), []byte("<html>"))
	job := []string{"run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	must(t, 0, job...)
	writeFile(t, filepath.Join(in, "broken.jpg"), picture)
	retry := append(slices.Clone(job), "--retry", "failed")
	must(t, 0, retry...)
	d.must(t, 0, "jobs", "status", "--check", out)

	before, err := os.ReadFile(filepath.Join(out, "_batchscore", "retry", "0001", "_batchscore", "previous_SUCCESS"))
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(out, output.SuccessName), before) // as if killed before the last step
	checkVerdict(t, d.must(t, 75, "jobs", "status", "--check", "--json", out), "stopped")
	must(t, 10, "verify", out)
	must(t, 0, retry...)
	d.must(t, 0, "jobs", "status", "--check", out)
}

// TestCodesOfAnUnfinishedJob compares the exit codes of the commands with the table of the
// reference.
func TestCodesOfAnUnfinishedJob(t *testing.T) {
	page, err := os.ReadFile(filepath.FromSlash("../../docs/reference.md"))
	if err != nil {
		t.Fatal(err)
	}
	out, finish := paused(t)
	copied := func() string {
		folder := filepath.Join(t.TempDir(), "out")
		if err := os.CopyFS(folder, os.DirFS(out)); err != nil {
			t.Fatal(err)
		}
		return folder
	}
	partly := copied()
	must(t, 0, finish...)
	unsealed, damaged := copied(), copied()
	if err := os.Remove(filepath.Join(unsealed, output.SuccessName)); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(damaged, "part-00003.jsonl")); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		words string
		codes [3]int // of the three outputs
		args  []string
	}{
		{words: "`verify`", codes: [3]int{10, 10, 10}, args: []string{"verify", "OUT"}},
		{words: "`merge`", codes: [3]int{75, 0, 10}, args: []string{"merge", "OUT", "-o", "FILE"}},
		{words: "`show`", codes: [3]int{0, 0, 10}, args: []string{"show", "OUT"}},
		{words: "`jobs status --check`", codes: [3]int{75, 75, 10}, args: []string{"jobs", "status", "--check", "OUT"}},
		{words: "`run` again", codes: [3]int{0, 0, 10}, args: finish}, // last: it finishes them
	} {
		t.Run(row.words, func(t *testing.T) {
			i := bytes.Index(page, []byte("\n| "+row.words+" | "))
			if i < 0 {
				t.Fatal("the reference has no such row")
			}
			line, _, _ := strings.Cut(string(page[i+1:]), "\n")
			cells := strings.Split(line, " | ")[1:]
			for k, place := range []string{partly, unsealed, damaged} {
				args := slices.Clone(row.args)
				for j, arg := range args {
					switch arg {
					case "OUT", out:
						args[j] = place
					case "FILE":
						args[j] = filepath.Join(t.TempDir(), "labels.csv")
					}
				}
				r := must(t, row.codes[k], args...)
				want := strconv.Itoa(r.code)
				if strings.HasPrefix(cells[k], "finishes") {
					want = "finishes"
				}
				if !strings.Contains(strings.ReplaceAll(cells[k], ",", ""), want) {
					t.Errorf("column %d says %q, the exit code is %d", k+1, cells[k], r.code)
				}
			}
		})
	}
}
