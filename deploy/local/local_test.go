package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/goldentest"
)

// hangs is far above what any job here takes: only one that hangs meets it.
const hangs = 2 * time.Minute

func needMpirun(t *testing.T) {
	t.Helper()
	if _, err := exec.LookPath("mpirun"); err == nil {
		return
	}
	if os.Getenv("CI") != "" {
		t.Fatal("mpirun is missing: make deps")
	}
	t.Skip("mpirun is missing: make deps")
}

func engine(t *testing.T, o Options) *Engine {
	t.Helper()
	if o.Folder == "" {
		o.Folder = filepath.Join(t.TempDir(), "jobs")
	}
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// shell is a job whose ranks run a line of shell.
func shell(ranks int, line string) deploy.Job {
	return deploy.Job{Name: "shell", Command: []string{"/bin/sh", "-c", line}, RanksPerNode: ranks}
}

// submit starts a job that is ended with the test.
func submit(t *testing.T, e *Engine, job deploy.Job, id string) {
	t.Helper()
	needMpirun(t)
	if err := e.Submit(t.Context(), job, id); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		e.o.Grace = deploy.Duration(time.Second)
		if err := e.Cancel(context.Background(), id); err != nil {
			t.Error(err)
		}
	})
}

// waited follows a job to its end.
func waited(t *testing.T, e *Engine, id string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), hangs)
	defer cancel()
	var out, errs bytes.Buffer
	err = e.Wait(ctx, id, &out, &errs, nil)
	return out.String(), errs.String(), err
}

// printed waits until the job's log holds text.
func printed(t *testing.T, e *Engine, id, text string) {
	t.Helper()
	for end := time.Now().Add(hangs); ; time.Sleep(5 * time.Millisecond) {
		var log bytes.Buffer
		if err := e.Logs(t.Context(), id, &log, false); err != nil {
			t.Fatal(err)
		}
		if strings.Contains(log.String(), text) {
			return
		}
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %q in\n%s", text, log.String())
		}
	}
}

func TestScriptGolden(t *testing.T) {
	hostFile := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hostFile, []byte("# two\nnode1 slots=4\nnode2 slots=4\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	scoring := deploy.Job{
		Name: "nightly", Images: "photos of 2019", Out: "labels", Model: "inception.onnx", RanksPerNode: 4,
		Run: map[string]string{"batch": "32"},
	}
	hosts := scoring
	hosts.Nodes, hosts.TimeLimit = 2, deploy.Duration(90*time.Minute)
	hosts.Environment = map[string]string{"ONNXRUNTIME_LIB": "/opt/onnxruntime.so"}
	hosts.Secrets = map[string]deploy.Secret{"AZURE_STORAGE_KEY": {Env: "KEY"}, "TOKEN": {File: "/run/token"}}
	for name, c := range map[string]struct {
		o   Options
		job deploy.Job
	}{
		"here": {o: Options{}, job: scoring},
		"hosts": {o: Options{
			Mpirun: "/opt/openmpi/bin/mpirun", Hosts: []string{"node1", "node2", "node3"}, Agent: "ssh -F /etc/batchscore/ssh_config",
			Bind: "numa", MCA: map[string]string{"btl_tcp_if_exclude": "docker0,lo", "btl": "tcp,self"},
		}, job: hosts},
		"hostfile": {o: Options{HostFile: hostFile}, job: hosts},
		"command":  {o: Options{}, job: shell(2, "echo 'it''s' $HOME")},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Folder, c.o.Binary = "/home/u/jobs", "/usr/local/bin/batchscore"
			documents, err := engine(t, c.o).Documents(c.job, "nightly-1")
			if err != nil {
				t.Fatal(err)
			}
			var got strings.Builder
			for _, d := range documents {
				fmt.Fprintf(&got, "--- %s\n%s", d.Name, d.Body)
			}
			text := strings.NewReplacer(hostFile, "/etc/batchscore/hosts", " --allow-run-as-root", "").Replace(got.String())
			goldentest.Check(t, name+".golden", text)
		})
	}
}

