package azureml

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/resourcemanager/machinelearning/armmachinelearning/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/deploy/arm/armtest"
	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

const id = "labels-261122-020000-abcd"

var options = Options{
	Settings: arm.Settings{
		Subscription: "01234567-89ab-cdef-0123-456789abcdef", ResourceGroup: "labels", Workspace: "vision", Location: "eastus",
	},
	Compute: "gpus", ShmSize: "2g",
	IdentityID:       "/subscriptions/s/resourceGroups/labels/providers/Microsoft.ManagedIdentity/userAssignedIdentities/ranks",
	IdentityClientID: "11111111-2222-3333-4444-555555555555",
}

var lowGPUs = deploy.Cluster{
	Name: "gpus", VMSize: "Standard_NC24ads_A100_v4", Priority: deploy.Low, MaxNodes: 8, IdleTime: deploy.Duration(5 * time.Minute),
}

func engineOf(t *testing.T, fake *armtest.AzureML) *Engine {
	t.Helper()
	o := options
	o.Endpoint = fake.URL
	e, err := open(o, armtest.Config())
	if err != nil {
		t.Fatal(err)
	}
	fake.Check(t)
	return e
}

func withCluster(t *testing.T) (*Engine, *armtest.AzureML) {
	t.Helper()
	fake := armtest.NewAzureML(t)
	fake.Async = true
	e := engineOf(t, fake)
	if err := e.CreateCluster(t.Context(), lowGPUs); err != nil {
		t.Fatal(err)
	}
	return e, fake
}

func withServer(t *testing.T) (armtest.Engine, *armtest.Server) {
	t.Helper()
	e, fake := withCluster(t)
	return e, fake.Server
}

func labels() deploy.Job {
	return deploy.Job{
		Name: "labels", Images: "az://octopustext/batchaisample/images", Out: "az://octopustext/labels/run1",
		Model: "/models/cloth.onnx", Run: map[string]string{"batch": "64"},
		Nodes: 8, RanksPerNode: 4, VMSize: "standard_nc24ads_a100_v4", Priority: deploy.Low,
		Image: "registry.example/team/batchscore:1", Environment: map[string]string{"LEVEL": "a b"},
		Mounts:    []deploy.Mount{{Source: "az://octopustext/models/cloth", Path: "/models", ReadOnly: true}},
		TimeLimit: deploy.Duration(7*time.Hour + 30*time.Minute),
	}
}

func training() deploy.Job {
	return deploy.Job{
		Name: "train", Command: []string{"python", "/code/train.py", "--out=/results/it's here"}, Nodes: 2, Priority: deploy.Low,
		Image: "horovod:1",
		Mounts: []deploy.Mount{
			{Source: "az://octopustext/code", Path: "/code", ReadOnly: true},
			{Source: "az://octopustext/results/2026", Path: "/results"},
		},
	}
}

func nightly() deploy.Job {
	job := labels()
	job.Schedule, job.Out = "0 2 * * *", "az://octopustext/labels/it's "+deploy.RunName
	return job
}

var jobs = map[string]deploy.Job{"labels": labels(), "training": training(), "nightly": nightly()}

func TestGolden(t *testing.T) {
	e, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	for name, job := range jobs {
		documents, err := e.Documents(job, id)
		if err != nil {
			t.Fatal(err)
		}
		var text strings.Builder
		for _, d := range documents {
			fmt.Fprintf(&text, "%s\n%s", d.Name, d.Body)
		}
		goldentest.Check(t, name+".golden", text.String())
		files, err := e.YAML(job, name)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			goldentest.Check(t, f.Name, string(f.Body))
		}
	}
}

