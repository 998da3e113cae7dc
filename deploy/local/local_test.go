package local

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

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

// submit starts a job that is ended with the test.
func submit(t *testing.T, e *Engine, job deploy.Job, id string) {
	t.Helper()
	needMpirun(t)
	launchtest.Submit(t, e, job, id)
	t.Cleanup(func() { e.o.Grace = deploy.Duration(time.Second) }) // before it is canceled
}

// waited follows a job to its end.
func waited(t *testing.T, e *Engine, id string) (stdout, stderr string, err error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), launchtest.Hangs)
	defer cancel()
	var out, errs bytes.Buffer
	err = e.Wait(ctx, id, &out, &errs, nil)
	return out.String(), errs.String(), err
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
		"command":  {o: Options{}, job: launchtest.Shell(2, "echo 'it''s' $HOME")},
	} {
		t.Run(name, func(t *testing.T) {
			c.o.Folder, c.o.Binary = "/home/u/jobs", "/usr/local/bin/batchscore"
			documents, err := engine(t, c.o).Documents(c.job, "nightly-1")
			if err != nil {
				t.Fatal(err)
			}
			text := strings.NewReplacer(hostFile, "/etc/batchscore/hosts", " --allow-run-as-root", "").Replace(launchtest.Text(documents))
			goldentest.Check(t, name+".golden", text)
		})
	}
}

func TestWhatMpirunCannotDo(t *testing.T) {
	hostFile := filepath.Join(t.TempDir(), "hosts")
	if err := os.WriteFile(hostFile, []byte("node1 slots=2\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	jobs := filepath.Join(t.TempDir(), "jobs")
	here := engine(t, Options{Folder: jobs})
	oneHost := engine(t, Options{Folder: jobs, Hosts: []string{"node1"}})
	twoSlots := engine(t, Options{Folder: jobs, HostFile: hostFile})
	changed := func(change func(*deploy.Job)) deploy.Job {
		job := launchtest.Shell(1, "true")
		change(&job)
		return job
	}
	launchtest.Unsupported(t, "local", []launchtest.Refusal{
		{
			Name: "nodes without hosts", Launcher: here, Says: "nodes: 2 nodes, and this machine is one",
			Job: changed(func(j *deploy.Job) { j.Nodes = 2 }),
		},
		{
			Name: "more nodes than hosts", Launcher: oneHost, Says: "nodes: 2 nodes, and service.yaml names 1",
			Job: changed(func(j *deploy.Job) { j.Nodes = 2 }),
		},
		{
			Name: "a host that is named twice", Launcher: engine(t, Options{Folder: jobs, Hosts: []string{"node1", "node1"}}),
			Says: "nodes: 2 nodes, and service.yaml names 1 different", Job: changed(func(j *deploy.Job) { j.Nodes = 2 }),
		},
		{
			Name: "slots behind a name", Launcher: engine(t, Options{Folder: jobs, Hosts: []string{"node1:2"}}),
			Says: "ranksPerNode", Job: changed(func(j *deploy.Job) { j.RanksPerNode = 3 }),
		},
		{Name: "ranksPerNode", Launcher: twoSlots, Says: "ranksPerNode", Job: changed(func(j *deploy.Job) { j.RanksPerNode = 3 })},
		{Name: "gpu", Launcher: here, Says: "gpu", Job: changed(func(j *deploy.Job) { j.GPU = "v100" })},
		{Name: "vmSize", Launcher: here, Says: "vmSize", Job: changed(func(j *deploy.Job) { j.VMSize = "Standard_NC6" })},
		{Name: "priority", Launcher: here, Says: "priority", Job: changed(func(j *deploy.Job) { j.Priority = deploy.Low })},
		{Name: "image", Launcher: here, Says: "image", Job: changed(func(j *deploy.Job) { j.Image = "acme/score" })},
		{Name: "schedule", Launcher: here, Says: "schedule", Job: changed(func(j *deploy.Job) { j.Schedule = "0 2 * * *" })},
		{
			Name: "mounts", Launcher: here, Says: "mounts",
			Job: changed(func(j *deploy.Job) { j.Mounts = []deploy.Mount{{Source: "az://a/b", Path: "/mnt"}} }),
		},
		{
			Name: "secrets", Launcher: here, Says: "secrets: A comes from keyVault",
			Job: changed(func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"A": {KeyVault: "https://v"}} }),
		},
	})
	if _, err := os.Stat(jobs); err == nil {
		t.Error("a refused job left something in the folder of the jobs")
	}
}

// TestContract runs jobs on this machine.
func TestContract(t *testing.T) {
	needMpirun(t)
	launchtest.Test(t, engine(t, Options{}))
}

