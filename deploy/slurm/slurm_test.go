package slurm

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
	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/deploy/launchtest"
	"github.com/batchscore/batchscore/deploy/slurm/slurmtest"
)

func engine(t *testing.T, o Options) *Engine {
	t.Helper()
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	e.poll = 100 * time.Millisecond
	return e
}

func TestScriptGolden(t *testing.T) {
	t.Setenv("PATH", t.TempDir()) // a cluster of this machine must not show
	scoring := deploy.Job{
		Name: "nightly", Images: "photos of 2019", Out: "labels", Model: "inception.onnx", Nodes: 2, RanksPerNode: 4,
		GPUsPerNode: 4, Run: map[string]string{"batch": "32"},
	}
	full := scoring
	full.GPU, full.Priority, full.TimeLimit = "v100", deploy.Low, deploy.Duration(7*time.Hour+30*time.Second)
	full.Environment = map[string]string{"ONNXRUNTIME_LIB": "/opt/onnx runtime.so"}
	full.Secrets = map[string]deploy.Secret{
		"AZURE_STORAGE_KEY": {Env: "KEY"}, "TOKEN": {File: "/home/u/.token"}, "ANOTHER": {Env: "OTHER"},
	}
	for name, c := range map[string]struct {
		o   Options
		job deploy.Job
	}{
		"plain": {o: Options{}, job: scoring},
		"full": {o: Options{
			Queue: Queue{Partition: "gpu"}, Low: &Queue{"spare", "acme", "low", "a100|v100"}, CPUsPerRank: 6, Exclusive: true,
			Setup: []string{"module load cuda/12"}, Grace: deploy.Duration(90 * time.Second),
		}, job: full},
		"command": {o: Options{Queue: Queue{Partition: "gpu"}}, job: launchtest.Shell(2, "echo $SLURM_PROCID")},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Folder, c.o.Binary = "/shared/jobs", "/shared/bin/batchscore"
			documents, err := engine(t, c.o).Documents(c.job, "nightly-1")
			if err != nil {
				t.Fatal(err)
			}
			goldentest.Check(t, name+".golden", launchtest.Text(documents))
		})
	}
}

func TestWhatSlurmCannotDo(t *testing.T) {
	// Nothing may be sent, so no command of Slurm's is there.
	t.Setenv("PATH", t.TempDir())
	e := engine(t, Options{Folder: "/shared"})
	var refusals []launchtest.Refusal
	for says, change := range map[string]func(*deploy.Job){
		"vmSize":                    func(j *deploy.Job) { j.VMSize = "Standard_NC6" },
		"image":                     func(j *deploy.Job) { j.Image = "acme/score" },
		"schedule":                  func(j *deploy.Job) { j.Schedule = "0 2 * * *" },
		"priority":                  func(j *deploy.Job) { j.Priority = deploy.Low },
		"gpu: v100":                 func(j *deploy.Job) { j.GPU = "v100" },
		`gpu: "a b"`:                func(j *deploy.Job) { j.GPU, j.GPUsPerNode = "a b", 1 },
		"timeLimit":                 func(j *deploy.Job) { j.TimeLimit = deploy.Duration(time.Minute) },
		"mounts":                    func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "az://a/b", Path: "/mnt"}} },
		"secrets: A comes from":     func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {KeyVault: "https://v"}} },
		"secrets: A: file token is": func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {File: "token"}} },
	} {
		job := launchtest.Shell(1, "true")
		change(&job)
		refusals = append(refusals, launchtest.Refusal{Name: says, Launcher: e, Job: job, Says: says})
	}
	launchtest.Unsupported(t, "slurm", refusals)
}

