package azureml

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/yaml"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm/armtest"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

func TestMain(m *testing.M) { launchtest.EchoMain(m) }

// launchWith runs a line in a shell, as the service does once it has replaced its own
// expressions.
func launchWith(t *testing.T, shell, line string, variables map[string]string) {
	t.Helper()
	line = strings.ReplaceAll(line, "${{inputs.mount0}}", "/mnt/azureml")
	if strings.Contains(line, "${{") {
		t.Errorf("the service would replace an expression in %.3000s", line)
	}
	cmd := exec.CommandContext(t.Context(), shell, "-c", line)
	cmd.Env = append(os.Environ(), runVariable+"=run $(id) 7")
	for name, value := range variables {
		cmd.Env = append(cmd.Env, name+"="+value)
	}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%.3000s", shell, err, out)
	}
}

// TestHostileValues runs the line of hostile jobs in real shells, as it is in the body that
// the service gets and in the file for its command-line tool.
func TestHostileValues(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	e := engineOf(t, armtest.NewAzureML(t))
	e.o.Worker = self
	file := filepath.Join(t.TempDir(), "canary")
	values := launchtest.Hostile(file)
	command, scoring := launchtest.HostileJobs(t, values)
	command.Image, scoring.Image = "acme/score:1", "acme/score:1"
	scoring.Out = "az://octopustext/labels/" + scoring.Out
	const at = "/data $(id) 'x'"
	mounted := command
	mounted.Mounts = []deploy.Mount{{Source: "az://octopustext/photos", Path: at, ReadOnly: true}}
	mounted.Command = []string{self}
	for _, v := range values[:60] {
		mounted.Command = append(mounted.Command, at+"/"+v, "--flag="+at+"/"+v)
	}
	clock := scoring
	clock.Schedule, clock.Out = "0 2 * * *", "az://octopustext/labels/'{run}'/\"{run}\"/$({run})/${{run}}/`{run}`\\{run}"
	clock.Run = maps.Clone(clock.Run)
	clock.Run["labels"] += deploy.RunName
	for name, job := range map[string]deploy.Job{"command": command, "scoring": scoring, "mounted": mounted, "clock": clock} {
		t.Run(name, func(t *testing.T) {
			job := job
			folder := launchtest.Echo(t, &job)
			want := job.Argv(self)[1:]
			for i := range want {
				want[i] = strings.ReplaceAll(want[i], at, "/mnt/azureml")
				if job.Schedule != "" {
					want[i] = strings.ReplaceAll(want[i], deploy.RunName, "run $(id) 7")
				}
			}
			made, err := e.command(job, id)
			if err != nil {
				t.Fatal(err)
			}
			text, err := json.Marshal(made)
			if err != nil {
				t.Fatal(err)
			}
			var body struct {
				Command   string
				Variables map[string]string `json:"environmentVariables"`
			}
			if err := json.Unmarshal(text, &body); err != nil {
				t.Fatal(err)
			}
			shells := []string{"sh"}
			if name == "command" { // one of them is enough for the other shell
				shells = append(shells, "bash")
			}
			for _, shell := range shells {
				launchWith(t, shell, body.Command, body.Variables)
				launchtest.Arrived(t, folder, job, want)
				launchtest.NoCanary(t, file)
				clear(t, folder)
			}
			documents, err := e.YAML(job, id)
			if err != nil {
				t.Fatal(err)
			}
			var parsed struct {
				Command   string
				Variables map[string]string `json:"environment_variables"`
			}
			// As YAML 1.1, in which more words are not text.
			if err := yaml.Unmarshal(documents[0].Body, &parsed); err != nil {
				t.Fatal(err)
			}
			if parsed.Command != body.Command || !maps.Equal(parsed.Variables, body.Variables) {
				t.Errorf("the file says\n%.3000q\nand the body\n%.3000q", parsed, body)
			}
		})
	}
	for _, job := range []deploy.Job{
		{Command: []string{"true", "\xff"}, Image: "a"}, {Command: []string{"true"}, Image: "a", Environment: map[string]string{"A": "\xff"}},
		{Command: []string{"true", strings.Repeat("x", 121<<10)}, Image: "a"},
	} {
		if _, err := e.Documents(job, id); !errors.Is(err, deploy.ErrUnsupported) {
			t.Errorf("%.100q: %v, want %v", job.Command, err, deploy.ErrUnsupported)
		}
	}
}

// clear removes what ranks have written.
func clear(t *testing.T, folder string) {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(folder, "*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if err := os.Remove(file); err != nil {
			t.Fatal(err)
		}
	}
}

// TestHostileNames: names become parts of paths.
func TestHostileNames(t *testing.T) {
	e := engineOf(t, armtest.NewAzureML(t)) // which fails the test for a request that it does not know
	for _, name := range []string{"../jobs/j", "abc/def", "abc?b=c", "abc#b", "..", "...", "", "a bc", "%2e%2e", "abc\n", "abc\x00"} {
		_, show := e.ShowCluster(t.Context(), name)
		for method, err := range map[string]error{
			"show": show, "resize": e.ResizeCluster(t.Context(), name, 0, 1), "delete": e.DeleteCluster(t.Context(), name),
			"create": e.CreateCluster(t.Context(), deploy.Cluster{Name: name, VMSize: "STANDARD_NC6", MaxNodes: 1}),
		} {
			if !errors.Is(err, deploy.ErrUnsupported) {
				t.Errorf("%s of the cluster %q: %v, want %v", method, name, err, deploy.ErrUnsupported)
			}
		}
		o := options
		for field, set := range map[string]*string{
			"subscription": &o.Subscription, "resourceGroup": &o.ResourceGroup, "workspace": &o.Workspace, "experiment": &o.Experiment,
			"compute": &o.Compute,
		} {
			if name == "" && field == "experiment" {
				continue // it has a default
			}
			before := *set
			*set = name
			if _, err := New(o); !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), field) {
				t.Errorf("%s %q: %v, want %v that names it", field, name, err, deploy.ErrService)
			}
			*set = before
		}
	}
}
