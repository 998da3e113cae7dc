package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local/proc"
	"github.com/batchscore/batchscore/deploy/slurm"
	"github.com/batchscore/batchscore/deploy/slurm/slurmtest"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestSlurm scores on a real Slurm: a job of two ranks is preempted and queued again. When
// it runs again, one of its ranks is killed, and the other scores the rest.
func TestSlurm(t *testing.T) {
	in, model := pictures(t, 400), tiny(t, graphtest.Options{})
	out := filepath.Join(t.TempDir(), "out")
	cluster := slurmtest.Start(t)
	engine, err := slurm.New(slurm.Options{Folder: t.TempDir(), Low: &slurm.Queue{Partition: slurmtest.Low}})
	if err != nil {
		t.Fatal(err)
	}
	job := deploy.Job{
		Name: "preempted", Images: in, Out: out, Model: model, RanksPerNode: 2, Priority: deploy.Low,
		// On any processor it is neither done before Slurm preempts it nor before the kill.
		Run:         map[string]string{"chunk": "4", "provider": "simulate:rate=12,batch=4"},
		Environment: map[string]string{asBatchscore: "1", "ONNXRUNTIME_LIB": os.Getenv("ONNXRUNTIME_LIB")},
	}
	const id = "preempted-1"
	if err := engine.Submit(t.Context(), job, id); err != nil {
		t.Fatal(err)
	}
	state := func() deploy.State {
		t.Helper()
		status, err := engine.Status(t.Context(), id)
		if err != nil {
			t.Fatal(err)
		}
		return status.State
	}
	eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
	release := cluster.Occupy(t)
	eventually(t, "the job to be back in the queue", func() bool { return state() == deploy.Queued })
	before := countParts(t, out)
	if exists(filepath.Join(out, "_SUCCESS")) {
		t.Fatal("the job was done before it was preempted")
	}
	release()
	eventually(t, "parts of the second start", func() bool { return countParts(t, out) > before })
	killRank(t, id, "SLURM_PROCID=1")

	eventually(t, "the end", func() bool { return state().Ended() })
	status, err := engine.Status(t.Context(), id)
	if err != nil || status.State != deploy.Failed || !strings.Contains(status.Reason, "rank 1 on ") {
		t.Errorf("status = %+v, %v, want rank 1 named as failed", status, err)
	}
	var log bytes.Buffer
	if err := engine.Logs(t.Context(), id, &log, false); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{"start 0 of " + id, "start 1 of " + id, "rank 0 | Worker 0 Processed ", "rank 1 | Worker 1 needs to process "} {
		if !strings.Contains(log.String(), want) {
			t.Errorf("%q is missing in the log:\n%s", want, log.String())
		}
	}
	must(t, 0, "verify", out)

	// And as a user does it.
	again, service, file := filepath.Join(t.TempDir(), "again"), filepath.Join(t.TempDir(), "service.yaml"), filepath.Join(t.TempDir(), "job.yaml")
	writeFile(t, service, fmt.Appendf(nil, "slurm: {partition: %s, folder: %s}\n", slurmtest.High, t.TempDir()))
	body, err := yaml.Marshal(deploy.Job{
		Name: "small", Images: pictures(t, 20), Out: again, Model: tiny(t, graphtest.Options{}), RanksPerNode: 2, Environment: job.Environment,
	})
	if err != nil {
		t.Fatal(err)
	}
	writeFile(t, file, body)
	user := func(args ...string) processResult {
		return finish(t, command(t, []string{"SLURM_CONF=" + os.Getenv("SLURM_CONF"), "BATCHSCORE_SERVICE=" + service}, args...))
	}
	if r := user("launch", "--to", "slurm", "-f", file); r.code != 0 || !strings.Contains(r.stdout, "Processed 20 images, took ") {
		t.Errorf("the last line is missing: %v", r)
	}
	must(t, 0, "verify", again)
	if r := user("jobs", "status", "small"); r.code != 0 || !strings.Contains(r.stdout, "on slurm") {
		t.Errorf("the job is not on record: %v", r)
	}
}

// killRank kills the worker of a job that has a variable in its environment, as soon as
// it exists: ranks do not all start at the same time.
func killRank(t *testing.T, id, variable string) {
	t.Helper()
	var rank int
	eventually(t, variable+" among the workers", func() bool {
		ofJob, err := proc.With(deploy.JobVariable + "=" + id)
		if err != nil {
			t.Fatal(err)
		}
		ofRank, err := proc.With(variable)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range ofJob {
			worker := strings.HasPrefix(filepath.Base(os.Args[0]), p.Name)
			if worker && slices.ContainsFunc(ofRank, func(q proc.Process) bool { return q.PID == p.PID }) {
				rank = p.PID
			}
		}
		return rank != 0
	})
	if err := syscall.Kill(rank, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
}
