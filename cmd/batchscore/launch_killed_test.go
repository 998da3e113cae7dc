package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestKilledLaunchers kills launch with SIGKILL at each point, and finds the job again
// with 'jobs'.
func TestKilledLaunchers(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 30), tiny(t, graphtest.Options{})
	for _, engine := range []string{"local", "fake"} {
		for _, point := range []string{"before record", "after record", "after submit", "following"} {
			t.Run(engine+", "+point, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				out := filepath.Join(t.TempDir(), "out")
				args := []string{"launch", "--to", engine, "-n", "1", "-f", jobFile(t, in, out, model, "")}
				cmd := d.command(t, args...)
				cmd.Env = append(cmd.Env, killAt+"="+point)
				if r := finish(t, cmd); r.code != -1 {
					t.Fatalf("want launch killed, have %v", r)
				}
				jobs := d.list(t)
				if point == "before record" {
					atWork, err := filepath.Glob(filepath.Join(d.state, "batchscore", "local", "*"))
					submitted, err2 := filepath.Glob(filepath.Join(d.fake, "*"))
					if len(jobs) != 0 || len(atWork)+len(submitted) != 0 || err != nil || err2 != nil {
						t.Errorf("on record %+v, on the engines %q and %q; want nothing", jobs, atWork, submitted)
					}
					return
				}
				if len(jobs) != 1 {
					t.Fatalf("on record %+v, want one job", jobs)
				}
				id := jobs[0].ID
				if point == "after record" {
					if jobs[0].State != "never reached "+engine || len(withJob(t, id)) != 0 {
						t.Errorf("%+v with %v at work; want a job that never reached %s", jobs[0], withJob(t, id), engine)
					}
					if s := d.status(t, id); !strings.Contains(s.EngineTrouble, "never got the job") {
						t.Errorf("status = %+v, want a job that never reached the engine", s)
					}
					if r := d.must(t, 0, "jobs", "status", "--watch", id); !strings.Contains(r.stdout, "never got the job") {
						t.Errorf("watch: %v, want a job that never reached the engine", r)
					}
					d.must(t, 0, args...)
					d.must(t, 0, "verify", out)
					return
				}
				if log := d.must(t, 0, "jobs", "logs", "-f", id).stdout; !strings.Contains(log, "Worker 0 Processed 30 images") {
					t.Errorf("want the end of rank 0 in the log\n%s", log)
				}
				d.must(t, 0, "verify", out)
				if s := d.status(t, id); s.Engine == nil || s.Engine.State != deploy.Succeeded || s.Progress.ImagesDone != 30 {
					t.Errorf("status = %+v, want 30 images and a job that succeeded", s)
				}
				to := t.TempDir()
				d.must(t, 0, "jobs", "fetch", id, to)
				if !exists(filepath.Join(to, "labels.jsonl")) {
					t.Error("the labels were not fetched")
				}
			})
		}
	}
}

// withJob returns the processes that belong to a job.
func withJob(t testing.TB, id string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if body, err := os.ReadFile(file); err == nil && bytes.Contains(body, []byte("BATCHSCORE_JOB="+id+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// TestCancelAfterTheLauncherDied drains a job whose launcher was killed. Another run
// continues it.
func TestCancelAfterTheLauncherDied(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 300), slow(t)
	for _, engine := range []string{"local", "fake"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			out := filepath.Join(t.TempDir(), "out")
			cmd := d.command(t, "launch", "--to", engine, "-n", "1", "-f", jobFile(t, in, out, model, "run: {chunk: 2, batch: 1}\n"))
			cmd.Env = append(cmd.Env, killAt+"=following")
			if r := finish(t, cmd); r.code != -1 {
				t.Fatalf("want launch killed, have %v", r)
			}
			eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
			s := d.status(t)
			if s.Engine == nil || s.Engine.State != deploy.Running || s.Progress.Stage != "scoring" || s.Progress.Alive() != 1 {
				t.Errorf("status while it runs = %+v, want one rank at work", s)
			}
			d.must(t, 0, "jobs", "cancel", s.Job.ID)
			d.must(t, 0, "jobs", "logs", "-f", s.Job.ID)
			s = d.status(t)
			if r := d.must(t, 0, "jobs", "cancel", s.Job.ID); !strings.Contains(r.stdout, "had ended already") {
				t.Errorf("got %v, want %q in stdout", r, "had ended already")
			}
			if s.Engine == nil || !s.Engine.State.Ended() || s.Progress.Alive() != 0 || s.Progress.Ranks[0].End != "stopped" {
				t.Errorf("status after the cancel = %+v, want a rank that stopped", s)
			}
			if exists(filepath.Join(out, "_SUCCESS")) {
				t.Error("_SUCCESS exists, want none")
			}
			left := len(withJob(t, s.Job.ID))
			if left > 0 {
				t.Errorf("%d processes are left, want none", left)
			}
			to := t.TempDir()
			if r := d.must(t, 0, "jobs", "fetch", s.Job.ID, to); !strings.Contains(r.stderr, "not complete yet") {
				t.Errorf("got %v, want %q in stderr", r, "not complete yet")
			}
		})
	}
}