// What is sent is what the official SDK sends: its types take every field and
// give it back.
func TestBodiesAreTheSDKs(t *testing.T) {
	e, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	through := func(what string, body []byte, sdk any) {
		t.Helper()
		if err := json.Unmarshal(body, sdk); err != nil {
			t.Errorf("%s: the SDK cannot read it: %v", what, err)
			return
		}
		back, err := json.Marshal(sdk)
		if err != nil {
			t.Fatal(err)
		}
		var a, b any
		if err := errors.Join(json.Unmarshal(body, &a), json.Unmarshal(back, &b)); err != nil {
			t.Fatal(err)
		}
		if !reflect.DeepEqual(a, b) {
			t.Errorf("%s: sent\n%s\nwant what the SDK sends\n%s", what, body, back)
		}
	}
	for name, job := range jobs {
		documents, err := e.Documents(job, id)
		if err != nil {
			t.Fatal(err)
		}
		through("environment", documents[0].Body, &armmachinelearning.EnvironmentVersion{})
		if job.Schedule != "" {
			through(name, documents[1].Body, &armmachinelearning.Schedule{})
			continue
		}
		made := armmachinelearning.JobBase{}
		through(name, documents[1].Body, &made)
		if _, ok := made.Properties.(*armmachinelearning.CommandJob); !ok {
			t.Errorf("%s: the SDK takes it for %T, want a CommandJob", name, made.Properties)
		}
	}
	documents, err := e.ClusterDocuments(lowGPUs)
	if err != nil {
		t.Fatal(err)
	}
	cluster := armmachinelearning.ComputeResource{}
	through("cluster", documents[0].Body, &cluster)
	if _, ok := cluster.Properties.(*armmachinelearning.AmlCompute); !ok {
		t.Errorf("the SDK takes the cluster for %T, want an AmlCompute", cluster.Properties)
	}
	var resize resizeBody
	resize.Properties.Properties.Scale = scaleSettings{1, 2, "PT2M"}
	body, err := json.Marshal(resize)
	if err != nil {
		t.Fatal(err)
	}
	through("resize", body, &armmachinelearning.ClusterUpdateParameters{})
	// And the words for states are those of the SDK.
	for word := range states {
		known := false
		for _, status := range armmachinelearning.PossibleJobStatusValues() {
			known = known || string(status) == word
		}
		if !known {
			t.Errorf("the SDK has no status %s", word)
		}
	}
}

func TestJobRuns(t *testing.T) {
	e, fake := withCluster(t)
	fake.Logs = [][]string{{"Worker 0 needs 10\n", "Worker 0 Pro", "cessed 10/10\n"}, {"Worker 1 needs 10\n", "Worker 1 done"}}
	launchtest.Unknown(t, e, "other")
	if err := e.Submit(t.Context(), labels(), id); err != nil {
		t.Fatal(err)
	}
	s, err := e.Status(t.Context(), id)
	if err != nil || s.State != deploy.Queued || s.Reason != "NotStarted" || s.Where != "https://ml.azure.com/runs/"+id {
		t.Errorf("Status = %+v, %v; want %s, NotStarted, with a link", s, err, deploy.Queued)
	}
	var out strings.Builder
	if err := e.Logs(t.Context(), id, &out, true); err != nil {
		t.Fatal(err)
	}
	const want = `[std_log_process_0] Worker 0 needs 10
[std_log_process_1] Worker 1 needs 10
[std_log_process_0] Worker 0 Processed 10/10
[std_log_process_1] Worker 1 done
`
	if out.String() != want {
		t.Errorf("the log is\n%s\nwant\n%s", out.String(), want)
	}
	out.Reset()
	if err := e.Logs(t.Context(), id, &out, false); err != nil || strings.Count(out.String(), "\n") != 4 {
		t.Errorf("Logs afterwards: %v, want four lines in\n%s", err, out.String())
	}
	s, err = e.Status(t.Context(), id)
	if err != nil || s.State != deploy.Succeeded || s.Ended.Sub(s.Started) != 11*time.Minute+10*time.Second {
		t.Errorf("Status = %+v, %v; want %s after 11m10s", s, err, deploy.Succeeded)
	}
	if err := e.Cancel(t.Context(), id); err != nil || fake.Count("POST", "/cancel") != 0 {
		t.Errorf("Cancel of a job that has ended: %v, want no request", err)
	}
	folder := t.TempDir()
	if err := e.Fetch(t.Context(), id, folder); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"user_logs/std_log_process_0.txt": strings.Join(fake.Logs[0], ""), "system_logs/lifecycler/lifecycler.log": "of the system\n",
	} {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(text) != want {
			t.Errorf("fetched %s: %q, %v; want %q", name, text, err, want)
		}
	}
}

