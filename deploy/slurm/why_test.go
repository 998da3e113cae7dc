package slurm

import (
	"os"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

// TestWhy reads why a job ended from what its log says since it last started.
func TestWhy(t *testing.T) {
	path := t.TempDir()
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	script(t, path, "squeue", "")
	const (
		lostLine = "\nbatchscore: node n1, on which the job's script ran, was lost, and the other ranks have ended\n"
		advice   = " Slurm gives the job on a node: in service.yaml, raise cpusPerRank, set exclusive, or name a partition whose jobs get more;" +
			" or lower batch in the job's run"
	)
	for name, c := range map[string]struct {
		log, account string
		state        deploy.State
		reason       string
		coded        bool
	}{
		"first node lost": {log: "batchscore: start 0 of x on n[1-2]\n 1: {" + lostLine, account: "CANCELLED by 0|0:0", state: deploy.Failed,
			reason: "node n1, on which the job's script ran, was lost, and the other ranks have ended"},
		"lost before it started again": {log: lostLine + "batchscore: start 1 of x on n[2-3]\n",
			account: "CANCELLED by 0|0:15", state: deploy.Canceled, reason: "CANCELLED by 0", coded: true},
		"complete all the same": {log: lostLine, account: "COMPLETED|0:0", state: deploy.Succeeded, reason: "COMPLETED", coded: true},
		"limit without control groups": {log: "slurmstepd-n1: error: Exceeded job memory limit\n" +
			" 0: slurmstepd-n1: error: StepId=20.0 exceeded memory limit (33128448 > 20971520), being killed\nsrun: error: n1: task 0: Killed\n",
			account: "FAILED|137:0", state: deploy.Failed, coded: true,
			reason: "rank 0 on n1 failed: Killed; more memory was taken than the 20 MiB" + advice + " (FAILED)"},
		"limit of control groups": {log: "slurmstepd: error: Detected 1 oom_kill event in StepId=9.0. Some of the step tasks have been OOM Killed.\n",
			account: "FAILED|137:0", state: deploy.Failed, reason: "more memory was taken than" + advice + " (FAILED)", coded: true},
		"out of memory, says srun": {log: "srun: error: n1: task 0: Out Of Memory\n", account: "FAILED|1:0", state: deploy.Failed,
			reason: "rank 0 on n1 failed: Out Of Memory; more memory was taken than" + advice + " (FAILED)", coded: true},
		"out of memory, say accounts": {account: "OUT_OF_MEMORY|0:125", state: deploy.Failed,
			reason: "more memory was taken than" + advice + " (OUT_OF_MEMORY)", coded: true},
		"killed for another reason": {log: "srun: error: n1: task 0: Killed\n", account: "FAILED|137:0", state: deploy.Failed,
			reason: "rank 0 on n1 failed: Killed (FAILED)", coded: true},
	} {
		e := engine(t, Options{Folder: t.TempDir()})
		if err := os.WriteFile(e.logFile("x"), []byte(c.log), 0o600); err != nil {
			t.Fatal(err)
		}
		script(t, path, "sacct", "echo '7|"+c.account+"|1795314182|1795314199'")
		s, err := e.Status(t.Context(), "x")
		if err != nil || s.State != c.state || s.Reason != c.reason || (s.ExitCode != nil) != c.coded {
			t.Errorf("%s: %+v, %v; want %s: %s", name, s, err, c.state, c.reason)
		}
	}
}

// TestFault49_LossIsRemembered: once Slurm has forgotten a job that was ended because its
// first node was lost, accounting calls it canceled.
func TestFault49_LossIsRemembered(t *testing.T) {
	path := t.TempDir()
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	e := engine(t, Options{Folder: t.TempDir()})
	if err := os.WriteFile(e.logFile("x"), []byte("batchscore: start 0 of x on n[1-2]\n 1: half of a li"), 0o600); err != nil {
		t.Fatal(err)
	}
	script(t, path, "scancel", "")
	script(t, path, "scontrol", "echo 'NodeName=n1 State=DOWN*'")
	script(t, path, "squeue", `case "$*" in *--steps*|*--nodelist=n1*) ;; *) echo '7|RUNNING|None|0|1795314182|N/A||n1|n2|' ;; esac`)
	before, err := e.Status(t.Context(), "x")
	if err != nil || before.State != deploy.Failed {
		t.Fatalf("once the other ranks have ended: %+v, %v; want failed", before, err)
	}
	before.Reason, _, _ = strings.Cut(before.Reason, "; at Slurm it holds")
	if s, err := e.Release(t.Context(), "x"); err != nil || s.Reason != before.Reason {
		t.Fatalf("Release: %+v, %v; want %s", s, err, before.Reason)
	}
	script(t, path, "squeue", "")
	for _, sacct := range []string{"echo '7|CANCELLED by 0|0:0|1795314182|1795314199'", "exit 1"} {
		script(t, path, "sacct", sacct)
		if s, err := e.Status(t.Context(), "x"); err != nil || s.State != deploy.Failed || s.Reason != before.Reason || s.ExitCode != nil {
			t.Errorf("forgotten, and sacct is %q: %+v, %v; want failed: %s", sacct, s, err, before.Reason)
		}
	}
	text, err := os.ReadFile(e.logFile("x"))
	if err != nil || !strings.HasSuffix(string(text), "\nbatchscore: "+before.Reason+"\n") {
		t.Errorf("the log ends %q, %v; want the reason", text, err)
	}
}
