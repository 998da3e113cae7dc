package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// TestCheckOfAPlace asks for the exit code of an output without a record.
func TestCheckOfAPlace(t *testing.T) {
	d := newDesk(t)
	out, finish := paused(t)
	check := func(code int, says string, more ...string) {
		t.Helper()
		r := d.must(t, code, append([]string{"jobs", "status", "--check", out}, more...)...)
		if !strings.Contains(r.stderr, says) {
			t.Errorf("got %v, want %q in stderr", r, says)
		}
	}
	check(75, "stopped, ")
	var s report
	r := d.must(t, 75, "jobs", "status", "--check", "--json", out)
	if err := json.Unmarshal([]byte(r.stdout), &s); err != nil || s.Progress.Stage != output.Stopped {
		t.Errorf("got %v, %v, want JSON with the stage %s", r, err, output.Stopped)
	}
	must(t, 0, finish...)
	check(0, "")
	part := filepath.Join(out, "part-00001.jsonl")
	if err := os.Truncate(part, 10); err != nil {
		t.Fatal(err)
	}
	check(10, "part-00001")
	if err := os.Remove(filepath.Join(out, "_SUCCESS")); err != nil {
		t.Fatal(err)
	}
	check(10, "part-00001")
	d.must(t, 78, "jobs", "status", "--check", filepath.Join(t.TempDir(), "none"))
	d.must(t, 64, "jobs", "status", "--max-errors", "3", out)
	d.must(t, 64, "jobs", "status", "--check", "--max-errors", "many", out)
}

// TestCheckOfFailures: a result with too many failed images is no success, by the
// default, by what the job was launched with, and by what the monitor asks for.
func TestCheckOfFailures(t *testing.T) {
	needMpirun(t)
	d := newDesk(t)
	in, out := pictures(t, 40), filepath.Join(t.TempDir(), "out")
	for i := range 2 {
		writeFile(t, filepath.Join(in, fmt.Sprintf("broken %d.jpg", i)), []byte("<html>"))
	}
	model := tiny(t, graphtest.Options{})
	must(t, 0, "run", "--images", in, "--out", out, "--model", model)
	d.must(t, 0, "jobs", "status", "--check", out)
	d.must(t, 3, "jobs", "status", "--check", "--max-errors", "1", out)
	// A place is judged as the command did that completed it.
	strict := filepath.Join(t.TempDir(), "strict")
	must(t, 3, "run", "--images", in, "--out", strict, "--model", model, "--max-errors", "1")
	d.must(t, 3, "jobs", "status", "--check", strict)
	d.must(t, 0, "jobs", "status", "--check", "--max-errors", "2", strict)
	d.must(t, 3, "launch", "--", "--images", in, "--out", out, "--model", model, "--max-errors", "1")
	d.must(t, 3, "jobs", "status", "--check")
	if j := d.list(t)[0]; j.State != "complete, exit 3" || !strings.Contains(j.Outcome, "too many images failed: 2 of 42") {
		t.Errorf("listed as %+v, want a complete job with exit code 3", j)
	}
	d.must(t, 0, "jobs", "status", "--check", "--max-errors", "2")
}

// TestCheckOfAJob follows the exit code over the life of a launched job.
func TestCheckOfAJob(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	d.must(t, 0, "launch", "--to", "fake", "--detach", "-f", jobFile(t, pictures(t, 200), out, slow(t), "run: {chunk: 2, batch: 1}\n"))
	d.must(t, 5, "jobs", "status", "--check")
	eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
	if r := d.must(t, 5, "jobs", "status", "--check"); !strings.Contains(r.stderr, "still going: running, scoring") {
		t.Errorf("got %v, want that it continues", r)
	}
	d.must(t, 5, "jobs", "status", "--check", out)
	d.must(t, 0, "jobs", "cancel", d.list(t)[0].ID)
	d.must(t, 0, "jobs", "logs", "-f")
	eventually(t, "the end", func() bool { s := d.status(t); return s.Engine != nil && s.Engine.State.Ended() })
	d.must(t, 75, "jobs", "status", "--check")
	if s := d.status(t); s.Progress.Stage != output.Stopped {
		t.Errorf("stage %q, want %q", s.Progress.Stage, output.Stopped)
	}
	if j := d.list(t)[0]; j.State != incomplete || j.Outcome == "" || j.Images == "" {
		t.Errorf("listed as %+v, want an incomplete job with its outcome and images", j)
	}
	writeFile(t, filepath.Join(d.fake, "silent"), nil)
	d.must(t, 75, "jobs", "status", "--check")
}