func TestWhatMpirunCannotDo(t *testing.T) {
	hostFile := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hostFile, []byte("node1 slots=2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for field, c := range map[string]struct {
		o      Options
		change func(*deploy.Job)
	}{
		"nodes: 2 nodes, and this machine is one": {o: Options{}, change: func(j *deploy.Job) { j.Nodes = 2 }},
		"nodes: 2 nodes, and service.yaml":        {o: Options{Hosts: []string{"node1"}}, change: func(j *deploy.Job) { j.Nodes = 2 }},
		"ranksPerNode":                            {o: Options{HostFile: hostFile}, change: func(j *deploy.Job) { j.RanksPerNode = 3 }},
		"gpu":                                     {o: Options{}, change: func(j *deploy.Job) { j.GPU = "v100" }},
		"vmSize":                                  {o: Options{}, change: func(j *deploy.Job) { j.VMSize = "Standard_NC6" }},
		"priority":                                {o: Options{}, change: func(j *deploy.Job) { j.Priority = deploy.Low }},
		"image":                                   {o: Options{}, change: func(j *deploy.Job) { j.Image = "acme/score" }},
		"schedule":                                {o: Options{}, change: func(j *deploy.Job) { j.Schedule = "0 2 * * *" }},
		"mounts": {
			o:      Options{},
			change: func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "az://a/b", Path: "/mnt"}} },
		},
		"secrets": {
			o:      Options{},
			change: func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {KeyVault: "https://v"}} },
		},
	} {
		t.Run(field, func(t *testing.T) {
			job := shell(1, "true")
			c.change(&job)
			e := engine(t, c.o)
			_, err := e.Documents(job, "x")
			if !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), "local: "+field) {
				t.Errorf("want ErrUnsupported and %s named, have %v", field, err)
			}
			if err := e.Submit(t.Context(), job, "x"); !errors.Is(err, deploy.ErrUnsupported) {
				t.Errorf("Submit: want ErrUnsupported, have %v", err)
			}
			if _, err := os.Stat(e.o.Folder); err == nil {
				t.Error("something was written")
			}
		})
	}
}

func TestNoMpirun(t *testing.T) {
	e := engine(t, Options{Mpirun: "no-such-mpirun"})
	err := e.Submit(t.Context(), shell(1, "true"), "x")
	if !errors.Is(err, deploy.ErrNoEngine) || !strings.Contains(err.Error(), "openmpi-bin") {
		t.Errorf("want ErrNoEngine and what to install, have %v", err)
	}
	if _, err := e.Status(t.Context(), "x"); !errors.Is(err, deploy.ErrNoJob) {
		t.Errorf("want ErrNoJob, have %v", err)
	}
}

func TestRanksRunAndAreNamed(t *testing.T) {
	t.Setenv("OUTER", "a secret")
	e := engine(t, Options{})
	job := shell(2, `echo "$COLOUR $KEY $BATCHSCORE_JOB"; echo "to stderr" >&2`)
	job.Environment = map[string]string{"COLOUR": "green"}
	job.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	submit(t, e, job, "two-1")
	stdout, stderr, err := waited(t, e, "two-1")
	if err != nil {
		t.Fatalf("%v\n%s%s", err, stdout, stderr)
	}
	for _, rank := range []string{"rank 0", "rank 1"} {
		if !strings.Contains(stdout, rank+" | green a secret two-1\n") || !strings.Contains(stderr, rank+" | to stderr\n") {
			t.Errorf("%s: stdout\n%sstderr\n%s", rank, stdout, stderr)
		}
	}
	status, err := e.Status(t.Context(), "two-1")
	if err != nil || status.State != deploy.Succeeded || *status.ExitCode != 0 || status.Started.IsZero() || status.Ended.Before(status.Started) {
		t.Errorf("%+v, %v", status, err)
	}
	// Again: nothing is started twice.
	if err := e.Submit(t.Context(), job, "two-1"); err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	if err := e.Fetch(t.Context(), "two-1", folder); err != nil {
		t.Fatal(err)
	}
	fetched, err := os.ReadFile(filepath.Join(folder, "log.txt"))
	if err != nil || strings.Count(string(fetched), "rank 0 | to stderr\n") != 1 {
		t.Errorf("%v\n%s", err, fetched)
	}
}