func TestOptionsAreChecked(t *testing.T) {
	for name, o := range map[string]Options{
		"no folder":       {},
		"relative folder": {Folder: "jobs"},
		"pattern":         {Folder: "/jobs/%j"},
		"partition":       {Folder: "/jobs", Queue: Queue{Partition: "a b"}},
		"low account":     {Folder: "/jobs", Low: &Queue{Account: "a\n#SBATCH --uid=0"}},
		"grace":           {Folder: "/jobs", Grace: -1},
	} {
		if _, err := New(o); err == nil {
			t.Errorf("New with %s returned no error", name)
		}
	}
}

func TestNoSlurm(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	err := engine(t, Options{Folder: t.TempDir()}).Submit(t.Context(), launchtest.Shell(1, "true"), "x")
	if !errors.Is(err, deploy.ErrNoEngine) || !strings.Contains(err.Error(), "slurm-client") {
		t.Errorf("want ErrNoEngine and what to install, have %v", err)
	}
}

func TestQueueIsRead(t *testing.T) {
	failed, signaled := 143, 137
	at := time.Unix(1795314182, 0)
	for text, want := range map[string]found{
		"7|PENDING|Resources|0|N/A|N/A|(null)|\n": {number: "7", status: deploy.Status{State: deploy.Queued, Reason: "Resources"}},
		"7|PENDING|Nodes are DOWN, or reserved|0|1795314182|N/A|(null)|\n": {
			number: "7", status: deploy.Status{State: deploy.Queued, Reason: "Nodes are DOWN, or reserved"},
		},
		"7|RUNNING|None|0|1795314182|1795314999|(null)|\n":       {number: "7", status: deploy.Status{State: deploy.Running, Started: at}},
		"7|RUNNING|None|0|1795314182|N/A|batchscore:canceled|\n": {number: "7", status: deploy.Status{State: deploy.Stopping, Started: at}},
		"7|FAILED|X|36608|1795314182|1795314182|(null)|\n": {number: "7", status: deploy.Status{
			State:    deploy.Failed,
			Reason:   "X",
			ExitCode: &failed,
			Started:  at,
			Ended:    at,
		}},
		"7|OUT_OF_MEMORY|X|9|1795314182|1795314182|(null)|\n": {number: "7", status: deploy.Status{
			State:    deploy.Failed,
			Reason:   "X",
			ExitCode: &signaled,
			Started:  at,
			Ended:    at,
		}},
		"7|FAILED|X|36608|1795314182|N/A|batchscore:canceled|\n": {number: "7", status: deploy.Status{
			State:    deploy.Canceled,
			Reason:   "X",
			ExitCode: &failed,
			Started:  at,
		}},
		"7|PENDING|launch failed requeued held|0|N/A|N/A|(null)|\n": {number: "7", status: deploy.Status{
			State:  deploy.Queued,
			Reason: "launch failed requeued held: Slurm does not start it before it is released: scontrol release 7",
		}},
		"7|PENDING|JobHoldMaxRequeue|0|N/A|N/A|(null)|\n": {number: "7", status: deploy.Status{
			State:  deploy.Queued,
			Reason: "JobHoldMaxRequeue: Slurm does not start it before it is released: scontrol release 7",
		}},
		"7|PENDING|JobHeldAdmin|0|N/A|N/A|(null)|\n": {number: "7", status: deploy.Status{
			State:  deploy.Queued,
			Reason: "JobHeldAdmin: Slurm starts it once an administrator has released it: scontrol release 7",
		}},
		"7|REQUEUE_HOLD|None|0|N/A|N/A|(null)|\n": {number: "7", status: deploy.Status{
			State:  deploy.Queued,
			Reason: "REQUEUE_HOLD: Slurm does not start it before it is released: scontrol release 7",
		}},
		"6|FAILED|X|36608|1|2|(null)|\n7|PENDING|None|0|N/A|N/A|(null)|": {number: "7", status: deploy.Status{State: deploy.Queued}},
	} {
		have, known, err := parseQueue(text)
		if err != nil || !known || fmt.Sprint(code(have.status)) != fmt.Sprint(code(want.status)) {
			t.Errorf("parseQueue(%q) = %+v, %v, %v; want %+v", text, have, known, err, want)
		}
		have.status.ExitCode, want.status.ExitCode = nil, nil
		if have != want {
			t.Errorf("%s: have %+v, want %+v", text, have, want)
		}
	}
	if _, known, err := parseQueue("\n"); known || err != nil {
		t.Errorf("parseQueue of nothing: %v, %v; want false", known, err)
	}
	for _, text := range []string{"7|ASLEEP|None|0|1|1||", "7|RUNNING", "7|FAILED|None|1:0|1|1||"} {
		if _, _, err := parseQueue(text); err == nil {
			t.Errorf("parseQueue(%q) returned no error", text)
		}
	}
}