func TestFailedAndCanceled(t *testing.T) {
	e, fake := withCluster(t)
	fake.Failure, fake.Logs = "rank 3 ended with 75", [][]string{{"one\n", "two"}}
	one := training()
	one.Nodes = 1
	if err := e.Submit(t.Context(), one, id); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := e.Logs(t.Context(), id, &out, true); err != nil || out.String() != "one\ntwo\n" {
		t.Errorf("Logs: %q, %v; want two lines", out.String(), err)
	}
	if s, err := e.Status(t.Context(), id); err != nil || s.State != deploy.Failed || s.Reason != "UserError: rank 3 ended with 75" {
		t.Errorf("Status = %+v, %v; want %s because of rank 3", s, err, deploy.Failed)
	}
	if err := e.Submit(t.Context(), one, "other"); err != nil {
		t.Fatal(err)
	}
	if err := e.Cancel(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	launchtest.State(t, e, "other", deploy.Canceled)
}

func TestStatusWithoutRunHistory(t *testing.T) {
	e, fake := withCluster(t)
	if err := e.Submit(t.Context(), training(), id); err != nil {
		t.Fatal(err)
	}
	var s deploy.Status
	fake.Fail(armtest.Fault{Path: "/history/", Status: 403, Code: "Forbidden", Times: 9})
	for range 5 {
		var err error
		if s, err = e.Status(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	if s.State != deploy.Succeeded || !strings.Contains(s.Reason, "no times are known") {
		t.Errorf("Status = %+v, want %s without times", s, deploy.Succeeded)
	}
}

func TestSchedule(t *testing.T) {
	e, fake := withCluster(t)
	for range 2 {
		if err := e.Submit(t.Context(), nightly(), id); err != nil {
			t.Fatal(err)
		}
	}
	if n := fake.Count("PUT", "/schedules/"+id); n != 1 {
		t.Errorf("the schedule was created %d times, want once", n)
	}
	s, err := e.Status(t.Context(), id)
	if err != nil || s.State != deploy.Queued || s.Reason != "schedule 0 2 * * * UTC" {
		t.Errorf("Status = %+v, %v; want %s with the schedule", s, err, deploy.Queued)
	}
	for what, err := range map[string]error{
		"logs": e.Logs(t.Context(), id, new(strings.Builder), true), "fetch": e.Fetch(t.Context(), id, t.TempDir()),
	} {
		if !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), "studio") {
			t.Errorf("%s of a schedule: %v, want %v that names the studio", what, err, deploy.ErrUnsupported)
		}
	}
	for range 2 {
		if err := e.Cancel(t.Context(), id); err != nil {
			t.Fatal(err)
		}
	}
	launchtest.State(t, e, id, deploy.Canceled)
}

// Every run of a schedule gets a place of its own, by a shell's doing.
func TestScheduledRunsHaveNames(t *testing.T) {
	e, err := New(options)
	if err != nil {
		t.Fatal(err)
	}
	job := nightly()
	job.Mounts, job.Model = nil, "cloth.onnx"
	e.o.Worker = "printf"
	c, err := e.command(job, id)
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), "sh", "-c", strings.Replace(c.Command, "run --images", "'<%s>' run --images", 1))
	cmd.Env = append(os.Environ(), runVariable+"=nightly 1")
	out, err := cmd.Output()
	if err != nil || !strings.Contains(string(out), "<--out><az://octopustext/labels/it's nightly 1><--model>") {
		t.Errorf("%s printed %s, %v; want the name of the run in --out", c.Command, out, err)
	}
}

// The token may come from a variable, and then nothing else is asked for one.
func TestTokenFromTheEnvironment(t *testing.T) {
	fake := armtest.NewAzureML(t)
	t.Setenv(arm.TokenVariable, armtest.Token)
	o := options
	o.Endpoint = fake.URL + "/"
	e, err := New(o)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.CreateCluster(t.Context(), lowGPUs); err != nil {
		t.Fatal(err)
	}
	if err := e.Submit(t.Context(), training(), id); err != nil {
		t.Fatal(err)
	}
	if _, err := e.details(t.Context(), id); err != nil {
		t.Fatal(err)
	}
	if text := fmt.Sprintf("%v %+v %#v", arm.Token(armtest.Token), arm.Token(armtest.Token), arm.Token(armtest.Token)); strings.Contains(text, armtest.Token) {
		t.Errorf("a verb shows the token: %s", text)
	}
}