func TestNoMpirun(t *testing.T) {
	e := engine(t, Options{Mpirun: "no-such-mpirun"})
	err := e.Submit(t.Context(), launchtest.Shell(1, "true"), "x")
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
	job := launchtest.Shell(2, `echo "$COLOUR $KEY $BATCHSCORE_JOB"; echo "to stderr" >&2`)
	job.Environment = map[string]string{"COLOUR": "green"}
	job.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	submit(t, e, job, "two-1")
	stdout, stderr, err := waited(t, e, "two-1")
	if err != nil {
		t.Fatalf("the job failed: %v\n%s%s", err, stdout, stderr)
	}
	for _, rank := range []string{"rank 0", "rank 1"} {
		if !strings.Contains(stdout, rank+" | green a secret two-1\n") || !strings.Contains(stderr, rank+" | to stderr\n") {
			t.Errorf("want lines of %s in stdout\n%sand stderr\n%s", rank, stdout, stderr)
		}
	}
	status, err := e.Status(t.Context(), "two-1")
	if err != nil || status.State != deploy.Succeeded || *status.ExitCode != 0 || status.Started.IsZero() || status.Ended.Before(status.Started) {
		t.Errorf("Status = %+v, %v; want %s with code 0 and both times", status, err, deploy.Succeeded)
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
		t.Errorf("log.txt: %v, want the line of rank 0 once in\n%s", err, fetched)
	}
}

func TestFailedRankIsNamed(t *testing.T) {
	e := engine(t, Options{})
	fail := filepath.Join(t.TempDir(), "fail")
	submit(t, e, launchtest.Shell(3, `echo up; until [ $OMPI_COMM_WORLD_RANK = 2 ] && [ -e `+fail+` ]; do sleep 0.05; done; exit 10`), "fails")
	// Of a rank that fails before mpirun has heard that all of them were
	// started, mpirun does not always tell which it was.
	for _, rank := range []string{"rank 0", "rank 1", "rank 2"} {
		launchtest.Printed(t, e, "fails", rank+" | up")
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
		t.Errorf("Status = %+v, %v; want %s with code 10 because of rank 2", status, err, deploy.Failed)
	}
}

// drains is a program that takes a while to commit when it is asked to stop.
const drains = `trap 'sleep 0.3; echo drained; exit 0' USR1; echo up; while :; do sleep 0.05; done`

func TestCancelDrains(t *testing.T) {
	e := engine(t, Options{})
	submit(t, e, launchtest.Shell(2, drains), "drains")
	launchtest.Printed(t, e, "drains", "rank 0 | up")
	launchtest.Printed(t, e, "drains", "rank 1 | up")
	if err := e.Cancel(t.Context(), "drains"); err != nil {
		t.Fatal(err)
	}
	stdout, _, err := waited(t, e, "drains")
	if err != nil || strings.Count(stdout, "drained") != 2 {
		t.Errorf("Wait: %v, want two drained ranks in\n%s", err, stdout)
	}
	if status, err := e.Status(t.Context(), "drains"); err != nil || !status.State.Ended() {
		t.Errorf("Status = %+v, %v; want an end", status, err)
	}
}

// TestWaitPassesTheStopOn is what Ctrl-C on a launch comes to.
func TestWaitPassesTheStopOn(t *testing.T) {
	e := engine(t, Options{})
	submit(t, e, launchtest.Shell(2, strings.Replace(drains, "exit 0", "exit 143", 1)), "stops")
	launchtest.Printed(t, e, "stops", "rank 0 | up")
	launchtest.Printed(t, e, "stops", "rank 1 | up")
	stop := make(chan struct{})
	close(stop)
	var stdout, stderr bytes.Buffer
	var exit *deploy.ExitStatus
	if err := e.Wait(t.Context(), "stops", &stdout, &stderr, stop); !errors.As(err, &exit) || exit.Code != 143 {
		t.Errorf("want status 143, have %v", err)
	}
	if !strings.Contains(stdout.String(), "drained") {
		t.Errorf("want a drained rank in\n%s%s", stdout.String(), stderr.String())
	}
	launchtest.State(t, e, "stops", deploy.Canceled)
}

// TestCancelEndsADeafProgram cancels one that does not listen.
func TestCancelEndsADeafProgram(t *testing.T) {
	e := engine(t, Options{Grace: deploy.Duration(time.Second)})
	submit(t, e, launchtest.Shell(1, `trap '' USR1; echo up; while :; do sleep 0.05; done`), "deaf")
	launchtest.Printed(t, e, "deaf", "up")
	if err := e.Cancel(t.Context(), "deaf"); err != nil {
		t.Fatal(err)
	}
	launchtest.State(t, e, "deaf", deploy.Canceled)
}

func TestTimeLimitDrains(t *testing.T) {
	e := engine(t, Options{})
	job := launchtest.Shell(1, drains)
	job.TimeLimit = deploy.Duration(time.Second)
	submit(t, e, job, "limited")
	stdout, _, err := waited(t, e, "limited") // the program itself ends with 0
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Code != 143 || !strings.Contains(stdout, "drained") {
		t.Errorf("want status 143 and a drain, have %v\n%s", err, stdout)
	}
}
