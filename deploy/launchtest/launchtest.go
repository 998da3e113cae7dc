// Package launchtest checks that launchers keep the contract of deploy.Launcher.
package launchtest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// Hangs is far above what any job of a test takes: only one that hangs takes as
// long.
const Hangs = 2 * time.Minute

// Shell returns a job whose ranks run a line of shell.
func Shell(ranks int, line string) deploy.Job {
	return deploy.Job{Name: "shell", Command: []string{"/bin/sh", "-c", line}, RanksPerNode: ranks}
}

// Drains is a line of shell that prints "up", and takes a moment to print
// "drained" and end with 143 when it is asked to stop.
const Drains = `trap 'sleep 0.3; echo drained; exit 143' USR1 TERM; echo up; while :; do sleep 0.05; done`

// Text returns documents as one text, for golden files.
func Text(documents []deploy.Document) string {
	var text strings.Builder
	for _, d := range documents {
		fmt.Fprintf(&text, "--- %s\n%s", d.Name, d.Body)
	}
	return text.String()
}

// Unknown checks that every method returns deploy.ErrNoJob for an ID that the
// engine does not know.
func Unknown(t *testing.T, l deploy.Launcher, id string) {
	t.Helper()
	_, status := l.Status(t.Context(), id)
	for method, err := range map[string]error{
		"Status": status,
		"Logs":   l.Logs(t.Context(), id, new(strings.Builder), true),
		"Cancel": l.Cancel(t.Context(), id),
		"Fetch":  l.Fetch(t.Context(), id, t.TempDir()),
	} {
		if !errors.Is(err, deploy.ErrNoJob) {
			t.Errorf("%s of an unknown job: %v, want %v", method, err, deploy.ErrNoJob)
		}
	}
}

// Refusal is a job that an engine cannot run, and what its error says.
type Refusal struct {
	Name     string
	Launcher deploy.Launcher
	Job      deploy.Job
	// Says begins with the field of the job; the engine's name comes before it.
	Says string
}

// Unsupported checks that engines refuse jobs with deploy.ErrUnsupported before
// they send anything.
func Unsupported(t *testing.T, engine string, refusals []Refusal) {
	t.Helper()
	for _, r := range refusals {
		t.Run(r.Name, func(t *testing.T) {
			_, documents := r.Launcher.Documents(r.Job, "refused")
			for method, err := range map[string]error{
				"Documents": documents,
				"Submit":    r.Launcher.Submit(t.Context(), r.Job, "refused"),
			} {
				if want := engine + ": " + r.Says; !errors.Is(err, deploy.ErrUnsupported) || !strings.HasPrefix(fmt.Sprint(err), want) {
					t.Errorf("%s: %v, want %v that begins with %q", method, err, deploy.ErrUnsupported, want)
				}
			}
		})
	}
}

// State checks the state of a job and returns its status.
func State(t *testing.T, l deploy.Launcher, id string, want deploy.State) deploy.Status {
	t.Helper()
	status, err := l.Status(t.Context(), id)
	if err != nil || status.State != want {
		t.Errorf("Status(%s) = %+v, %v; want %s", id, status, err, want)
	}
	return status
}

// Printed waits until the job's log holds the text.
func Printed(t *testing.T, l deploy.Launcher, id, text string) {
	t.Helper()
	var log bytes.Buffer
	found, err := deploy.PollFor(t.Context(), Hangs, 5*time.Millisecond, func(ctx context.Context) (bool, error) {
		log.Reset()
		err := l.Logs(ctx, id, &log, false)
		return strings.Contains(log.String(), text), err
	})
	if !found || err != nil {
		t.Fatalf("the log of %s never held %q: %v\n%s", id, text, err, log.String())
	}
}

// Submit submits a job, which is canceled when the test ends.
func Submit(t *testing.T, l deploy.Launcher, job deploy.Job, id string) {
	t.Helper()
	if err := l.Submit(t.Context(), job, id); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Cancel(context.Background(), id); err != nil {
			t.Errorf("Cancel(%s): %v", id, err)
		}
	})
}

// log follows a job to its end and returns what its ranks printed.
func log(t *testing.T, l deploy.Launcher, id string) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), Hangs)
	defer cancel()
	var text bytes.Buffer
	if err := l.Logs(ctx, id, &text, true); err != nil {
		t.Fatalf("Logs(%s): %v\n%s", id, err, text.String())
	}
	return text.String()
}

