package batchai

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/deploy/arm/armtest"
	"github.com/batchscore/batchscore/deploy/goldentest"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

const (
	id = "cloth-180619-100000-abcd"
	// The planted secrets.
	accountKey   = "PLANTED/account+key=="
	clientSecret = "PLANTED~client.secret"
	password     = "PLANTED-admin-password"
	registryPass = "PLANTED-registry-password"
	jobSecret    = "PLANTED job \"secret\"" //nolint:gosec // G101: planted
	vault        = "/subscriptions/s/resourceGroups/g/providers/Microsoft.KeyVault/vaults/v"
)

var planted = []string{"PLANTED", armtest.Token, armtest.Signature}

// clean fails where a text holds a secret.
func clean(t *testing.T, what, text string) {
	t.Helper()
	for _, secret := range planted {
		if strings.Contains(text, secret) {
			t.Errorf("%s contains a secret: %s", what, text)
		}
	}
}

// configurationFile is the recipes' configuration.json.
func configurationFile(t *testing.T, endpoint string) string {
	t.Helper()
	text, err := json.Marshal(map[string]any{
		"subscription_id": "01234567-89ab-cdef-0123-456789abcdef", "aad_client_id": "client", "aad_secret": clientSecret,
		"aad_tenant": "tenant", "location": "eastus", "base_url": endpoint, "resource_group": "labels", "workspace": "recipes",
		"storage_account":    map[string]any{"name": "octopustext", "key": accountKey},
		"admin_user":         map[string]any{"name": "demo", "password": password, "ssh_public_key": "ssh-rsa AAAA demo"},
		"keyvault_id":        vault,
		"container_registry": map[string]any{"user": "robot", "password": registryPass, "secret_url": ""},
	})
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join(t.TempDir(), "configuration.json")
	if err := os.WriteFile(path, text, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// engineOf is an engine that talks to the fake, with a cluster of 8 low nodes.
func engineOf(t *testing.T, fake *armtest.BatchAI) *Engine {
	t.Helper()
	e, err := open(Options{Configuration: configurationFile(t, fake.URL), Cluster: "gpus"}, armtest.Config())
	if err != nil {
		t.Fatal(err)
	}
	fake.Check(t)
	return e
}

var lowGPUs = deploy.Cluster{Name: "gpus", VMSize: "STANDARD_NC6S_V2", Priority: deploy.Low, MaxNodes: 8}

func withCluster(t *testing.T) (*Engine, *armtest.BatchAI) {
	t.Helper()
	fake := armtest.NewBatchAI(t)
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

func recipe() deploy.Job {
	return deploy.Job{
		Name: "cloth", Images: "az://octopustext/batchaisample/images", Out: "az://octopustext/labels/run1",
		Model: "/abc/cloth.onnx", Run: map[string]string{"batch": "64", "labels": "/abc/it's labels.txt"},
		Nodes: 8, RanksPerNode: 4, GPUsPerNode: 4, VMSize: "Standard_NC6s_v2", Priority: deploy.Low,
		Image:       "registry.example/team/batchscore:1",
		Environment: map[string]string{"LEVEL": "a b"},
		Secrets: map[string]deploy.Secret{
			"AZURE_STORAGE_KEY": {Env: "TEST_JOB_SECRET"},
			"TOKEN":             {KeyVault: "https://v.vault.azure.net/secrets/token"},
		},
		Mounts: []deploy.Mount{
			{Source: "azurefile://octopustext/abc", Path: "/abc"},
		},
		TimeLimit: deploy.Duration(7*time.Hour + 30*time.Minute),
	}
}

func training() deploy.Job {
	return deploy.Job{
		Name: "train", Command: []string{"python", "-u", "/code/train.py", "--data", "/data/train"}, Nodes: 2, Priority: deploy.Low,
		Mounts: []deploy.Mount{
			{Source: "az://octopustext/batchaisample/images", Path: "/data", ReadOnly: true},
			{Source: "azurefile://octopustext/abc", Path: "/code"},
		},
	}
}

func TestGolden(t *testing.T) {
	t.Setenv("TEST_JOB_SECRET", jobSecret)
	for name, job := range map[string]deploy.Job{"recipe": recipe(), "training": training()} {
		t.Run(name, func(t *testing.T) {
			e, fake := withCluster(t)
			documents, err := e.Documents(job, id)
			if err != nil {
				t.Fatal(err)
			}
			var text strings.Builder
			for _, d := range documents {
				fmt.Fprintf(&text, "%s\n%s", strings.ReplaceAll(d.Name, fake.URL, "https://management.azure.com"), d.Body)
			}
			shown := strings.ReplaceAll(text.String(), filepath.Dir(e.accountKey.from), "/etc/batchscore")
			clean(t, "the documents", shown)
			goldentest.Check(t, name+".golden", shown)

			// What is sent differs from it in the secrets' values only.
			if err := e.Submit(t.Context(), job, id); err != nil {
				t.Fatal(err)
			}
			calls := fake.Calls()
			sent := string(calls[len(calls)-1].Raw)
			for _, s := range []struct{ value, reference string }{
				{
					value:     accountKey,
					reference: e.accountKey.String(),
				}, {
					value:     registryPass,
					reference: e.registryPassword.String(),
				}, {value: jobSecret, reference: deploy.Secret{Env: "TEST_JOB_SECRET"}.String()},
			} {
				sent = strings.ReplaceAll(sent, quoted(t, s.value), quoted(t, s.reference))
			}
			if want := string(documents[len(documents)-1].Body); sent != want {
				t.Errorf("sent\n%s\nshown\n%s", sent, want)
			}
		})
	}
}

func quoted(t *testing.T, text string) string {
	t.Helper()
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(text); err != nil {
		t.Fatal(err)
	}
	return strings.TrimSpace(b.String())
}

func TestJobRuns(t *testing.T) {
	t.Setenv("TEST_JOB_SECRET", jobSecret)
	e, fake := withCluster(t)
	fake.Lines = []string{"Worker 0 needs to process 3125 images\n", "Worker 0 Processed 100/3125 images\n", "Processed 100000 images on 32 ranks"}
	fake.Outputs = map[string]map[string]string{"OUTPUT": {"model.bin": "weights", "logs/rank-0/a.txt": "deep", "a": "1", "b": "2", "c": "3"}}
	launchtest.Unknown(t, e, id)
	if err := e.Submit(t.Context(), recipe(), id); err != nil {
		t.Fatal(err)
	}
	s, err := e.Status(t.Context(), id)
	if err != nil || s.State != deploy.Queued {
		t.Fatalf("Status = %+v, %v; want %s", s, err, deploy.Queued)
	}
	var out strings.Builder
	if err := e.Logs(t.Context(), id, &out, true); err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(fake.Lines, "") + "\n"; out.String() != want {
		t.Errorf("the log is %q, want %q", out.String(), want)
	}
	s, err = e.Status(t.Context(), id)
	if err != nil || s.State != deploy.Succeeded || s.ExitCode == nil || *s.ExitCode != 0 || s.Ended.Sub(s.Started) != 11*time.Minute+10500*time.Millisecond {
		t.Errorf("Status = %+v, %v; want %s with code 0 after 11m10.5s", s, err, deploy.Succeeded)
	}
	if err := e.Cancel(t.Context(), id); err != nil || fake.Count("POST", "/terminate") != 0 {
		t.Errorf("Cancel of a job that has ended: %v, want no request", err)
	}
	folder := t.TempDir()
	if err := e.Fetch(t.Context(), id, folder); err != nil {
		t.Fatal(err)
	}
	for name, want := range map[string]string{
		"stdout.txt": strings.Join(fake.Lines, ""), "stderr.txt": "", "output/model.bin": "weights", "output/logs/rank-0/a.txt": "deep",
		"output/a": "1", "output/b": "2", "output/c": "3", "stdout-job_prep.txt": "prepared\n",
	} {
		if text, err := os.ReadFile(filepath.Join(folder, name)); err != nil || string(text) != want {
			t.Errorf("fetched %s: %q, %v; want %q", name, text, err, want)
		}
	}
}

func TestFailedAndCanceled(t *testing.T) {
	e, fake := withCluster(t)
	fake.Exit, fake.Lines = 75, []string{"x\n"}
	if err := e.Submit(t.Context(), training(), id); err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	if err := e.Logs(t.Context(), id, &out, true); err != nil {
		t.Fatal(err)
	}
	if s, err := e.Status(t.Context(), id); err != nil || s.State != deploy.Failed || *s.ExitCode != 75 {
		t.Errorf("Status = %+v, %v; want %s with code 75", s, err, deploy.Failed)
	}
	if err := e.Submit(t.Context(), training(), "other"); err != nil {
		t.Fatal(err)
	}
	if err := e.Cancel(t.Context(), "other"); err != nil {
		t.Fatal(err)
	}
	if s, err := e.Status(t.Context(), "other"); err != nil || s.State != deploy.Failed || !strings.Contains(s.Reason, "terminated by the user") {
		t.Errorf("Status = %+v, %v; want %s by the user", s, err, deploy.Failed)
	}
}

func TestSubmitTwice(t *testing.T) {
	armtest.SubmitTwice(t, training(), id, withServer, map[string]armtest.Fault{
		"well":            {Path: "nowhere"},
		"the answer lost": {Method: "PUT", Path: "/jobs/", After: true},
		"throttled":       {Method: "PUT", Path: "/jobs/", Status: 429, RetryAfter: "9"},
	})
}

func TestUnsupported(t *testing.T) {
	for field, change := range map[string]func(*Engine, *deploy.Job){
		"schedule":            func(_ *Engine, j *deploy.Job) { j.Schedule = "0 2 * * *" },
		"gpu":                 func(_ *Engine, j *deploy.Job) { j.GPU = "v100" },
		"secrets: X":          func(_ *Engine, j *deploy.Job) { j.Secrets = map[string]deploy.Secret{"X": {Kubernetes: "a/b"}} },
		"mounts: pvc://claim": func(_ *Engine, j *deploy.Job) { j.Mounts[0].Source = "pvc://claim" },
		"mounts: the engine":  func(_ *Engine, j *deploy.Job) { j.Mounts[0].Path = "/unused" },
		"out: on the mounted": func(_ *Engine, j *deploy.Job) { j.Out, j.Mounts[0].Source = "/abc/out", "az://a/c" },
		"secrets: TOKEN: service.yaml names no key vault": func(e *Engine, _ *deploy.Job) { e.o.KeyVault = "" },
	} {
		t.Run(field, func(t *testing.T) {
			e := engineOf(t, armtest.NewBatchAI(t))
			job := recipe()
			change(e, &job)
			launchtest.Unsupported(t, engine, []launchtest.Refusal{{Name: "refused", Launcher: e, Job: job, Says: field}})
		})
	}
}

func second[T any](_ T, err error) error { return err }

func TestJobDoesNotFitTheCluster(t *testing.T) {
	e, fake := withCluster(t)
	armtest.DoesNotFit(t, e, fake.Server, training(), map[string]func(*deploy.Job){
		"nodes":    func(j *deploy.Job) { j.Nodes = 9 },
		"vmSize":   func(j *deploy.Job) { j.VMSize = "STANDARD_NC24" },
		"priority": func(j *deploy.Job) { j.Priority = deploy.Dedicated },
	})
}

func TestCluster(t *testing.T) {
	e, fake := withCluster(t)
	if err := e.CreateCluster(t.Context(), lowGPUs); err != nil {
		t.Errorf("CreateCluster of an existing cluster: %v", err)
	}
	if n := fake.Count("PUT", "/workspaces/recipes"); n != 1 {
		t.Errorf("the workspace was created %d times, want once", n)
	}
	armtest.ClusterLives(t, e, lowGPUs, "steady", training())
	for field, c := range map[string]deploy.Cluster{
		"vmSize":   {Name: "c", MaxNodes: 1},
		"nodes":    {Name: "c", VMSize: "STANDARD_NC6", MinNodes: 2, MaxNodes: 1},
		"idleTime": {Name: "c", VMSize: "STANDARD_NC6", MaxNodes: 1, IdleTime: deploy.Duration(time.Minute)},
	} {
		if err := e.CreateCluster(t.Context(), c); !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), field) {
			t.Errorf("CreateCluster: %v, want %v that names %s", err, deploy.ErrUnsupported, field)
		}
	}
}

// A cluster that was not made here may have a fixed size.
func TestManualCluster(t *testing.T) {
	e, _ := withCluster(t)
	c := must(t, e.service.Client)
	if _, err := c.Do(t.Context(), http.MethodPatch, e.cluster("gpus"), map[string]any{"properties": map[string]any{
		"scaleSettings": map[string]any{"manual": map[string]any{"targetNodeCount": 4}},
	}}, nil); err != nil {
		t.Fatal(err)
	}
	if got, err := e.ShowCluster(t.Context(), "gpus"); err != nil || got.MinNodes != 4 || got.MaxNodes != 4 {
		t.Errorf("ShowCluster = %+v, %v; want 4 to 4 nodes", got, err)
	}
}

func must[T any](t *testing.T, f func() (T, error)) T {
	t.Helper()
	v, err := f()
	if err != nil {
		t.Fatal(err)
	}
	return v
}

func TestClusterFails(t *testing.T) {
	fake := armtest.NewBatchAI(t)
	fake.CreationFails = true
	err := engineOf(t, fake).CreateCluster(t.Context(), lowGPUs)
	if err == nil || !strings.Contains(err.Error(), "QuotaExceeded") {
		t.Errorf("CreateCluster: %v, want QuotaExceeded", err)
	}
}

func TestRetired(t *testing.T) {
	for name, fault := range map[string]armtest.Fault{
		"refused":  {Times: 99},
		"410":      {Times: 99, Status: http.StatusGone, Code: "Gone"},
		"provider": {Times: 99, Status: http.StatusNotFound, Code: "InvalidResourceNamespace"},
		"unknown":  {Times: 99, Status: http.StatusBadRequest, Code: "NoRegisteredProviderFound"},
	} {
		t.Run(name, func(t *testing.T) {
			e, fake := withCluster(t)
			fake.Fail(fault)
			for what, err := range map[string]error{
				"status": second(e.Status(t.Context(), id)), "submit": e.Submit(t.Context(), training(), id),
				"cluster": e.CreateCluster(t.Context(), lowGPUs), "delete": e.DeleteCluster(t.Context(), "gpus"),
			} {
				const hint = "Azure Batch AI is retired; this launcher is kept for accounts and records" +
					" that still have such jobs: use --to azureml"
				if err == nil || !strings.Contains(err.Error(), hint) {
					t.Errorf("%s: %v, want %q", what, err, hint)
				}
				if !errors.Is(err, deploy.ErrService) && !errors.Is(err, deploy.ErrUnreachable) {
					t.Errorf("%s: %v, want %v or %v", what, err, deploy.ErrService, deploy.ErrUnreachable)
				}
			}
		})
	}
}

func TestErrors(t *testing.T) {
	armtest.Errors(t, training(), id, lowGPUs, withServer)
}

// No error of any kind holds a secret, not even where the service repeats the
// body.
func TestSecretsStaySecret(t *testing.T) {
	t.Setenv("TEST_JOB_SECRET", jobSecret)
	e, fake := withCluster(t)
	repeated := strings.Join([]string{accountKey, clientSecret, password, registryPass, jobSecret}, " and ")
	for _, status := range []int{400, 401, 403, 404, 409, 410, 429, 500} {
		for _, path := range []string{"/jobs/", "/clusters/", "/experiments/", "/workspaces/"} {
			fake.Fail(armtest.Fault{Method: "PUT", Path: path, Status: status, Times: 8, Code: "Bad", Message: "the body holds " + repeated})
			if err := e.Submit(t.Context(), recipe(), fmt.Sprintf("job-%d", status)); err != nil {
				clean(t, "an error", fmt.Sprintf("%v %+v %#v", err, err, err))
			}
		}
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%x"} {
		clean(t, "the engine", fmt.Sprintf(verb, e))
	}
	for _, verb := range []string{"%v", "%+v", "%#v", "%s", "%q", "%x"} {
		clean(t, "a secret", fmt.Sprintf(verb, e.accountKey))
	}
	clean(t, "the client", fmt.Sprintf("%v %+v %#v", must(t, e.service.Client), must(t, e.service.Client), must(t, e.service.Client)))
	documents, err := e.ClusterDocuments(lowGPUs)
	if err != nil {
		t.Fatal(err)
	}
	for _, d := range documents {
		clean(t, "a document", d.Name+string(d.Body))
	}
	broken := filepath.Join(t.TempDir(), "configuration.json")
	if err := os.WriteFile(broken, []byte(`{"aad_secret": "`+clientSecret+`", nonsense`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := New(Options{Configuration: broken}); !errors.Is(err, deploy.ErrService) {
		t.Errorf("New with a broken configuration: %v, want %v", err, deploy.ErrService)
	} else {
		clean(t, "the error", err.Error())
	}
}

func TestOptions(t *testing.T) {
	good := Options{
		Settings: arm.Settings{Subscription: "s", ResourceGroup: "g.1", Workspace: "w", Location: "eastus"}, Cluster: "c", Logs: "azurefile://acct/share",
		AccountKey: deploy.Secret{Env: "TEST_ACCOUNT_KEY"}, AdminPublicKey: "ssh-rsa A",
	}
	e, err := New(good)
	if err != nil {
		t.Fatal(err)
	}
	if err := e.Submit(t.Context(), training(), id); err == nil || !strings.Contains(err.Error(), "TEST_ACCOUNT_KEY is not set") {
		t.Errorf("Submit: %v, want an error that names the variable", err)
	}
	armtest.RefusesOptions(t, good, New, map[string]func(*Options){
		"subscription": func(o *Options) { o.Subscription = "" }, "resourceGroup": func(o *Options) { o.ResourceGroup = "a/b" },
		"workspace": func(o *Options) { o.Workspace = "w w" }, "cluster": func(o *Options) { o.Cluster = "" },
	})
	armtest.RefusesOptions(t, good, New, map[string]func(*Options){
		"accountKey: kubernetes":       func(o *Options) { o.AccountKey = deploy.Secret{Kubernetes: "a/b"} },
		"accountKey: keyVault":         func(o *Options) { o.AccountKey = deploy.Secret{KeyVault: "https://v/secrets/x"} },
		"registryPassword: kubernetes": func(o *Options) { o.RegistryPassword = deploy.Secret{Kubernetes: "a/b"} },
	})
	good.Logs = ""
	if e, err = New(good); err != nil {
		t.Fatal(err)
	}
	if _, err := e.Documents(training(), id); !errors.Is(err, deploy.ErrService) {
		t.Errorf("Documents without a share for logs: %v, want %v", err, deploy.ErrService)
	}
}

// TestLine runs the job's command line in real shells, with an mpirun that says
// what it was given and drains for a moment on SIGUSR1.
func TestLine(t *testing.T) {
	bin := t.TempDir()
	const mpirun = `#!/bin/sh
printf '%s\n' "$@" >"$LOG"
case $MODE in
drain) trap 'echo drained >>"$LOG"; exit 0' USR1; echo ready; while :; do sleep 0.02; done ;;
*) exit $MODE ;;
esac
`
	if err := os.WriteFile(filepath.Join(bin, "mpirun"), []byte(mpirun), 0o755); err != nil { //nolint:gosec // G306: it is a program
		t.Fatal(err)
	}
	e := engineOf(t, armtest.NewBatchAI(t))
	body, err := e.body(recipe(), id, values{shown: true, account: e.accountKey, registry: e.registryPassword})
	if err != nil {
		t.Fatal(err)
	}
	line := body.Properties.CustomToolkit.Line
	for _, shell := range []string{"sh", "bash"} {
		for mode, want := range map[string]int{"0": 0, "3": 3, "143": 143, "drain": 0} {
			t.Run(shell+" "+mode, func(t *testing.T) {
				log := filepath.Join(t.TempDir(), "log")
				cmd := exec.CommandContext(t.Context(), shell, "-c", line)
				cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "LOG="+log, "MODE="+mode,
					"AZ_BATCHAI_MPI_HOST_FILE=/hosts", "AZ_BATCHAI_INPUT_MOUNT0=/mnt/share 1")
				out, err := cmd.StdoutPipe()
				if err != nil {
					t.Fatal(err)
				}
				if err := cmd.Start(); err != nil {
					t.Fatal(err)
				}
				if mode == "drain" {
					if _, err := out.Read(make([]byte, 16)); err != nil { // ready
						t.Fatal(err)
					}
					if err := cmd.Process.Signal(syscall.SIGTERM); err != nil {
						t.Fatal(err)
					}
				}
				_ = cmd.Wait() // the exit status is looked at
				if got := cmd.ProcessState.ExitCode(); got != want {
					t.Errorf("exit %d, want %d", got, want)
				}
				given, err := os.ReadFile(log)
				if err != nil {
					t.Fatal(err)
				}
				for _, text := range []string{
					"btl_tcp_if_exclude\ndocker0,lo\n", "--hostfile\n/hosts\n-np\n32\n--map-by\nppr:4:node\n--bind-to\nnone\n",
					"-x\nAZURE_STORAGE_KEY\n-x\nBATCHSCORE_JOB\n-x\nLEVEL\n-x\nTOKEN\n",
					"--model\n/mnt/share 1/cloth.onnx\n", "--labels=/mnt/share 1/it's labels.txt\n",
				} {
					if !strings.Contains(string(given), text) {
						t.Errorf("mpirun was given\n%s\nwant %q", given, text)
					}
				}
				if (mode == "drain") != strings.Contains(string(given), "drained") {
					t.Errorf("mode %s: want a drain only in mode drain, got %s", mode, given)
				}
			})
		}
	}
}
