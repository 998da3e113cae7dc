package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// TestSignalsEndTheFollowing sends signals to launch: local ranks drain, jobs on
// other engines continue.
func TestSignalsEndTheFollowing(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 300), slow(t)
	for _, c := range []struct {
		engine string
		signal syscall.Signal
		code   int
		goesOn bool
	}{{
		engine: "local",
		signal: syscall.SIGTERM,
		code:   143,
		goesOn: false,
	}, {
		engine: "local",
		signal: syscall.SIGINT,
		code:   130,
		goesOn: false,
	}, {engine: "fake", signal: syscall.SIGTERM, code: 143, goesOn: true}, {engine: "fake", signal: syscall.SIGINT, code: 130, goesOn: true}} {
		t.Run(fmt.Sprint(c.engine, " ", c.signal), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			out := filepath.Join(t.TempDir(), "out")
			cmd := d.command(t, "launch", "--to", c.engine, "-n", "1", "-f", jobFile(t, in, out, model, "run: {chunk: 2, batch: 1}\n"))
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
			_ = cmd.Process.Signal(c.signal)
			r := wait(t, cmd, &stdout, &stderr)
			if r.code != c.code {
				t.Errorf("got %v, want exit code %d", r, c.code)
			}
			id := d.list(t)[0].ID
			s := d.status(t)
			if !c.goesOn {
				if s.Engine == nil || s.Engine.State != deploy.Canceled || !strings.Contains(r.stderr, "the job was canceled; ") {
					t.Errorf("status after the drain = %+v, want a canceled job", s)
				}
				return
			}
			if !strings.Contains(r.stderr, "jobs status --watch "+id) || !strings.Contains(r.stderr, "jobs cancel "+id) {
				t.Errorf("want how to find the job again in %v", r)
			}
			if s.Engine == nil || s.Engine.State != deploy.Running {
				t.Errorf("status = %+v, want a running job", s)
			}
			d.must(t, 0, "jobs", "cancel", id)
			d.must(t, 0, "jobs", "logs", "-f", id)
		})
	}
}

// TestSignalEndsTheJudging sends the first signal while launch checks the result.
func TestSignalEndsTheJudging(t *testing.T) {
	stop := make(chan struct{})
	w := &watched{
		l: ended{}, out: unanswering{Store: new(mem.Store), opened: sync.OnceFunc(func() { close(stop) })},
		r:      record.Record{Job: deploy.Job{Images: "in", Out: "the-result", Model: "m"}},
		stdout: io.Discard, stderr: io.Discard,
	}
	err := w.follow(t.Context(), stop)
	if exitCode(err, os.Interrupt) != 130 || !strings.Contains(fmt.Sprint(err), "verify the-result") {
		t.Errorf("follow: %v with exit code %d, want 130 and the command to verify", err, exitCode(err, os.Interrupt))
	}
}

// TestReleased: what an ended job holds is given back, and its status is that afterwards.
func TestReleased(t *testing.T) {
	for _, refused := range []error{nil, deploy.ErrService} {
		var printed storetest.Buffer
		w := &watched{
			l: holding{refused: refused}, book: record.Open(t.TempDir()), r: record.Record{ID: "held", Job: deploy.Job{Command: []string{"true"}}},
			stdout: &printed, stderr: &printed,
		}
		err, want := w.follow(t.Context(), nil), "released"
		if refused != nil {
			want = "holds nodes"
		}
		if fmt.Sprint(err) != want || strings.Contains(printed.String(), "cannot give back the nodes of held") != (refused != nil) {
			t.Errorf("Release returns %v: follow: %v, and printed %q; want %s", refused, err, printed.String(), want)
		}
	}
}

// holding is an engine on which a job that has failed holds nodes.
type holding struct {
	deploy.Launcher
	refused error
}

func (holding) Logs(context.Context, string, io.Writer, bool) error { return nil }

func (holding) Status(context.Context, string) (deploy.Status, error) {
	return deploy.Status{State: deploy.Failed, Reason: "holds nodes"}, nil
}

func (h holding) Release(context.Context, string) (deploy.Status, error) {
	return deploy.Status{State: deploy.Failed, Reason: "released"}, h.refused
}

// TestCanceledElsewhere follows a job that its engine removes, as it does with canceled
// ones.
func TestCanceledElsewhere(t *testing.T) {
	for _, c := range []struct {
		phase record.Phase
		code  int
		says  string
	}{
		{phase: record.Submitted, code: 143, says: "the job was canceled"},
		{phase: record.Launching, code: 78, says: "knows no such job"}, // it may never have come there
	} {
		var printed storetest.Buffer
		w := &watched{
			l: forgetful{}, out: new(mem.Store), book: record.Open(t.TempDir()),
			r:      record.Record{ID: "gone", Phase: c.phase, Job: deploy.Job{Images: "in", Out: "the-result", Model: "m"}},
			stdout: &printed, stderr: &printed,
		}
		err := w.follow(t.Context(), nil)
		if code := exitCode(err, nil); code != c.code || !strings.Contains(fmt.Sprint(err), c.says) {
			t.Errorf("follow in phase %s: %v with exit code %d, want %q and %d", c.phase, err, code, c.says, c.code)
		}
		if printed.String() != "" {
			t.Errorf("in phase %s it printed %q, want nothing", c.phase, printed.String())
		}
	}
}

// forgetful is an engine that has removed its job.
type forgetful struct{ deploy.Launcher }

func (forgetful) Logs(context.Context, string, io.Writer, bool) error { return deploy.ErrNoJob }

func (forgetful) Status(context.Context, string) (deploy.Status, error) {
	return deploy.Status{}, deploy.ErrNoJob
}

// ended is an engine on which every job has ended.
type ended struct{ deploy.Launcher }

func (ended) Wait(context.Context, string, io.Writer, io.Writer, <-chan struct{}) error { return nil }

func (ended) Status(context.Context, string) (deploy.Status, error) {
	return deploy.Status{State: deploy.Succeeded}, nil
}

// unanswering is a store that never answers.
type unanswering struct {
	store.Store
	opened func()
}

func (u unanswering) Open(ctx context.Context, _, _ string) (io.ReadCloser, store.Object, error) {
	u.opened()
	<-ctx.Done()
	return nil, store.Object{}, ctx.Err()
}

// TestProgressWithoutTheEngine makes the engine unreachable during a job.
func TestProgressWithoutTheEngine(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"launch", "--to", "fake", "-f", jobFile(t, pictures(t, 10), out, tiny(t, graphtest.Options{}), "")}
	cmd := d.command(t, args...)
	var stdout, stderr storetest.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job", func() bool { return exists(d.fake) && strings.Contains(stderr.String(), "launched job") })
	writeFile(t, filepath.Join(d.fake, "silent"), nil)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(stdout.String(), "Processed 10 images") {
		t.Errorf("exit code %d, want 0, since the output is complete\n%s%s", code, stdout.String(), stderr.String())
	}
	s := d.status(t)
	if !strings.Contains(s.EngineTrouble, "does not answer") || s.Engine != nil || s.Progress.ImagesDone != 10 {
		t.Errorf("status = %+v, want 10 images and an engine that does not answer", s)
	}
	if r := d.run(t, "jobs", "cancel", s.Job.ID); r.code != 75 {
		t.Errorf("got %v, want 75", r)
	}
	to := t.TempDir()
	if r := d.run(t, "jobs", "fetch", s.Job.ID, to); r.code != 75 || !exists(filepath.Join(to, "labels.jsonl")) {
		t.Errorf("fetch: %v, want exit code 75 and the labels nevertheless", r)
	}
}