// ended waits until the engine is done with a job.
func ended(t *testing.T, l deploy.Launcher, id string) deploy.Status {
	t.Helper()
	var status deploy.Status
	done, err := deploy.PollFor(t.Context(), Hangs, 20*time.Millisecond, func(ctx context.Context) (_ bool, err error) {
		status, err = l.Status(ctx, id)
		return status.State.Ended(), err
	})
	if !done || err != nil {
		t.Fatalf("job %s has not ended: %+v, %v", id, status, err)
	}
	return status
}

// Test runs small jobs on an engine whose jobs are processes of this machine.
func Test(t *testing.T, l deploy.Launcher) {
	id := func(name string) string { return fmt.Sprintf("%s-%d", name, os.Getpid()) }
	t.Run("unknown job", func(t *testing.T) { Unknown(t, l, "never-launched") })
	t.Run("job succeeds", func(t *testing.T) { succeeds(t, l, id("succeeds")) })
	t.Run("job fails", func(t *testing.T) {
		Submit(t, l, Shell(1, "echo up; exit 10"), id("fails"))
		if text := log(t, l, id("fails")); !strings.Contains(text, "up\n") {
			t.Errorf("the log is %q", text)
		}
		status := ended(t, l, id("fails"))
		if status.State != deploy.Failed || status.ExitCode == nil || *status.ExitCode != 10 {
			t.Errorf("status %+v, want failed with exit code 10", status)
		}
	})
	t.Run("job is canceled", func(t *testing.T) {
		Submit(t, l, Shell(1, Drains), id("drains"))
		Printed(t, l, id("drains"), "up\n")
		if err := l.Cancel(t.Context(), id("drains")); err != nil {
			t.Fatal(err)
		}
		if text := log(t, l, id("drains")); !strings.Contains(text, "drained\n") {
			t.Errorf("the rank was not given time to drain:\n%s", text)
		}
		if status := ended(t, l, id("drains")); status.State != deploy.Canceled {
			t.Errorf("status %+v, want %s", status, deploy.Canceled)
		}
	})
}

// succeeds follows a job with two ranks through its life.
func succeeds(t *testing.T, l deploy.Launcher, id string) {
	const secret = "a pl4nted secret"
	t.Setenv("OUTER", secret)
	release := filepath.Join(t.TempDir(), "release")
	job := Shell(2, `echo "$COLOUR/$KEY/$BATCHSCORE_JOB"; until [ -e `+release+` ]; do sleep 0.05; done`)
	job.Environment = map[string]string{"COLOUR": "light green"}
	job.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	documents, err := l.Documents(job, id)
	if err != nil || strings.Contains(Text(documents), secret) {
		t.Errorf("the documents show a secret, or there are none: %v\n%s", err, Text(documents))
	}
	Submit(t, l, job, id)
	line := "light green/" + secret + "/" + id + "\n"
	Printed(t, l, id, line)
	if err := l.Submit(t.Context(), job, id); err != nil { // nothing is started twice
		t.Errorf("submitted again: %v", err)
	}
	State(t, l, id, deploy.Running)
	noCommandLine(t, "pl4nted")
	if err := os.WriteFile(release, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if text := log(t, l, id); strings.Count(text, line) != 2 {
		t.Errorf("want %q from each of two ranks in\n%s", line, text)
	}
	status := ended(t, l, id)
	if status.State != deploy.Succeeded || status.ExitCode != nil && *status.ExitCode != 0 || status.Ended.Before(status.Started) {
		t.Errorf("status %+v, want %s with exit code 0", status, deploy.Succeeded)
	}
	if err := l.Cancel(t.Context(), id); err != nil {
		t.Errorf("canceled after its end: %v", err)
	}
	if after := ended(t, l, id); after.State != deploy.Succeeded {
		t.Errorf("status %+v after a cancel that came too late", after)
	}
	folder := t.TempDir()
	if err := l.Fetch(t.Context(), id, folder); err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil || len(files) != 1 {
		t.Fatalf("fetched %q, %v; want the log", files, err)
	}
	if text, err := os.ReadFile(files[0]); err != nil || strings.Count(string(text), line) != 2 {
		t.Errorf("%s lacks lines of the ranks: %v\n%s", files[0], err, text)
	}
}

// noCommandLine checks that no process of this machine shows a secret on its
// command line.
func noCommandLine(t *testing.T, secret string) {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("%d processes, %v", len(lines), err)
	}
	for _, path := range lines {
		if line, err := os.ReadFile(path); err == nil && bytes.Contains(line, []byte(secret)) {
			t.Errorf("a command line shows a secret: %q", line)
		}
	}
}