// TestCheckOfConfiguration: a job that cannot run as configured has the exit code of
// its ranks, since starting it again does not help.
func TestCheckOfConfiguration(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	d.run(t, "launch", "--to", "fake", "-f", jobFile(t, pictures(t, 2), out, tiny(t, graphtest.Options{}), "run: {provider: cuda}\n"))
	d.must(t, 78, "jobs", "status", "--check")
}

// TestListOfUncheckedJobs: outcome and state agree for a job whose launcher was gone
// when it ended.
func TestListOfUncheckedJobs(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	d.must(t, 0, "launch", "--to", "fake", "--detach", "-f", jobFile(t, pictures(t, 4), out, tiny(t, graphtest.Options{}), ""))
	eventually(t, "the end", func() bool { s := d.status(t); return s.Engine != nil && s.Engine.State == deploy.Succeeded })
	if j := d.list(t)[0]; j.State != complete || j.Outcome != complete {
		t.Errorf("listed as %+v, want a complete job", j)
	}
	d.must(t, 0, "jobs", "status", "--check")
}

// TestFailedLaunchIsNotTheJobBefore: after a launch that failed at once, jobs status
// says that it shows another job.
func TestFailedLaunchIsNotTheJobBefore(t *testing.T) {
	d := newDesk(t)
	in, model := pictures(t, 4), tiny(t, graphtest.Options{})
	job := func() string { return jobFile(t, in, filepath.Join(t.TempDir(), "out"), model, "") }
	d.must(t, 0, "launch", "--to", "fake", "-f", job())
	const note = "failed and is not on record: "
	if r := d.must(t, 0, "jobs", "status"); strings.Contains(r.stdout, note) {
		t.Errorf("got %v, want no note", r)
	}
	for _, failing := range [][]string{{"--name", strings.Repeat("a", 41)}, {"--no-such-flag"}} {
		if r := d.run(t, append([]string{"launch", "--to", "fake", "-f", job()}, failing...)...); r.code == 0 {
			t.Fatalf("launch %q: %v, want an error", failing, r)
		}
		says(t, d.must(t, 0, "jobs", "status"), note, "this is the job before it")
		if s := d.status(t); !strings.Contains(s.Note, note) {
			t.Errorf("note %q, want %q", s.Note, note)
		}
		says(t, d.must(t, 0, "jobs", "status", "--watch"), note)
		says(t, d.must(t, 0, "jobs", "logs"), note)
		if s := d.status(t, "nightly"); s.Note != "" {
			t.Errorf("note %q about a job that was asked for", s.Note)
		}
	}
	d.must(t, 0, "launch", "--to", "fake", "-f", job())
	if s := d.status(t); s.Note != "" {
		t.Errorf("note %q after another launch", s.Note)
	}
}

func TestNamesOfJobs(t *testing.T) {
	for images, want := range map[string]string{
		"/data/Photos of 2019/": "photos-of-2019", "az://acme/photos/2019": "score-2019", "photos": "photos", "": "", "../..": "",
		"/data/" + strings.Repeat("a", 29) + " b": strings.Repeat("a", 29), "/data/Ümlaut": "mlaut",
	} {
		if got := nameAfter(images); got != want {
			t.Errorf("nameAfter(%q) = %q, want %q", images, got, want)
		}
	}
}

