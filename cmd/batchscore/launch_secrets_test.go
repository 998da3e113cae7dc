package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestNoSecretIsLetIn puts secrets where they do not belong, and checks that they are
// refused.
func TestNoSecretIsLetIn(t *testing.T) {
	const secret = "c2VjcmV0LWtleS1wbGFudGVk"
	d := newDesk(t)
	in := t.TempDir()
	sas := "https://acme.blob.core.windows.net/photos?sv=2024&sig=" + secret
	for name, args := range map[string][]string{
		"a place":               {"--images", sas, "--out", "o", "--model", "m"},
		"a place of output":     {"--images", in, "--out", sas, "--model", "m"},
		"a storage variable":    {"--images", in, "--out", "o", "--model", "m", "--env", "AZURE_STORAGE_KEY=" + secret},
		"another variable":      {"--images", in, "--out", "o", "--model", "m", "--env", "CONNECTION=AccountKey=" + secret},
		"a variable's URL":      {"--images", in, "--out", "o", "--model", "m", "--env", "URL=" + sas},
		"a secret's value":      {"--images", in, "--out", "o", "--model", "m", "--secret", "KEY=" + secret},
		"a secret's kind":       {"--images", in, "--out", "o", "--model", "m", "--secret", "KEY=value:" + secret},
		"a secret's name":       {"--images", in, "--out", "o", "--model", "m", "--secret", secret},
		"a mount":               {"--images", in, "--out", "o", "--model", "m", "--mount", sas + "=/photos"},
		"a value under secrets": {"-f", jobFile(t, in, "/out", "m", "secrets: {KEY: "+secret+"}\n")},
		"a command": {"-f", func() string {
			path := filepath.Join(t.TempDir(), "job.yaml")
			writeFile(t, path, []byte("name: own\ncommand: [azcopy, copy, '"+sas+"', .]\n"))
			return path
		}()},
	} {
		t.Run(name, func(t *testing.T) {
			for _, more := range [][]string{{"--dry-run"}, nil} {
				r := d.run(t, append(append([]string{"launch", "--to", "fake"}, args...), more...)...)
				if r.code != 64 && r.code != 78 {
					t.Errorf("got %v, want it refused", r)
				}
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("the secret is shown: %v", r)
				}
			}
		})
	}
	if jobs := d.list(t); len(jobs) != 0 {
		t.Errorf("%d jobs on record, want none", len(jobs))
	}
}

// TestSecretsStaySecret launches jobs with a reference to a secret, and searches for its
// value in everything that is sent, stored and printed, and in all command lines.
func TestSecretsStaySecret(t *testing.T) {
	needMpirun(t)
	const secret = "c2VjcmV0LXZhbHVlLXBsYW50ZWQ"
	for _, engine := range []string{"local", "fake"} {
		t.Run(engine, func(t *testing.T) {
			d := newDesk(t)
			d.env = append(d.env, "PLANTED="+secret)
			// The program says that it has the secret without saying it, and
			// stays until this test has looked.
			dir := t.TempDir()
			file, ready, leave := filepath.Join(dir, "job.yaml"), filepath.Join(dir, "ready"), filepath.Join(dir, "leave")
			writeFile(t, file, fmt.Appendf(nil, "name: own\nsecrets: {TOKEN: {env: PLANTED}}\ncommand: [sh, -c, %q]\n",
				`printf %s "$TOKEN" | wc -c >`+ready+`.new; mv `+ready+`.new `+ready+`; while [ ! -e `+leave+` ]; do sleep 0.01; done`))
			dry := d.must(t, 0, "launch", "--to", engine, "-f", file, "--dry-run")
			if !strings.Contains(dry.stdout, "<secret from env PLANTED>") || strings.Contains(dry.stdout+dry.stderr, secret) {
				t.Errorf("want a reference and no secret in %v", dry)
			}
			sent := d.must(t, 0, "launch", "--to", engine, "-f", file, "--detach")
			eventually(t, "the program", func() bool { return exists(ready) })
			for pid, line := range commandLines(t) {
				if strings.Contains(line, secret) {
					t.Errorf("process %s shows the secret: %q", pid, line)
				}
			}
			writeFile(t, leave, nil)
			shown := []processResult{sent, d.must(t, 0, "jobs", "logs", "-f"), d.must(t, 0, "jobs", "status"), d.must(t, 0, "jobs", "list")}
			for _, r := range shown {
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("the secret is shown: %v", r)
				}
			}
			if n, err := os.ReadFile(ready); err != nil || strings.TrimSpace(string(n)) != fmt.Sprint(len(secret)) {
				t.Errorf("the program got %s bytes of secret, %v; want %d", n, err, len(secret))
			}
			for _, folder := range []string{d.state, d.fake} {
				_ = filepath.WalkDir(folder, func(path string, _ os.DirEntry, _ error) error {
					if body, err := os.ReadFile(path); err == nil && bytes.Contains(body, []byte(secret)) {
						t.Errorf("%s contains the secret", path)
					}
					return nil
				})
			}
		})
	}
}

