package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local/proc"
	"github.com/batchscore/batchscore/deploy/slurm"
	"github.com/batchscore/batchscore/deploy/slurm/slurmtest"
)

// TestSlurm scores on a real Slurm: a job of two ranks is preempted and goes
// back into the queue; when it is its turn again, one of its ranks is killed,
// and the other does what is left.
func TestSlurm(t *testing.T) {
	in, model := pictures(t, 600), slow(t)
	out := filepath.Join(t.TempDir(), "out")
	cluster := slurmtest.Start(t)
	engine, err := slurm.New(slurm.Options{Folder: t.TempDir(), Low: &slurm.Queue{Partition: slurmtest.Low}})
	if err != nil {
		t.Fatal(err)
	}
	job := deploy.Job{
		Name: "preempted", Images: in, Out: out, Model: model, RanksPerNode: 2, Priority: deploy.Low,
		Run:         map[string]string{"chunk": "4"},
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
		t.Errorf("want rank 1 named as failed, have %+v, %v", status, err)
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
}

// killRank kills the worker of a job that has a variable in its environment.
func killRank(t *testing.T, id, variable string) {
	t.Helper()
	ofJob, err := proc.With(deploy.JobVariable + "=" + id)
	if err != nil {
		t.Fatal(err)
	}
	ofRank, err := proc.With(variable)
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, p := range ofJob {
		for _, q := range ofRank {
			if p.PID == q.PID && strings.HasPrefix(filepath.Base(os.Args[0]), p.Name) {
				killed++
				if err := syscall.Kill(p.PID, syscall.SIGKILL); err != nil {
					t.Error(err)
				}
			}
		}
	}
	if killed != 1 {
		t.Fatalf("%d processes are that rank, among %v", killed, ofJob)
	}
}