func code(s deploy.Status) int {
	if s.ExitCode == nil {
		return -1
	}
	return *s.ExitCode
}

// script puts a program of a few lines of shell on the path.
func script(t *testing.T, folder, name, body string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(folder, name), []byte("#!/bin/sh\n"+body+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
}

// TestForgottenJobs asks for jobs that have left the queue.
func TestForgottenJobs(t *testing.T) {
	path, folder := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	e := engine(t, Options{Folder: folder})
	script(t, path, "squeue", "")
	script(t, path, "sacct", "echo 'Slurm accounting storage is disabled' >&2; exit 1")
	if _, err := e.Status(t.Context(), "x"); !errors.Is(err, deploy.ErrNoJob) {
		t.Errorf("want ErrNoJob, have %v", err)
	}
	for _, file := range []string{e.logFile("x"), e.logFile("y"), e.logFile("z")} {
		if err := os.WriteFile(file, nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	for id, exit := range map[string]string{"y": "0\n", "z": "75\n"} {
		if err := os.WriteFile(e.exitFile(id), []byte(exit), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	check := func(id string, state deploy.State, exit int) {
		t.Helper()
		s, err := e.Status(t.Context(), id)
		if err != nil || s.State != state || code(s) != exit {
			t.Errorf("Status(%s) = %+v, %v; want %s with code %d", id, s, err, state, exit)
		}
	}
	check("x", deploy.Failed, -1)
	check("y", deploy.Succeeded, 0)
	check("z", deploy.Failed, 75)
	script(t, path, "sacct", `case "$*" in *--name=x*) echo '7|FAILED|0:9|1795314182|1795314190'; echo '7|CANCELLED by 0|143:0|1795314182|1795314190';; esac`)
	check("x", deploy.Canceled, 143)
	check("y", deploy.Succeeded, 0)
	script(t, path, "squeue", "echo '7|TIMEOUT|TimeLimit|0|1795314182|1795314190|(null)|'")
	check("y", deploy.Failed, -1)
	// A job that has completed has no other exit code than 0.
	script(t, path, "squeue", "echo '7|COMPLETED|None|256|1795314182|1795314190|(null)|'")
	check("y", deploy.Failed, 1)
	script(t, path, "squeue", "")
	script(t, path, "sacct", "echo '7|COMPLETED|3:0|1795314182|1795314190'")
	check("x", deploy.Failed, 3)
	script(t, path, "squeue", silentQueue)
	if _, err := e.Status(t.Context(), "w"); !errors.Is(err, deploy.ErrUnreachable) {
		t.Errorf("want ErrUnreachable, have %v", err)
	}
}

// silentQueue is squeue while slurmctld is down.
const silentQueue = "echo 'slurm_load_jobs error: Unable to contact slurm controller (connect failure)' >&2; exit 1"

// TestFault49_SlurmIsSilent reads what a job has left while Slurm does not answer.
func TestFault49_SlurmIsSilent(t *testing.T) {
	path, folder := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	e := engine(t, Options{Folder: folder})
	script(t, path, "squeue", silentQueue)
	var log bytes.Buffer
	if err := e.Logs(t.Context(), "x", &log, false); !errors.Is(err, deploy.ErrUnreachable) {
		t.Errorf("Logs of a job without a log: %v, want ErrUnreachable", err)
	}
	if err := os.WriteFile(e.logFile("x"), []byte(" 1: half way\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := e.Logs(t.Context(), "x", &log, false); err != nil || log.String() != "rank 1 | half way\n" {
		t.Errorf("Logs: %q, %v; want what the job has printed", log.String(), err)
	}
	if _, err := e.Status(t.Context(), "x"); !errors.Is(err, deploy.ErrUnreachable) {
		t.Errorf("Status: %v, want ErrUnreachable", err)
	}
	// squeue answers in the middle, and is silent at the end; the script leaves its exit status.
	script(t, path, "squeue", `n=$(cat `+folder+`/n 2>/dev/null || echo 0); echo $((n + 1)) >`+folder+`/n
[ $n = 3 ] && echo 75 >`+e.exitFile("x")+`
[ $n = 1 ] && { echo '7|RUNNING|None|0|1795314182|N/A|(null)|'; exit; }
`+silentQueue)
	log.Reset()
	follow, stop := context.WithTimeout(t.Context(), time.Minute) // without an end that Status sees, Logs follows for ever
	defer stop()
	if err := e.Logs(follow, "x", &log, true); err != nil || log.String() != "rank 1 | half way\n" {
		t.Errorf("Logs that follow: %q, %v", log.String(), err)
	}
	if s, err := e.Status(t.Context(), "x"); err != nil || s.State != deploy.Failed || code(s) != 75 {
		t.Errorf("Status = %+v, %v; want failed with code 75", s, err)
	}
	// A child of a script has its output open after the script was killed.
	for _, hangs := range []string{"exec sleep 300", "sleep 300; exit 1", "echo 'squeue: error: x' >&2; sleep 300 & wait"} {
		ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
		defer cancel()
		script(t, path, "squeue", hangs)
		begin := time.Now()
		if _, err := e.Status(ctx, "y"); !errors.Is(err, deploy.ErrUnreachable) || !strings.Contains(err.Error(), "squeue did not end in time") {
			t.Errorf("Status with a squeue that hangs (%s): %v, want ErrUnreachable", hangs, err)
		}
		if took := time.Since(begin); took > 2*time.Minute {
			t.Errorf("Status with a squeue that hangs (%s) took %v", hangs, took)
		}
	}
	script(t, path, "squeue", "echo '7|RUNNING|None|0|1795314182|N/A|(null)|'; sleep 300 &")
	if s, err := e.Status(t.Context(), "y"); err != nil || s.State != deploy.Running {
		t.Errorf("Status with a squeue whose child has its output open: %+v, %v; want running", s, err)
	}
}

// TestFault49_AccountingIsSilent asks for jobs that have left the queue while slurmdbd is down.
func TestFault49_AccountingIsSilent(t *testing.T) {
	path, folder := t.TempDir(), t.TempDir()
	t.Setenv("PATH", path+":"+os.Getenv("PATH"))
	e := engine(t, Options{Folder: folder})
	script(t, path, "squeue", "")
	script(t, path, "sacct", "echo 'sacct: error: Problem talking to the database: Connection refused' >&2; exit 1")
	if _, err := e.Status(t.Context(), "x"); !errors.Is(err, deploy.ErrUnreachable) || !strings.Contains(err.Error(), "accounting cannot say") {
		t.Errorf("Status of a job that left nothing: %v, want ErrUnreachable that names accounting", err)
	}
	if err := os.WriteFile(e.logFile("x"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := e.Status(t.Context(), "x")
	if err != nil || s.State != deploy.Failed || !strings.Contains(s.Reason, "Connection refused") {
		t.Errorf("Status without an exit status: %+v, %v; want failed, and that accounting does not answer", s, err)
	}
	if err := os.WriteFile(e.exitFile("x"), []byte("0\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if s, err = e.Status(t.Context(), "x"); err != nil || s.State != deploy.Succeeded || s.Reason != "" {
		t.Errorf("Status with an exit status: %+v, %v; want succeeded", s, err)
	}
	script(t, path, "sacct", "echo '7|RUNNING|0:0|1795314182|Unknown'") // it has not heard of the end yet
	if s, err = e.Status(t.Context(), "x"); err != nil || s.State != deploy.Succeeded {
		t.Errorf("Status with an exit status and late accounts: %+v, %v; want succeeded", s, err)
	}
}

// TestSlurm runs jobs of several kinds on one real cluster.
func TestSlurm(t *testing.T) {
	c := slurmtest.Start(t)
	e := engine(t, Options{
		Folder: t.TempDir(), Low: &Queue{Partition: slurmtest.Low}, Queue: Queue{Partition: slurmtest.High},
		Setup: []string{"export FROM_SETUP=yes"},
	})
	logs := func(t *testing.T, id string, follow bool) string {
		t.Helper()
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
		defer cancel()
		var b bytes.Buffer
		if err := e.Logs(ctx, id, &b, follow); err != nil {
			t.Fatalf("Logs(%s): %v\n%s", id, err, b.String())
		}
		return b.String()
	}
	submit := func(t *testing.T, e *Engine, job deploy.Job, id string) {
		t.Helper()
		if err := e.Submit(t.Context(), job, id); err != nil {
			t.Fatal(err)
		}
	}
	up := func(t *testing.T, id string) {
		t.Helper()
		for end := time.Now().Add(2 * time.Minute); !strings.Contains(logs(t, id, false), "up"); time.Sleep(20 * time.Millisecond) {
			if time.Now().After(end) {
				t.Fatal("waited in vain for the job")
			}
		}
	}
	t.Run("hostile values", hostileValues)
	status := func(t *testing.T, id string, state deploy.State, exit int) deploy.Status {
		t.Helper()
		s, err := e.Status(t.Context(), id)
		if err != nil || s.State != state || code(s) != exit {
			t.Errorf("%+v with code %d, %v: want %s with code %d\n%s", s, code(s), err, state, exit, logs(t, id, false))
		}
		return s
	}

	// A signal this long before a limit of a minute comes at once, which for
	// Slurm is up to half a minute: meanwhile the others run.
	patient := *e
	patient.o.Grace = deploy.Duration(59 * time.Second)
	limited := launchtest.Shell(1, launchtest.Drains)
	limited.TimeLimit = deploy.Duration(time.Minute)
	submit(t, &patient, limited, "limit-1")

	t.Run("contract", func(t *testing.T) { launchtest.Test(t, e) })
	t.Run("environment", func(t *testing.T) {
		t.Setenv("OUTER", "first pl4nted secret")
		t.Setenv("BYSTANDER", "none of its business")
		t.Setenv("SBATCH_PARTITION", "no-such-partition")
		token := filepath.Join(t.TempDir(), "token")
		if err := os.WriteFile(token, []byte("second pl4nted secret\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		seen := filepath.Join(t.TempDir(), "seen")
		job := launchtest.Shell(2, `echo "$COLOUR/$KEY/$TOKEN/$FROM_SETUP/$BYSTANDER/$BATCHSCORE_JOB"; until [ -e `+seen+` ]; do sleep 0.05; done`)
		job.Environment = map[string]string{"COLOUR": "light green"}
		job.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}, "TOKEN": {File: token}}
		submit(t, e, job, "environment-1")
		submit(t, e, job, "environment-1") // nothing is started twice
		for !strings.Contains(logs(t, "environment-1", false), "rank 1 | ") {
			time.Sleep(20 * time.Millisecond)
		}
		if shown := c.Scripts(t); !strings.Contains(shown, "light green") || strings.Contains(shown, "pl4nted") {
			t.Errorf("want a script without the secret, got\n%s", shown)
		}
		if err := os.WriteFile(seen, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		text := logs(t, "environment-1", true)
		for _, want := range []string{
			"batchscore: start 0 of environment-1 on ",
			"rank 0 | light green/first pl4nted secret/second pl4nted secret/yes//environment-1\n",
			"rank 1 | light green/first pl4nted secret/second pl4nted secret/yes//environment-1\n",
		} {
			if strings.Count(text, want) != 1 {
				t.Errorf("want %q once in\n%s", want, text)
			}
		}
		if s := status(t, "environment-1", deploy.Succeeded, 0); s.Started.IsZero() || s.Ended.Before(s.Started) {
			t.Errorf("Status = %+v, want a start and a later end", s)
		}
	})
	t.Run("failed rank", func(t *testing.T) {
		job := launchtest.Shell(2, `[ $SLURM_PROCID = 0 ] || exit 10; sleep 600`)
		submit(t, e, job, "failed-1")
		logs(t, "failed-1", true)
		// The exit code is the highest of all ranks: that of one that was ended.
		if s := status(t, "failed-1", deploy.Failed, 143); !strings.Contains(s.Reason, "Exited with exit code 10") || !strings.HasPrefix(s.Reason, "rank 1 on ") {
			t.Errorf("reason %q, want rank 1 and its exit code", s.Reason)
		}
	})
	t.Run("cancel", func(t *testing.T) {
		submit(t, e, launchtest.Shell(2, launchtest.Drains), "cancel-1")
		up(t, "cancel-1")
		if err := e.Cancel(t.Context(), "cancel-1"); err != nil {
			t.Fatal(err)
		}
		if text := logs(t, "cancel-1", true); strings.Count(text, "drained") != 2 {
			t.Errorf("want two drained ranks in\n%s", text)
		}
		status(t, "cancel-1", deploy.Canceled, 143)
	})
	t.Run("cancel the deaf", func(t *testing.T) {
		impatient := *e
		impatient.o.Grace = deploy.Duration(time.Second)
		submit(t, e, launchtest.Shell(1, `trap '' USR1; echo up; sleep 600`), "deaf-1")
		up(t, "deaf-1")
		if err := impatient.Cancel(t.Context(), "deaf-1"); err != nil {
			t.Fatal(err)
		}
		logs(t, "deaf-1", true)
		launchtest.State(t, e, "deaf-1", deploy.Canceled)
	})
	t.Run("time limit", func(t *testing.T) {
		if text := logs(t, "limit-1", true); !strings.Contains(text, "drained") {
			t.Errorf("want a drained rank in\n%s", text)
		}
		status(t, "limit-1", deploy.Failed, 143)
	})
	t.Run("cancel in the queue", func(t *testing.T) {
		release := c.Occupy(t)
		job := launchtest.Shell(1, "true")
		job.Priority = deploy.Low
		submit(t, e, job, "queued-1")
		status(t, "queued-1", deploy.Queued, -1)
		if err := e.Cancel(t.Context(), "queued-1"); err != nil {
			t.Fatal(err)
		}
		release()
		launchtest.State(t, e, "queued-1", deploy.Canceled)
	})
	t.Run("refused", func(t *testing.T) {
		strict := *e
		strict.o.Queue.Partition = "none"
		err := strict.Submit(t.Context(), launchtest.Shell(1, "true"), "refused-1")
		if !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), "partition") {
			t.Errorf("Submit: %v, want %v that names the partition", err, deploy.ErrService)
		}
		if _, err := e.Status(t.Context(), "refused-1"); !errors.Is(err, deploy.ErrNoJob) {
			t.Errorf("want ErrNoJob, have %v", err)
		}
	})
	t.Run("fetch", func(t *testing.T) {
		folder := t.TempDir()
		if err := e.Fetch(t.Context(), "environment-1", folder); err != nil {
			t.Fatal(err)
		}
		text, err := os.ReadFile(filepath.Join(folder, "log.txt"))
		if err != nil || !strings.Contains(string(text), "rank 1 | light green") {
			t.Errorf("log.txt: %v, want a line of rank 1 in\n%s", err, text)
		}
	})
}
