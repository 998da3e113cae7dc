package local

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

// worker returns an engine whose batchscore is a shell script. Each start of rank 0
// adds a line to the file starts of the folder that it returns.
func worker(t *testing.T, o Options, script string) (e *Engine, folder string) {
	t.Helper()
	folder = t.TempDir()
	o.Binary = filepath.Join(folder, "batchscore")
	text := "#!/bin/sh\ncd " + folder + "\n[ $OMPI_COMM_WORLD_RANK != 0 ] || echo start >>starts\n" +
		"n=$(wc -l <starts 2>/dev/null || echo 0)\n" + script + "\n"
	if err := os.WriteFile(o.Binary, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
	return engine(t, o), folder
}

var scoringJob = deploy.Job{Name: "score", Images: "in", Out: "out", Model: "m"}

func TestRestarts(t *testing.T) {
	needMpirun(t)
	none, two := 0, 2
	paused := scoringJob
	paused.Run = map[string]string{"budget-images": "20"}
	for _, c := range []struct {
		name   string
		o      Options
		job    deploy.Job
		script string
		starts int
		code   int
	}{
		{name: "a killed rank", job: scoringJob, script: "[ $n -gt 1 ] || kill -9 $$", starts: 2, code: 0},
		{name: "storage that is away", job: scoringJob, script: "[ $n -gt 1 ] || exit 75", starts: 2, code: 0},
		{name: "at most twice", o: Options{Restarts: &two}, job: scoringJob, script: "kill -SEGV $$", starts: 3, code: 139},
		{name: "a restart that finds another fault", job: scoringJob, script: "[ $n -gt 1 ] || exit 75; exit 78", starts: 2, code: 78},
		{name: "a configuration error", job: scoringJob, script: "exit 78", starts: 1, code: 78},
		{name: "too many failures", job: scoringJob, script: "exit 3", starts: 1, code: 3},
		{name: "another error", job: scoringJob, script: "exit 1", starts: 1, code: 1},
		{name: "stopped", job: scoringJob, script: "exit 143", starts: 1, code: 143},
		{name: "no restarts", o: Options{Restarts: &none}, job: scoringJob, script: "exit 75", starts: 1, code: 75},
		{name: "a budget", job: paused, script: "exit 75", starts: 1, code: 75},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			e, folder := worker(t, c.o, c.script)
			// An ID of its own: jobs are found by it among all processes.
			id := fmt.Sprintf("restarts-%d-%d", os.Getpid(), time.Now().UnixNano())
			submit(t, e, c.job, id)
			stdout, stderr, err := waited(t, e, id)
			code := 0
			if exit := new(deploy.ExitStatus); errors.As(err, &exit) {
				code = exit.Code
			}
			starts, readErr := os.ReadFile(filepath.Join(folder, "starts"))
			if readErr != nil {
				t.Fatal(readErr)
			}
			if n := strings.Count(string(starts), "start"); n != c.starts || code != c.code || strings.Count(stderr, restarting) != c.starts-1 {
				t.Errorf("%d starts and code %d (%v), want %d and %d\n%s%s", n, code, err, c.starts, c.code, stdout, stderr)
			}
		})
	}
}

// TestNoRestartsOfCommands: a program of the team's own may not bear a second start.
func TestNoRestartsOfCommands(t *testing.T) {
	if n := engine(t, Options{}).restarts(launchtest.Shell(1, "true")); n != 0 {
		t.Errorf("%d restarts, want none", n)
	}
}

// TestCancelBetweenStarts cancels a job while its script waits to start the ranks again.
func TestCancelBetweenStarts(t *testing.T) {
	nine := 9
	e, folder := worker(t, Options{Restarts: &nine}, "exit 75")
	submit(t, e, scoringJob, "between")
	launchtest.Printed(t, e, "between", restarting+" (2 of 9)") // 4 s from now
	if err := e.Cancel(t.Context(), "between"); err != nil {
		t.Fatal(err)
	}
	if _, _, err := waited(t, e, "between"); !errors.Is(err, deploy.ErrRankFailed) {
		t.Errorf("Wait: %v, want a failed rank", err)
	}
	if status := launchtest.State(t, e, "between", deploy.Canceled); !strings.Contains(status.Reason, "asked to stop") {
		t.Errorf("%+v, want that it was asked to stop", status)
	}
	starts, err := os.ReadFile(filepath.Join(folder, "starts"))
	if err != nil || strings.Count(string(starts), "start") != 2 {
		t.Errorf("starts: %q, %v; want two", starts, err)
	}
}

// TestLimitOfAllStarts: the time limit holds for all starts together.
func TestLimitOfAllStarts(t *testing.T) {
	e, _ := worker(t, Options{}, "[ $n -gt 1 ] || exit 75; sleep 600")
	job := scoringJob
	job.TimeLimit = deploy.Duration(3 * time.Second)
	submit(t, e, job, "limit-of-all")
	_, stderr, err := waited(t, e, "limit-of-all")
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Code != 143 || strings.Count(stderr, restarting) != 1 {
		t.Errorf("want status 143 after one restart, have %v\n%s", err, stderr)
	}
}

func TestRestartsAreCounted(t *testing.T) {
	n := -1
	if _, err := New(Options{Folder: t.TempDir(), Restarts: &n}); err == nil || !strings.Contains(err.Error(), "restarts -1") {
		t.Errorf("New() = %v, want the setting refused", err)
	}
}