func TestSubmitTwice(t *testing.T) {
	armtest.SubmitTwice(t, training(), id, withServer, map[string]armtest.Fault{
		"well":            {Path: "nowhere"},
		"the answer lost": {Method: "PUT", Path: "/jobs/", After: true},
		"throttled":       {Method: "PUT", Path: "/jobs/", Status: 429, RetryAfter: "9"},
		"slow":            {Method: "PUT", Path: "/environments/", Status: 503},
	})
}

func TestUnsupported(t *testing.T) {
	fake := armtest.NewAzureML(t)
	e := engineOf(t, fake)
	var refusals []launchtest.Refusal
	for says, change := range map[string]func(*deploy.Job){
		"image":                func(j *deploy.Job) { j.Image = "" },
		"gpu":                  func(j *deploy.Job) { j.GPU = "v100" },
		"secrets: A, B":        func(j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"B": {Env: "X"}, "A": {File: "y"}} },
		"mounts: azurefile://": func(j *deploy.Job) { j.Mounts[0].Source = "azurefile://a/b" },
		"mounts: the engine":   func(j *deploy.Job) { j.Mounts[0].Path = "/unused" },
		"out: on the mounted":  func(j *deploy.Job) { j.Out = "/models/out" },
	} {
		job := labels()
		change(&job)
		refusals = append(refusals, launchtest.Refusal{Name: says, Launcher: e, Job: job, Says: says})
		if _, err := e.YAML(job, id); !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("YAML: %v, want %v that says %q", err, deploy.ErrUnsupported, says)
		}
	}
	launchtest.Unsupported(t, engine, refusals)
	if calls := fake.Calls(); len(calls) > 0 {
		t.Errorf("%d requests were sent, want none", len(calls))
	}
}

func TestJobDoesNotFitTheCluster(t *testing.T) {
	e, fake := withCluster(t)
	armtest.DoesNotFit(t, e, fake.Server, training(), map[string]func(*deploy.Job){
		"nodes":    func(j *deploy.Job) { j.Nodes = 9 },
		"vmSize":   func(j *deploy.Job) { j.VMSize = "Standard_NC24" },
		"priority": func(j *deploy.Job) { j.Priority = "" },
	})
}

func TestCluster(t *testing.T) {
	e, fake := withCluster(t)
	if err := e.CreateCluster(t.Context(), lowGPUs); err != nil || fake.Count("PUT", "/computes/gpus") != 1 {
		t.Errorf("CreateCluster with equal settings: %v, want no second request", err)
	}
	other := lowGPUs
	other.VMSize = "Standard_NC24"
	if err := e.CreateCluster(t.Context(), other); err == nil || !strings.Contains(err.Error(), "exists with other settings") {
		t.Errorf("CreateCluster with other settings: %v, want an error that says so", err)
	}
	armtest.ClusterLives(t, e, lowGPUs, "Steady", training())
	for field, c := range map[string]deploy.Cluster{
		"vmSize": {Name: "cluster", MaxNodes: 1},
		"nodes":  {Name: "cluster", VMSize: "Standard_NC6", MinNodes: 2, MaxNodes: 1},
		"name":   {Name: "c", VMSize: "Standard_NC6", MaxNodes: 1},
	} {
		if err := e.CreateCluster(t.Context(), c); !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), field) {
			t.Errorf("CreateCluster: %v, want %v that names %s", err, deploy.ErrUnsupported, field)
		}
	}
}

func TestErrors(t *testing.T) {
	armtest.Errors(t, training(), id, lowGPUs, withServer)
}

func TestOptions(t *testing.T) {
	armtest.RefusesOptions(t, options, New, map[string]func(*Options){
		"subscription": func(o *Options) { o.Subscription = "" }, "resourceGroup": func(o *Options) { o.ResourceGroup = "a/b" },
		"workspace": func(o *Options) { o.Workspace = "w" }, "compute": func(o *Options) { o.Compute = "1" },
		"shmSize": func(o *Options) { o.ShmSize = "2" }, "identityId": func(o *Options) { o.IdentityClientID = "" },
	})
}
