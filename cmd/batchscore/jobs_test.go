package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// TestJobsWithoutARecord runs commands on an empty record, and with wrong arguments.
func TestJobsWithoutARecord(t *testing.T) {
	d := newDesk(t)
	if r := d.must(t, 0, "jobs", "list"); !strings.Contains(r.stdout, "no job is on record") {
		t.Errorf("got %v, want %q in stdout", r, "no job is on record")
	}
	for _, c := range []struct {
		args []string
		code int
		says string
	}{
		{args: []string{"status"}, code: 78, says: "not launched anything yet"},
		{args: []string{"logs", "x"}, code: 78, says: "no such job"},
		{args: []string{"cancel"}, code: 64, says: "JOB"},
		{args: []string{"cancel", ""}, code: 64, says: "ID"},
		{args: []string{"fetch", "x"}, code: 64, says: "DIR"},
		{args: []string{"fetch", "x", t.TempDir()}, code: 78, says: "no such job"},
		{args: []string{"status", "a", "b"}, code: 64, says: "at most one"},
		{args: []string{"status", "--json", "--watch"}, code: 78, says: "not launched anything yet"},
		{args: []string{"status", "--watch", "--every", "1ms"}, code: 64, says: "--every"},
		{args: []string{"status", filepath.Join(t.TempDir(), "none")}, code: 78, says: "none is not an output folder: it does not exist"},
		{args: []string{"list", "--limit", "0"}, code: 64, says: "--limit"},
		{args: []string{"watch"}, code: 64, says: "watch"},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			if r := d.run(t, append([]string{"jobs"}, c.args...)...); r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("%q: got %v, want exit code %d and %q", c.args, r, c.code, c.says)
			}
		})
	}
}

