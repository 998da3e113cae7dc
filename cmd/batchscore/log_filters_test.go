package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/storetest"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// TestFiltersOfTheLog runs the commands with jq of docs/administrator.md on the log of two
// ranks, one of which is killed.
func TestFiltersOfTheLog(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("jq"); err != nil {
		skipWithout(t, "jq", "make deps")
	}
	in, out := t.TempDir(), filepath.Join(t.TempDir(), "out")
	for i := range 36 {
		body := picture(t, i)
		if i == 35 { // in chunk 17 of 2 images each
			body = body[:len(body)/2]
		}
		writeFile(t, filepath.Join(in, fmt.Sprintf("%05d.jpg", i)), body)
	}
	model := tiny(t, graphtest.Options{})
	rank := func(n int) *exec.Cmd {
		return command(t, nil, "run", "--images", in, "--out", out, "--model", model, "--provider", "simulate:rate=200,batch=2", "--chunk", "2",
			"--rank", fmt.Sprint(n), "--world", "2", "--log-level", "debug")
	}
	var all storetest.Buffer
	killed := rank(0)
	killed.Args = append(killed.Args, "--static") // it waits for the other rank once its share is done
	killed.Stderr = &all
	if err := killed.Start(); err != nil {
		t.Fatal(err)
	}
	for limit := time.Now().Add(processTimeout); !strings.Contains(all.String(), `"event":"share_done"`); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(limit) {
			t.Fatalf("the share was not scored:\n%s", all.String())
		}
	}
	if err := killed.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = killed.Wait() // it was killed
	left := finish(t, rank(1))
	if left.code != 0 {
		t.Fatalf("the other rank: %v", left)
	}
	dir := t.TempDir()
	writeFile(t, filepath.Join(dir, "night.log"), []byte("Warning: a line of a library\n17\n"+all.String()+left.stderr))
	var success struct{ Job string }
	body, err := os.ReadFile(filepath.Join(out, "_SUCCESS"))
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(body, &success); err != nil || success.Job == "" {
		t.Fatalf("_SUCCESS names the job %q: %v", success.Job, err)
	}

	ends, person, chunk, job, counts := 0, 1, 2, 3, 4
	var got []string
	for _, line := range filterCommands(t) {
		cmd := exec.Command("bash", "-euo", "pipefail", "-c", strings.ReplaceAll(line, "JOB", success.Job))
		cmd.Dir = dir
		var stderr bytes.Buffer
		cmd.Stderr = &stderr
		printed, err := cmd.Output()
		if err != nil {
			t.Fatalf("%s: %v\n%s", line, err, stderr.String())
		}
		got = append(got, string(printed))
	}
	if len(got) != counts+1 {
		t.Fatalf("docs/administrator.md has %d commands with jq, want %d", len(got), counts+1)
	}
	if got[ends] != `{"rank":1,"exit_code":0,"why":"complete","error":null}`+"\n" {
		t.Errorf("ends: %q, want only that of the rank that was not killed", got[ends])
	}
	if got[person] != "" {
		t.Errorf("%q needs a person, want nothing", got[person])
	}
	if strings.Count(got[chunk], "\n") != 1 || !strings.Contains(got[chunk], `"event":"chunk_committed","chunk":17,"images":2,"failed":1`) {
		t.Errorf("failures of chunk 17: %q, want the one of its commit", got[chunk])
	}
	for _, want := range []string{`"event":"job_created"`, `"event":"job_complete"`, `"event":"run_ended"`, `"rank":0`, `"rank":1`} {
		if !strings.Contains(got[job], want) {
			t.Errorf("the lines of the job have no %s:\n%s", want, got[job])
		}
	}
	if !strings.Contains(got[counts], "18 chunk_committed\n") || !strings.Contains(got[counts], "1 run_ended\n") {
		t.Errorf("counts: %s, want 18 committed chunks and one end", got[counts])
	}
}

// filterCommands returns the commands with jq of docs/administrator.md.
func filterCommands(t *testing.T) []string {
	t.Helper()
	var commands []string
	for _, b := range guideBlocks(t, "administrator.md") {
		if !strings.HasPrefix(b.info, "sh") || !strings.Contains(b.text, "night.log") {
			continue
		}
		for line := range strings.Lines(b.text) {
			if line = strings.TrimSpace(line); line != "" && !strings.HasPrefix(line, "#") {
				commands = append(commands, line)
			}
		}
	}
	return commands
}

// TestLaunchInJSON: every line that a launch and its ranks write to standard error is an object
// with a kind, without what the engine puts in front of the ranks' lines.
func TestLaunchInJSON(t *testing.T) {
	t.Parallel()
	var out, err bytes.Buffer
	w := &watched{stdout: &out, stderr: &err}
	w.r.ID, w.r.Engine = "j1", "local"
	w.logJSON(t.Context())
	stdout, stderr, end := w.followed(t.Context(), nil)
	for _, write := range []string{
		`rank 1 | {"level":"info","rank":1,"message":"of an older release"}` + "\n" + `rank 0 | {"lev`, `el":"info","rank":0,"event":"x"}` + "\n",
		"rank 2 | panic: \x1b[2J\n", "no end",
	} {
		if _, failed := stderr.Write([]byte(write)); failed != nil {
			t.Fatal(failed)
		}
	}
	if _, failed := stdout.Write([]byte("rank 0 | Worker 0 is done\n0: {\"level\":\"warn\",\"rank\":3}\n")); failed != nil {
		t.Fatal(failed)
	}
	w.say(w.stderr, event.NodesKept, "kept")
	if failed := end(); failed != nil {
		t.Fatal(failed)
	}
	var ranks []any
	for line := range strings.Lines(err.String()) {
		var fields map[string]any
		if failed := json.Unmarshal([]byte(line), &fields); failed != nil {
			t.Errorf("%v: %q", failed, line)
		}
		ranks = append(ranks, fields["rank"], fields["event"])
	}
	want := []any{1.0, nil, 0.0, "x", 2.0, "rank_printed", 3.0, nil, nil, "nodes_kept", nil, "rank_printed"}
	if fmt.Sprint(ranks) != fmt.Sprint(want) {
		t.Errorf("ranks and events %v, want %v:\n%s", ranks, want, err.String())
	}
	if out.String() != "rank 0 | Worker 0 is done\n" {
		t.Errorf("standard output: %q", out.String())
	}
}