// TestDryRunsShowReferences puts secrets into everything that an engine reads, and
// searches for them in what the engine would send.
func TestDryRunsShowReferences(t *testing.T) {
	const secret = "c2VjcmV0LXZhbHVlLXBsYW50ZWQ"
	dir := t.TempDir()
	configuration, key := filepath.Join(dir, "configuration.json"), filepath.Join(dir, "key")
	writeFile(t, key, []byte(secret))
	writeFile(t, configuration, fmt.Appendf(nil, `{"subscription_id": "11111111-2222-3333-4444-555555555555", "aad_client_id": "c", "aad_secret": %[1]q,
		"aad_tenant": "t", "location": "eastus", "resource_group": "vision", "workspace": "w",
		"storage_account": {"name": "acme", "key": %[1]q}, "admin_user": {"name": "a", "password": %[1]q}}`, secret))
	const azure = "subscription: 11111111-2222-3333-4444-555555555555, resourceGroup: vision, workspace: labels"
	for engine, c := range map[string]struct{ section, job, shows string }{
		"local":      {section: "{}", job: "secrets: {A: {env: PLANTED}, B: {file: " + key + "}}", shows: "secret from env PLANTED"},
		"fake":       {section: "{folder: " + dir + "}", job: "secrets: {A: {env: PLANTED}, B: {file: " + key + "}}", shows: "secret from env PLANTED"},
		"kubernetes": {section: "{mpi: false}", job: "image: acme/batchscore:1\nsecrets: {A: {env: PLANTED}, B: {file: " + key + "}}", shows: "secretKeyRef"},
		"slurm":      {section: "{folder: /shared}", job: "secrets: {B: {file: " + key + "}}", shows: "B=$(cat " + key + ")"},
		"azureml": {
			section: "{" + azure + ", compute: gpus}",
			job:     "image: acme/batchscore:1\nsecrets: {A: {keyVault: 'https://v.vault.azure.net/secrets/a'}}",
			shows:   "",
		},
		"batchai": {
			section: "{configuration: " + configuration + ", cluster: gpus, logs: 'azurefile://acme/logs'}",
			job:     "image: acme/batchscore:1\nsecrets: {A: {env: PLANTED}, B: {file: " + key + "}}",
			shows:   "secret from env PLANTED",
		},
	} {
		t.Run(engine, func(t *testing.T) {
			d := newDesk(t)
			service := filepath.Join(t.TempDir(), "service.yaml")
			writeFile(t, service, []byte(engine+": "+c.section+"\n"))
			d.env = append(d.env, "PLANTED="+secret, arm.TokenVariable+"="+secret, serviceVar+"="+service)
			r := d.run(t, "launch", "--to", engine, "--dry-run", "-f", jobFile(t, "az://acme/photos", "az://acme/labels", "m.onnx", c.job))
			if engine == "azureml" { // which cannot keep one
				if r.code != 78 || !strings.Contains(r.stderr, "secrets") {
					t.Errorf("got %v, want the secret refused", r)
				}
			} else if r.code != 0 || !strings.Contains(r.stdout, c.shows) {
				t.Errorf("got %v, want the reference shown", r)
			}
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("the secret is shown: %v", r)
			}
		})
	}
}

// TestSecretsReachPodsThroughStandardInput launches with a kubectl that records its
// command lines.
func TestSecretsReachPodsThroughStandardInput(t *testing.T) {
	const secret = "c2VjcmV0LXZhbHVlLXBsYW50ZWQ"
	o := newOffice(t)
	cluster := t.TempDir()
	o.env = append(o.env, "PLANTED="+secret, fakeKubectlVar+"="+cluster)
	writeFile(t, filepath.Join(o.folder, "service.yaml"), []byte("kubernetes: {mpi: false}\n"))
	o.run(block{text: "batchscore launch --to kubernetes --service service.yaml --image acme/batchscore:1 --secret A=env:PLANTED " +
		"--images az://acme/photos --out az://acme/labels --model m.onnx --detach"})
	calls, err := os.ReadFile(filepath.Join(cluster, "calls.log"))
	if err != nil || strings.Count(string(calls), "apply ") < 2 || bytes.Contains(calls, []byte(secret)) {
		t.Errorf("want two applies without the secret, got %v\n%s", err, calls)
	}
	sent, err := filepath.Glob(filepath.Join(cluster, "Secret.*.json"))
	if err != nil || len(sent) != 1 {
		t.Fatalf("sent %v, %v; want one Secret", sent, err)
	}
	for name, body := range filesIn(t, o.folder) {
		if strings.Contains(body, secret) {
			t.Errorf("%s contains the secret", name)
		}
	}
}

// commandLines returns the command lines of all processes by their IDs.
func commandLines(t testing.TB) map[string]string {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(files) == 0 {
		t.Fatalf("no processes in /proc: %v", err)
	}
	lines := map[string]string{}
	for _, file := range files {
		if body, err := os.ReadFile(file); err == nil {
			lines[filepath.Base(filepath.Dir(file))] = string(body)
		}
	}
	return lines
}

// TestRecordsHoldReferencesOnly reads the file of a record.
func TestRecordsHoldReferencesOnly(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	d.must(t, 0, "launch", "--to", "fake", "-f", jobFile(t, pictures(t, 2), out, tiny(t, graphtest.Options{}), ""), "--secret", "HOMELY=env:HOME", "--detach")
	files, err := filepath.Glob(filepath.Join(d.state, "batchscore", "jobs", "*.yaml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("records %v, %v; want one", files, err)
	}
	body, err := os.ReadFile(files[0])
	if err != nil {
		t.Fatal(err)
	}
	var r struct {
		ID, Engine, Phase string
		Launched          time.Time
		Service           map[string]string
		Job               struct {
			Out     string
			Secrets map[string]map[string]string
		}
	}
	if err := yaml.Unmarshal(body, &r); err != nil {
		t.Fatal(err)
	}
	if r.ID+".yaml" != filepath.Base(files[0]) || r.Engine != "fake" || r.Phase != "submitted" || r.Launched.IsZero() ||
		r.Service["folder"] != d.fake || r.Job.Out != out || r.Job.Secrets["HOMELY"]["env"] != "HOME" {
		t.Errorf("want the fields of the job and references in\n%s", body)
	}
	d.must(t, 0, "jobs", "logs", "-f")
}