func TestFailedRankIsNamed(t *testing.T) {
	e := engine(t, Options{})
	fail := filepath.Join(t.TempDir(), "fail")
	submit(t, e, shell(3, `echo up; until [ $OMPI_COMM_WORLD_RANK = 2 ] && [ -e `+fail+` ]; do sleep 0.05; done; exit 10`), "fails")
	// Of a rank that fails before mpirun has heard that all of them were
	// started, mpirun does not always tell which it was.
	for _, rank := range []string{"rank 0", "rank 1", "rank 2"} {
		printed(t, e, "fails", rank+" | up")
	}
	if err := os.WriteFile(fail, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := waited(t, e, "fails")
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Code != 10 || len(exit.Ranks) != 1 || exit.Ranks[0] != 2 {
		t.Fatalf("want rank 2 and code 10, have %v\n%s", err, stderr)
	}
	status, err := e.Status(t.Context(), "fails")
	if err != nil || status.State != deploy.Failed || *status.ExitCode != 10 || !strings.Contains(status.Reason, "rank 2 failed") {
		t.Errorf("%+v, %v", status, err)
	}
}

// drains is a program that takes a while to commit when it is asked to stop.
const drains = `trap 'sleep 0.3; echo drained; exit 0' USR1; echo up; while :; do sleep 0.05; done`

func TestCancelDrains(t *testing.T) {
	e := engine(t, Options{})
	submit(t, e, shell(2, drains), "drains")
	printed(t, e, "drains", "rank 0 | up")
	printed(t, e, "drains", "rank 1 | up")
	if err := e.Cancel(t.Context(), "drains"); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := waited(t, e, "drains")
	if err != nil || strings.Count(stdout, "drained") != 2 {
		t.Errorf("%v\n%s", err, stdout)
	}
	if status, err := e.Status(t.Context(), "drains"); err != nil || !status.State.Ended() {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestWaitPassesTheStopOn is what Ctrl-C on a launch comes to.
func TestWaitPassesTheStopOn(t *testing.T) {
	e := engine(t, Options{})
	submit(t, e, shell(2, strings.Replace(drains, "exit 0", "exit 143", 1)), "stops")
	printed(t, e, "stops", "rank 0 | up")
	printed(t, e, "stops", "rank 1 | up")
	stop := make(chan struct{})
	close(stop)
	var stdout, stderr bytes.Buffer
	var exit *deploy.ExitStatus
	if err := e.Wait(t.Context(), "stops", &stdout, &stderr, stop); !errors.As(err, &exit) || exit.Code != 143 {
		t.Errorf("want status 143, have %v", err)
	}
	if !strings.Contains(stdout.String(), "drained") {
		t.Errorf("%s%s", stdout.String(), stderr.String())
	}
	if status, err := e.Status(t.Context(), "stops"); err != nil || status.State != deploy.Canceled {
		t.Errorf("%+v, %v", status, err)
	}
}

// TestCancelEndsADeafProgram cancels one that does not listen.
func TestCancelEndsADeafProgram(t *testing.T) {
	e := engine(t, Options{Grace: deploy.Duration(time.Second)})
	submit(t, e, shell(1, `trap '' USR1; echo up; while :; do sleep 0.05; done`), "deaf")
	printed(t, e, "deaf", "up")
	if err := e.Cancel(t.Context(), "deaf"); err != nil {
		t.Fatal(err)
	}
	if status, err := e.Status(t.Context(), "deaf"); err != nil || status.State != deploy.Canceled {
		t.Errorf("%+v, %v", status, err)
	}
}

func TestTimeLimitDrains(t *testing.T) {
	e := engine(t, Options{})
	job := shell(1, drains)
	job.TimeLimit = deploy.Duration(time.Second)
	submit(t, e, job, "limited")
	stdout, _, err := waited(t, e, "limited") // the program itself ends with 0
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Code != 143 || !strings.Contains(stdout, "drained") {
		t.Errorf("want status 143 and a drain, have %v\n%s", err, stdout)
	}
}