// TestScreenOfAJob keeps the status of a launched job.
func TestScreenOfAJob(t *testing.T) {
	needMpirun(t)
	model := tiny(t, graphtest.Options{})
	for _, width := range screenWidths {
		folder := screenFolder(t)
		env := []string{"XDG_STATE_HOME=" + folder, "HOME=" + folder, "LC_ALL=C.UTF-8"}
		in := filepath.Join(folder, "photos")
		if err := os.CopyFS(in, os.DirFS(pictures(t, 12))); err != nil {
			t.Fatal(err)
		}
		job := []string{"launch", "--images", in, "--out", filepath.Join(folder, "labels"), "--model", model, "--", "--chunk", "1", "--batch", "1"}
		if r := finish(t, command(t, env, job...)); r.code != 0 {
			t.Fatalf("launch: %v", r)
		}
		history := newMask(`[▁▂▃▄▅▆▇█]{4}  [\d.]+ to [\d.]+ images/s, in 4 steps of [\d.]+ s`, "▂▄██  4.00 to 16.0 images/s, in 4 steps of 0.3 s")
		rate := newMask(`\b[\d.]+ images/s, took 0:00:\d\d(?:\.\d+)?`, "10.0 images/s, took 0:00:01.234567")
		term := newTerminal(t, width, screenHeight, command(t, env, "jobs", "status", "photos"))
		term.exitCode()
		term.keep("status-job", rate, history, newMask(`(?m)^(0 {5}.{20}).{8}.{9}.{7}  \d+s +`, "${1}      12       12      0  1s "))
	}
}

// TestCheckOfAFileThatWasNotWritten: a launch that ended because it could not write the
// file of all rows is not complete until the file is there.
func TestCheckOfAFileThatWasNotWritten(t *testing.T) {
	needMpirun(t)
	d := newDesk(t)
	folder := t.TempDir()
	file, out := filepath.Join(folder, "all.csv"), filepath.Join(folder, "out")
	d.must(t, 0, "launch", "--", "--images", pictures(t, 4), "--out", out, "--model", tiny(t, graphtest.Options{}), "--merge", file)
	d.must(t, 0, "jobs", "status", "--check")
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}
	d.must(t, 0, "jobs", "status", "--check") // whoever fetched it may remove it

	jobs, err := filepath.Glob(filepath.Join(d.state, "batchscore", "jobs", "*.yaml"))
	if err != nil || len(jobs) != 1 {
		t.Fatalf("%q, %v, want one record", jobs, err)
	}
	record, err := os.ReadFile(jobs[0])
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, jobs[0], append(record, "exit_code: 75\n"...))
	r := d.must(t, 75, "jobs", "status", "--check")
	says(t, r, "all.csv was not written")
	d.must(t, 0, "merge", out, "-o", file)
	d.must(t, 0, "jobs", "status", "--check")
}

// TestKilledRanksAreNotAtWork: ranks that were killed with their job cannot say that they
// have ended.
func TestKilledRanksAreNotAtWork(t *testing.T) {
	ended, killed := time.Unix(1795314199, 0), 137
	for name, c := range map[string]struct {
		sign  time.Duration // after the end of the job
		ended *time.Time
		state deploy.State
		alive int
		stage output.Stage
		want  error
	}{
		"killed":             {sign: -4 * time.Second, ended: &ended, state: deploy.Failed, alive: 0, stage: output.Stopped, want: output.ErrIncomplete},
		"in the same second": {sign: 900 * time.Millisecond, ended: &ended, state: deploy.Failed, alive: 0, stage: output.Stopped, want: output.ErrIncomplete},
		"of another launch":  {sign: 30 * time.Second, ended: &ended, state: deploy.Failed, alive: 1, stage: output.Scoring, want: errStillGoing},
		"the job runs":       {sign: -4 * time.Second, ended: nil, state: deploy.Running, alive: 1, stage: output.Scoring, want: errStillGoing},
		"it ended some time": {sign: -4 * time.Second, ended: nil, state: deploy.Failed, alive: 1, stage: output.Scoring, want: errStillGoing},
	} {
		r := report{Engine: &engineReport{State: c.state, Ended: c.ended, ExitCode: &killed}, Progress: &output.Progress{
			Stage: output.Scoring, Images: 8, Chunks: 2, Rate: 1, LeftSeconds: 8,
			Ranks: []output.RankProgress{{Sign: ended.Add(c.sign), Alive: true}, {Rank: 1, Sign: ended.Add(-time.Hour)}},
		}}
		r.bury()
		err := new(inspector).check(t.Context(), &r, "")
		if p := r.Progress; p.Alive() != c.alive || p.Stage != c.stage || !errors.Is(err, c.want) || (p.LeftSeconds == 0) != (c.alive == 0) {
			t.Errorf("%s: %d at work, %s, %v; want %d, %s, %v", name, p.Alive(), p.Stage, err, c.alive, c.stage, c.want)
		}
	}
	r := report{Engine: &engineReport{State: deploy.Failed, Ended: &ended}}
	r.bury() // of a job without an output
}