// paused returns the output of a job of 40 images that stopped half way, and the command
// line that finishes it.
func paused(t testing.TB) (out string, finish []string) {
	t.Helper()
	out = filepath.Join(t.TempDir(), "out")
	finish = []string{"run", "--images", pictures(t, 40), "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "4"}
	must(t, 75, append(finish, "--budget-images", "20", "--batch", "2")...)
	return out, finish
}

// TestStatusOfAPlace shows the progress of an output that is not on record, by its path
// and by a name that could be that of a job.
func TestStatusOfAPlace(t *testing.T) {
	d := newDesk(t)
	out, finish := paused(t)
	for _, arg := range []string{out, "out"} {
		cmd := d.command(t, "jobs", "status", "--json", arg)
		cmd.Dir = filepath.Dir(out)
		r := runIn(t, cmd)
		var s report
		if err := json.Unmarshal([]byte(r.stdout), &s); err != nil {
			t.Fatalf("jobs status %s --json: %v\n%v", arg, err, r)
		}
		p := s.Progress
		if s.Job != nil || p.Stage != output.Stopped || p.Images != 40 || p.ImagesDone < 20 || p.ImagesDone == 40 || p.Alive() != 0 || p.Ranks[0].End != "stopped" {
			t.Errorf("status of %s = %+v, want half a job without a record", arg, s)
		}
	}
	text := d.must(t, 0, "jobs", "status", out).stdout
	if !strings.Contains(text, "none is at work") || !strings.Contains(text, " of 40 images") {
		t.Errorf("half way, want no rank at work and 40 images in\n%s", text)
	}
	must(t, 0, finish...)
	if text := d.must(t, 0, "jobs", "status", out).stdout; !strings.Contains(text, "100%, complete: 40 of 40 images, 10 of 10 chunks") {
		t.Errorf("at the end, want a complete job in\n%s", text)
	}
	// In no terminal a watch is lines, and ends with the job.
	if r := d.must(t, 0, "jobs", "status", "--watch", out); strings.Count(r.stdout, "\n") != 1 || strings.Contains(r.stdout, "\x1b") {
		t.Errorf("watch printed %q, want one line without escape sequences", r.stdout)
	}
}

func runIn(t testing.TB, cmd *exec.Cmd) processResult {
	t.Helper()
	r := finish(t, cmd)
	if r.code != 0 {
		t.Fatalf("%s: want exit code 0, have %v", cmd, r)
	}
	return r
}

// TestWatchInATerminal checks the live screen in tmux: it is redrawn in place, fits the
// terminal, and ends with the job or with Ctrl-C.
func TestWatchInATerminal(t *testing.T) {
	out, finish := paused(t)
	for _, end := range []string{"the job ends", "Ctrl-C", "the key q"} {
		t.Run(end, func(t *testing.T) {
			term := newTerminal(t, 100, 20, command(t, newDesk(t).env, "jobs", "status", "--watch", "--every", "100ms", out))
			screen := term.until("the table", func(s string) bool { return strings.Contains(s, "stopped") })
			if strings.Contains(screen, "$ ") || !strings.HasPrefix(screen, "Output") {
				t.Errorf("want only the report on the screen:\n%s", screen)
			}
			for _, size := range [][2]int{{40, 8}, {120, 30}, {30, 3}, {80, 24}} {
				term.resize(size[0], size[1])
				screen := term.until(fmt.Sprint("a screen of ", size), func(s string) bool {
					// What is cut, and how often, tells which size was drawn for.
					lines := strings.Split(s, "\n")
					return strings.HasPrefix(s, "Output") && len(lines) <= size[1] &&
						(size[0] < 60) == (lines[0] == "Output") && strings.Contains(s, "stopped") == (size[1] > 3 && size[0] > 60)
				})
				if strings.Count(screen, "Output") != 1 {
					t.Errorf("at %v want the report once:\n%s", size, screen)
				}
			}
			switch end {
			case "Ctrl-C":
				term.tmux("send-keys", "C-c")
			case "the key q":
				term.tmux("send-keys", "x", "q")
			default:
				must(t, 0, finish...)
			}
			ends := end == "the job ends"
			if code := term.exitCode(); code != 0 {
				t.Errorf("exit code %d, want 0", code)
			}
			screen = term.tmux("capture-pane", "-p", "-S", "-") // what has scrolled away, too
			if strings.Count(screen, "Output") != 1 || strings.Contains(screen, "100%, complete") != ends {
				t.Errorf("want the last report once on the terminal:\n%s", screen)
			}
			if ends {
				if err := os.RemoveAll(out); err != nil {
					t.Fatal(err)
				}
				must(t, 75, append(finish, "--budget-images", "20", "--batch", "2")...)
			}
		})
	}
}

// TestReportKeepsToTheScreen draws a report of many ranks, with every line that it can
// have, at many sizes.
func TestReportKeepsToTheScreen(t *testing.T) {
	now := time.Date(2026, 3, 2, 8, 0, 0, 0, time.UTC)
	code := 137
	p := &output.Progress{
		Output: "az://acme/labels/2019", Stage: output.Scoring, Images: 366111, ImagesDone: 223104, Chunks: 2861, ChunksDone: 1743,
		Statuses: map[string]int{"ok": 223092, "truncated": 9, "not_found": 3}, Rate: 412.34, LeftSeconds: 347,
	}
	for rank := range 32 {
		p.Ranks = append(p.Ranks, output.RankProgress{Rank: rank, Host: fmt.Sprintf("node%d.cluster.example", rank/4), Chunks: 54, Images: 6912,
			Holding: 1, Sign: now.Add(-3 * time.Second), Alive: true})
	}
	p.Ranks[1] = output.RankProgress{Rank: 1}
	p.Ranks[2].Alive, p.Ranks[2].Sign = false, now.Add(-10*time.Minute)
	r := report{
		now: now, Job: &listed{ID: "nightly-260302-074800-x3k9", Engine: "slurm", Launched: now.Add(-12 * time.Minute), Out: p.Output},
		Engine:   &engineReport{State: deploy.Failed, Reason: "rank 2 failed\nmore of it", ExitCode: &code, Where: "sacct -j 4711"},
		Progress: p, Store: &storeReport{Retries: 5, Throttled: 4, Stalls: 1},
	}
	want := `Job        nightly-260302-074800-x3k9 on slurm, launched 2026-03-02 07:48:00 (12m00s ago)
Engine     failed, exit code 137: rank 2 failed
See        sacct -j 4711
Output     az://acme/labels/2019
Storage    is slow to answer: 5 calls tried again, 4 throttled, 1 stalled
Progress   [############........] 60%: 223104 of 366111 images, 1743 of 2861 chunks
Rate       412 images/s, 5 min 47 s left
Failures   12 of these images: 9 truncated, 3 not_found

RANK  HOST                  CHUNKS   IMAGES  HOLDS  LAST SIGN  STATE
2     node0.cluster.examp…      54     6912      1  10m00s     silent
1     -                          0        0      0  -          not seen yet
0     node0.cluster.examp…      54     6912      1  3s         at work
... and 29 more ranks`
	here := time.Local
	time.Local = time.UTC
	t.Cleanup(func() { time.Local = here })
	if have := strings.Join(r.lines(90, 14), "\n"); have != want {
		t.Errorf("have\n%s\nwant\n%s", have, want)
	}
	for width := 1; width < 130; width += 3 {
		for height := 1; height < 50; height++ {
			lines := r.lines(width, height)
			if len(lines) > height {
				t.Fatalf("%d lines, want at most %d", len(lines), height)
			}
			for _, line := range lines {
				if n := len([]rune(line)); n > width {
					t.Fatalf("%d characters, want at most %d: %q", n, width, line)
				}
			}
		}
	}
	if all := r.lines(0, 0); len(all) != 10+32 || strings.Contains(strings.Join(all, ""), "more ranks") {
		t.Errorf("lines = %d, want all 42", len(all))
	}
	const wantLine = "failed, scoring, 60% of 366111 images, 1743 of 2861 chunks, 412 images/s, 5 min 47 s left, 12 failed, 30 ranks at work"
	if got := r.line(); got != wantLine {
		t.Errorf("line() = %q, want %q", got, wantLine)
	}
	p.Storage = &output.Storage{Calls: 900, Retries: 31, Throttled: 30, Stalls: 1, PausedSeconds: 125.4}
	const waited = "Storage    made ranks wait that have ended: 31 calls tried again, 30 throttled, 1 stalled, pauses of 2m5s in all"
	if all := r.lines(0, 0); !slices.Contains(all, waited) {
		t.Errorf("want %q in\n%s", waited, strings.Join(all, "\n"))
	}
}

// TestListAsksTheEngines lists jobs in every state.
func TestListAsksTheEngines(t *testing.T) {
	d := newDesk(t)
	in, model := pictures(t, 4), tiny(t, graphtest.Options{})
	launch := func(name, engine string, more ...string) {
		t.Helper()
		out := filepath.Join(t.TempDir(), "out")
		d.run(t, append([]string{"launch", "--to", engine, "-f", jobFile(t, in, out, model, ""), "--name", name}, more...)...)
	}
	launch("done", "fake")
	launch("away", "fake", "--detach")
	d.must(t, 0, "jobs", "logs", "-f", "away")
	if jobs := d.list(t); len(jobs) != 2 || jobs[0].State != complete || jobs[1].State != complete {
		t.Errorf("jobs list = %+v, want two that are complete", jobs)
	}
	table := d.must(t, 0, "jobs", "list").stdout
	if lines := strings.Split(table, "\n"); len(lines) != 4 || !strings.HasPrefix(lines[0], "JOB ") ||
		!strings.HasPrefix(lines[1], "away-") || !strings.HasPrefix(lines[2], "done-") || !strings.Contains(lines[2], complete) {
		t.Errorf("want a head and two jobs in\n%s", table)
	}
	writeFile(t, filepath.Join(d.fake, "silent"), nil)
	if jobs := d.list(t); !strings.HasPrefix(jobs[0].State, "unknown: ") || jobs[1].State != complete {
		t.Errorf("jobs list = %+v, want the first unknown", jobs)
	}
	if r := d.must(t, 0, "jobs", "list", "--limit", "1"); !strings.Contains(r.stdout, "and 1 older") || strings.Contains(r.stdout, "done-") {
		t.Errorf("got %v, want %q in stdout and no %q in stdout", r, "and 1 older", "done-")
	}
}

// TestStatusTellsWhatItCan shows jobs whose output cannot be opened, whose engine is
// unknown, and whose runs have a place each.
func TestStatusTellsWhatItCan(t *testing.T) {
	d := newDesk(t)
	book := record.Open(filepath.Join(d.state, "batchscore", "jobs"))
	var fakeSection yaml.Node
	if err := fakeSection.Encode(map[string]string{"folder": d.fake}); err != nil {
		t.Fatal(err)
	}
	scoring := deploy.Job{Name: "a", Images: "az://acme/photos", Out: "az://acme/labels", Model: "m"}
	nightly := scoring
	nightly.Out, nightly.Schedule = "az://acme/labels/{run}", "0 2 * * *"
	for _, c := range []struct {
		r           record.Record
		engine, out string
	}{
		{
			r: record.Record{
				ID:          "credentials",
				Engine:      "fake",
				Service:     fakeSection,
				Job:         scoring,
				Phase:       record.Submitted,
				Credentials: "/none/credentials",
			},
			engine: "knows no such job",
			out:    "/none/credentials",
		},
		{
			r:      record.Record{ID: "engine", Engine: "cloud", Job: scoring, Phase: record.Submitted, Credentials: "/none/credentials"},
			engine: "does not know",
			out:    "/none/credentials",
		},
		{
			r:      record.Record{ID: "nightly", Engine: "fake", Service: fakeSection, Job: nightly, Phase: record.Submitted},
			engine: "knows no such job",
			out:    "each run has a place of its own",
		},
	} {
		if err := book.Create(c.r); err != nil {
			t.Fatal(err)
		}
		s := d.status(t, c.r.ID)
		if !strings.Contains(s.EngineTrouble, c.engine) || !strings.Contains(s.Trouble, c.out) {
			t.Errorf("status of %s = %+v, want %q and %q", c.r.ID, s, c.engine, c.out)
		}
		if r := d.must(t, 0, "jobs", "status", c.r.ID); !strings.Contains(r.stdout, c.engine) || !strings.Contains(r.stdout, c.out) {
			t.Errorf("status of %s: %v, want %q and %q", c.r.ID, r, c.engine, c.out)
		}
	}
	if jobs := d.list(t); len(jobs) != 3 {
		t.Errorf("jobs list = %+v, want three", jobs)
	}
}

func TestClusters(t *testing.T) {
	d := newDesk(t)
	create := []string{"cluster", "create", "gpus", "--to", "fake", "--vm-size", "Standard_NC24ads_A100_v4",
		"--max", "8", "--priority", "low", "--idle-time", "10m"}
	if r := d.must(t, 0, append(create, "--dry-run")...); !strings.Contains(r.stdout, `"maxNodes": 8`) {
		t.Errorf("got %v, want %q in stdout", r, `"maxNodes": 8`)
	}
	d.must(t, 78, "cluster", "show", "gpus", "--to", "fake")
	d.must(t, 0, create...)
	d.must(t, 0, "cluster", "resize", "gpus", "--to", "fake", "--min", "1", "--max", "4")
	want := "CLUSTER  STATE   VM SIZE                   PRIORITY  NODES  BUSY  MIN  MAX  IDLE TIME\n" +
		"gpus     steady  Standard_NC24ads_A100_v4  low       0      0     1    4    10m0s\n"
	if r := d.must(t, 0, "cluster", "show", "gpus", "--to", "fake"); r.stdout != want {
		t.Errorf("have\n%swant\n%s", r.stdout, want)
	}
	var c deploy.Cluster
	if err := json.Unmarshal([]byte(d.must(t, 0, "cluster", "show", "gpus", "--to", "fake", "--json").stdout), &c); err != nil ||
		c.MinNodes != 1 || c.MaxNodes != 4 || c.Priority != deploy.Low {
		t.Errorf("cluster show = %+v, %v; want 1 to 4 nodes of low priority", c, err)
	}
	d.must(t, 0, "cluster", "delete", "gpus", "--to", "fake")
	d.must(t, 0, "cluster", "delete", "gpus", "--to", "fake")
	for _, args := range [][]string{
		{"create", "gpus", "--to", "fake"},
		{"create", "gpus", "--to", "local", "--vm-size", "x"},
		{"create", "gpus", "--to", "fake", "--vm-size", "x", "--min", "3", "--max", "2"},
		{"create", "gpus", "--to", "fake", "--vm-size", "x", "--priority", "cheap"},
		{"create", "--to", "fake", "--vm-size", "x"},
		{"resize", "gpus", "--to", "fake", "--min", "1"},
		{"show", "gpus"}, {"grow", "gpus"},
	} {
		if r := d.run(t, append([]string{"cluster"}, args...)...); r.code != 64 {
			t.Errorf("%q: got %v, want exit code 64", args, r)
		}
	}
}
