package batchai

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm/armtest"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

func TestMain(m *testing.M) { launchtest.EchoMain(m) }

// launchWith runs the job's line in a shell, as the service does, with an mpirun that starts
// one rank.
func launchWith(t *testing.T, shell string, body jobBody, more ...string) {
	t.Helper()
	bin := t.TempDir()
	// It skips its own options, of which -x NAME, -np N and the like have a value.
	const mpirun = `#!/bin/sh
while :; do case $1 in -x|-np|--map-by|--bind-to|--hostfile) shift 2 ;; -mca|--mca) shift 3 ;; --*) shift ;; *) break ;; esac; done
for word; do [ "$word" != : ] || exit 9; done
exec "$@"
`
	if err := os.WriteFile(filepath.Join(bin, "mpirun"), []byte(mpirun), 0o755); err != nil { //nolint:gosec // G306: it is a program
		t.Fatal(err)
	}
	cmd := exec.CommandContext(t.Context(), shell, "-c", body.Properties.CustomToolkit.Line)
	cmd.Env = append(os.Environ(), "PATH="+bin+":"+os.Getenv("PATH"), "AZ_BATCHAI_MPI_HOST_FILE=/hosts")
	for _, v := range body.Properties.Environment {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	for _, v := range body.Properties.Secrets {
		cmd.Env = append(cmd.Env, v.Name+"="+v.Value)
	}
	cmd.Env = append(cmd.Env, more...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%.3000s", shell, err, out)
	}
}

// sent is a body as the service reads it.
func sent(t *testing.T, e *Engine, job deploy.Job) jobBody {
	t.Helper()
	made, err := e.body(job, id, values{account: e.accountKey, registry: e.registryPassword, job: map[string]string{"KEY": job.Environment["HOSTILE_0"]}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := json.Marshal(made)
	if err != nil {
		t.Fatal(err)
	}
	var read jobBody
	if err := json.Unmarshal(text, &read); err != nil {
		t.Fatal(err)
	}
	return read
}

// TestHostileValues runs the line of hostile jobs in real shells, with the variables of the
// body that the service gets.
func TestHostileValues(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := engineOf(t, armtest.NewBatchAI(t))
	e.o.Worker = self
	file := filepath.Join(t.TempDir(), "canary")
	command, scoring := launchtest.HostileJobs(t, launchtest.Hostile(file))
	command.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	scoring.Out = "az://octopustext/labels/" + scoring.Out
	for name, job := range map[string]deploy.Job{"command": command, "scoring": scoring} {
		for _, shell := range []string{"sh", "bash"} {
			t.Run(name+" "+shell, func(t *testing.T) {
				job := job
				folder := launchtest.Echo(t, &job)
				launchWith(t, shell, sent(t, e, job))
				if job.Secrets != nil {
					job.Environment["KEY"] = job.Environment["HOSTILE_0"]
				}
				launchtest.Arrived(t, folder, job, job.Argv(self)[1:])
				launchtest.NoCanary(t, file)
			})
		}
	}
}

// TestHostileMounts: what is below a mount arrives as the shells' variable and the rest.
func TestHostileMounts(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := engineOf(t, armtest.NewBatchAI(t))
	file := filepath.Join(t.TempDir(), "canary")
	const at = "/data $(id) 'x'"
	job := deploy.Job{Name: "a", Command: []string{self}, Mounts: []deploy.Mount{{Source: "azurefile://octopustext/abc", Path: at}}}
	want := []string{}
	for _, v := range launchtest.Hostile(file) {
		job.Command = append(job.Command, at+"/"+v, "--flag="+at+"/"+v)
		want = append(want, "/mnt/a b/"+v, "--flag=/mnt/a b/"+v)
	}
	job.Command, want = job.Command[:101], want[:100] // within the length of a line
	folder := launchtest.Echo(t, &job)
	launchWith(t, "sh", sent(t, e, job), "AZ_BATCHAI_INPUT_MOUNT0=/mnt/a b")
	launchtest.Arrived(t, folder, job, want)
	launchtest.NoCanary(t, file)

	for _, source := range []string{
		"azurefile://evil.example#/abc", "azurefile://evil.example:443/abc", "azurefile://a@evil/abc", "azurefile://octopustext/../x",
		"azurefile://octopustext/a?b", "azurefile://octopustext/a b", "azurefile://OCTOPUS/abc", "azurefile://octopustext/abc\n",
		"az://octopustext/photos/$AZ_BATCHAI_JOB_TEMP", "az://octopustext/photos/../../other", "pvc://claim", "/etc",
	} {
		job.Mounts[0].Source = source
		if _, err := e.Documents(job, id); !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), "batchai: mounts: ") {
			t.Errorf("mount of %q: %v, want a refusal that names mounts", source, err)
		}
	}
}

// TestHostileNames: names become parts of paths.
func TestHostileNames(t *testing.T) {
	e := engineOf(t, armtest.NewBatchAI(t)) // which fails the test for a request that it does not know
	for _, name := range []string{"../experiments/e/jobs/j", "a/b", "a?b=c", "a#b", "..", ".", "", "a b", "%2e%2e", "a\nb"} {
		_, show := e.ShowCluster(t.Context(), name)
		for method, err := range map[string]error{
			"show": show, "resize": e.ResizeCluster(t.Context(), name, 0, 1), "delete": e.DeleteCluster(t.Context(), name),
			"create": e.CreateCluster(t.Context(), deploy.Cluster{Name: name, VMSize: "STANDARD_NC6", MaxNodes: 1}),
		} {
			if !errors.Is(err, deploy.ErrUnsupported) {
				t.Errorf("%s of the cluster %q: %v, want %v", method, name, err, deploy.ErrUnsupported)
			}
		}
		o := e.o
		for field, set := range map[string]*string{
			"subscription": &o.Subscription, "resourceGroup": &o.ResourceGroup, "workspace": &o.Workspace, "experiment": &o.Experiment, "cluster": &o.Cluster,
		} {
			if name == "" && field == "experiment" {
				continue // it has a default
			}
			before := *set
			*set = name
			o.Configuration = ""
			if _, err := New(o); !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s %q: %v, want %v that names it", field, name, err, deploy.ErrService)
			}
			*set = before
		}
	}
	for _, job := range []deploy.Job{
		{Command: []string{"true", "\xff"}}, {Command: []string{"true"}, Environment: map[string]string{"A": "\xff"}},
		{Command: []string{"true"}, Environment: map[string]string{"OMPI_MCA_a": "$(id)"}},
		{Command: []string{"true", strings.Repeat("x", 121<<10)}},
	} {
		if _, err := e.Documents(job, id); !errors.Is(err, deploy.ErrUnsupported) {
			t.Errorf("%.100q: %v, want %v", job.Command, err, deploy.ErrUnsupported)
		}
	}
}
