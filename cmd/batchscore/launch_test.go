package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/arm"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// desk is a user of batchscore with a record and a service.yaml of their own.
type desk struct {
	state string
	fake  string // the folder of the fake engine
	env   []string
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{state: t.TempDir(), fake: filepath.Join(t.TempDir(), "fake")}
	service := filepath.Join(t.TempDir(), "service.yaml")
	writeFile(t, service, fmt.Appendf(nil, "fake: {folder: %q}\n", d.fake))
	d.env = []string{"XDG_STATE_HOME=" + d.state, serviceVar + "=" + service}
	return d
}

func (d *desk) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return command(t, d.env, args...)
}

func (d *desk) run(t testing.TB, args ...string) ending {
	t.Helper()
	return finish(t, d.command(t, args...))
}

func (d *desk) must(t testing.TB, code int, args ...string) ending {
	t.Helper()
	r := d.run(t, args...)
	if r.code != code {
		t.Fatalf("batchscore %s: want exit code %d, have %v", strings.Join(args, " "), code, r)
	}
	return r
}

func (d *desk) list(t testing.TB) []listed {
	t.Helper()
	var jobs []listed
	if err := json.Unmarshal([]byte(d.must(t, 0, "jobs", "list", "--json").stdout), &jobs); err != nil {
		t.Fatal(err)
	}
	return jobs
}

func (d *desk) status(t testing.TB, args ...string) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(d.must(t, 0, append([]string{"jobs", "status", "--json"}, args...)...).stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

// jobFile is job.yaml of a scoring job.
func jobFile(t testing.TB, in, out, model, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "job.yaml")
	writeFile(t, path, fmt.Appendf(nil, "name: nightly\nimages: %s\nout: %s\nmodel: %s\n%s", in, out, model, more))
	return path
}

// TestLaunchFollowsToTheEnd has a job of a file, with flags over it, followed on
// an engine, and its labels fetched.
func TestLaunchFollowsToTheEnd(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	file := jobFile(t, pictures(t, 20), "/nowhere", tiny(t, graphtest.Options{}), "run: {chunk: 3, batch: 2}\n")
	r := d.must(t, 0, "launch", "--to", "fake", "-f", file, "--out", out, "--", "--chunk", "4")
	if !strings.Contains(r.stdout, "Worker 0 Processed 20 images") || !strings.Contains(r.stdout, "Processed 20 images, took ") {
		t.Error(r)
	}
	if parts := countParts(t, out); parts != 5 {
		t.Errorf("%d parts: the flag after -- does not stand over the file", parts)
	}
	jobs := d.list(t)
	if len(jobs) != 1 || jobs[0].State != complete || jobs[0].Engine != "fake" || !strings.HasPrefix(jobs[0].ID, "nightly-") {
		t.Fatalf("%+v", jobs)
	}
	s := d.status(t)
	if s.Engine.State != deploy.Succeeded || s.Progress.ImagesDone != 20 {
		t.Errorf("%+v", s)
	}
	to := t.TempDir()
	d.must(t, 0, "jobs", "fetch", "nightly", to)
	labels, err := os.ReadFile(filepath.Join(to, "labels.jsonl"))
	if err != nil || string(labels) != merged(t, out) {
		t.Errorf("fetched %d bytes of labels, %v", len(labels), err)
	}
	if log := d.must(t, 0, "jobs", "logs").stdout; !strings.Contains(log, "Worker 0 Processed 20 images") {
		t.Errorf("the log is\n%s", log)
	}

	// The same job from standard input finds its output complete.
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.command(t, "launch", "--to", "fake", "-f", "-", "--out", out, "--", "--chunk", "4")
	cmd.Stdin = bytes.NewReader(body)
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.stdout, "\nProcessed 20 images, took ") {
		t.Error(r)
	}

	// Another job finds it complete as well, and it is not its own.
	for _, engine := range []string{"fake", "local"} {
		r := d.must(t, 11, "launch", "--to", engine, "-f", file, "--out", out, "--images", pictures(t, 5))
		if !strings.Contains(r.stderr, "another job's result") || strings.Contains(r.stdout, "Processed") {
			t.Error(r)
		}
	}
}

// TestTheOutputIsTheJudge has an engine that calls a failed job a success, and a
// program of the user's own, which only its engine can judge.
func TestTheOutputIsTheJudge(t *testing.T) {
	d := newDesk(t)
	lying := filepath.Join(t.TempDir(), "service.yaml")
	writeFile(t, lying, []byte("fake: {folder: "+d.fake+", lies: true}\n"))
	in, out, model := pictures(t, 6), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"launch", "--to", "fake", "--service", lying, "-f", jobFile(t, in, out, model, "")}
	d.must(t, 0, args...)
	if err := os.Remove(filepath.Join(out, "_SUCCESS")); err != nil {
		t.Fatal(err)
	}
	// A lease that is too short ends the rerun before it has begun.
	if err := os.Remove(filepath.Join(out, "part-00000.jsonl")); err != nil {
		t.Fatal(err)
	}
	if r := d.run(t, append(args, "--", "--lease", "1ms")...); r.code != 75 || !strings.Contains(r.stderr, "fake reports success, but") {
		t.Errorf("want 75, have %v", r)
	}
	if jobs := d.list(t); jobs[0].State != "ended, incomplete" {
		t.Errorf("%+v", jobs[0])
	}

	// A folder without a record that can be judged.
	none := append(slices.Clone(args), "--out", filepath.Join(t.TempDir(), "none"), "--", "--lease", "1ms")
	if r := d.run(t, none...); r.code != 78 || !strings.Contains(r.stderr, "is not an output folder") {
		t.Errorf("want 78, have %v", r)
	}

	own := func(command string) ending {
		file := filepath.Join(t.TempDir(), "job.yaml")
		writeFile(t, file, []byte("name: own\ncommand: [sh, -c, '"+command+"']\n"))
		return d.run(t, "launch", "--to", "fake", "-f", file)
	}
	if r := own("echo trained"); r.code != 0 || !strings.Contains(r.stdout, "trained\n") {
		t.Error(r)
	}
	if r := own("exit 3"); r.code != 1 || !strings.Contains(r.stderr, "the fake saw a rank fail") {
		t.Errorf("want 1, since 3 means something else in a command of one's own; have %v", r)
	}
}

// TestLaunchRefuses holds what is wrong before anything is sent.
func TestLaunchRefuses(t *testing.T) {
	d := newDesk(t)
	in, model := t.TempDir(), "m.onnx"
	good := jobFile(t, in, "/out", model, "")
	none := filepath.Join(t.TempDir(), "none.yaml")
	file := func(text string) string {
		path := filepath.Join(t.TempDir(), "service.yaml")
		writeFile(t, path, []byte(text))
		return path
	}
	for _, c := range []struct {
		name string
		args []string
		code int
		says string
	}{
		{name: "an engine that there is not", args: []string{"--to", "cloud", "-f", good}, code: 64, says: "it takes"},
		{name: "an argument", args: []string{"job.yaml"}, code: 64, says: "job.yaml"},
		{name: "nothing", args: nil, code: 64, says: "images is missing"},
		{name: "a missing file", args: []string{"-f", none}, code: 78, says: "none.yaml"},
		{name: "a misspelt field", args: []string{"-f", jobFile(t, in, "/out", model, "node: 3\n")}, code: 78, says: "node"},
		{name: "a flag that run has not, in the file", args: []string{"-f", jobFile(t, in, "/out", model, "run: {chunks: 3}\n")}, code: 78, says: "--chunks"},
		{
			name: "a value that run does not take, in the file",
			args: []string{"-f", jobFile(t, in, "/out", model, "run: {chunk: many}\n")},
			code: 78,
			says: `"many" does not do for --chunk`,
		},
		{name: "a flag that run has not", args: []string{"-f", good, "--", "--chunks", "3"}, code: 64, says: "--chunks"},
		{name: "an argument for run", args: []string{"-f", good, "--", "photos"}, code: 64, says: "photos"},
		{name: "a rank", args: []string{"-f", good, "--", "--rank", "0"}, code: 64, says: "--rank"},
		{name: "no ranks", args: []string{"-f", good, "-n", "0"}, code: 64, says: "-n 0"},
		{name: "no nodes", args: []string{"-f", good, "--nodes", "0"}, code: 64, says: "--nodes 0"},
		{name: "a model and a task", args: []string{"-f", good, "--model", "a", "--task", "b"}, code: 64, says: "exclude"},
		{name: "what the engine cannot do", args: []string{"--to", "fake", "-f", good, "--vm-size", "huge"}, code: 78, says: "vmSize"},
		{
			name: "what the engine refuses",
			args: []string{"--to", "fake", "-f", good, "--service", file("fake: {folder: " + d.fake + ", refuses: true}")},
			code: 78,
			says: "quota",
		},
		{
			name: "an engine that does not answer",
			args: []string{"--to", "fake", "-f", good, "--service", file("fake: {folder: " + d.fake + ", silent: true}")},
			code: 75,
			says: "jobs status nightly-",
		},
		{name: "a service.yaml that there is not", args: []string{"-f", good, "--service", none}, code: 78, says: "none.yaml"},
		{name: "a service.yaml of no engine", args: []string{"-f", good, "--service", file("clouds: {}")}, code: 78, says: `"clouds"`},
		{name: "a service.yaml that is none", args: []string{"-f", good, "--service", file("- local")}, code: 78, says: "service.yaml"},
		{name: "a setting that there is not", args: []string{"--to", "fake", "-f", good, "--service", file("fake: {folders: x}")}, code: 78, says: "folders"},
		{name: "settings that are missing", args: []string{"--to", "fake", "-f", good, "--service", file("")}, code: 78, says: "folder is missing"},
		{name: "a format without a dry run", args: []string{"-f", good, "--format", "yaml"}, code: 64, says: "--dry-run"},
		{name: "a format that the engine has not", args: []string{"--to", "fake", "-f", good, "--format", "yaml", "--dry-run"}, code: 64, says: "azureml"},
		{name: "an mpirun of another engine", args: []string{"--to", "fake", "-f", good, "--mpirun", "x"}, code: 64, says: "--mpirun"},
		{name: "half a variable", args: []string{"-f", good, "--env", "A"}, code: 64, says: "NAME=VALUE"},
		{
			name: "a secret that is not there",
			args: []string{"--to", "fake", "-f", good, "--secret", "A=env:BATCHSCORE_TEST_NOT_SET"},
			code: 78,
			says: "not set here",
		},
		{name: "half a mount", args: []string{"-f", good, "--mount", "/a:/b"}, code: 64, says: "SOURCE=PATH"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := d.run(t, append([]string{"launch"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("want exit code %d and %q, have %v", c.code, c.says, r)
			}
			if jobs, err := filepath.Glob(filepath.Join(d.fake, "*.log")); err != nil || len(jobs) > 0 {
				t.Errorf("something was started: %v, %v", jobs, err)
			}
		})
	}
	states := map[string]int{}
	for _, j := range d.list(t) {
		states[strings.SplitN(j.State, ":", 2)[0]]++
	}
	if states["refused"] != 1 || states["unknown"] != 1 || len(states) != 2 {
		t.Errorf("states on record: %v; want one refused and one unknown", states)
	}
}

// TestNoSecretIsLetIn puts secrets where they do not belong.
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
					t.Errorf("want it refused, have %v", r)
				}
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("the secret is shown: %v", r)
				}
			}
		})
	}
	if jobs := d.list(t); len(jobs) != 0 {
		t.Errorf("%d jobs on record", len(jobs))
	}
}

// TestSecretsStaySecret launches jobs with a secret by reference and looks for
// its value in what is sent, kept and shown, and in the command lines of all
// processes.
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
				t.Errorf("dry run: %v", dry)
			}
			sent := d.must(t, 0, "launch", "--to", engine, "-f", file, "--detach")
			eventually(t, "the program", func() bool { return exists(ready) })
			for pid, line := range commandLines(t) {
				if strings.Contains(line, secret) {
					t.Errorf("process %s shows the secret: %q", pid, line)
				}
			}
			writeFile(t, leave, nil)
			shown := []ending{sent, d.must(t, 0, "jobs", "logs", "-f"), d.must(t, 0, "jobs", "status"), d.must(t, 0, "jobs", "list")}
			for _, r := range shown {
				if strings.Contains(r.stdout+r.stderr, secret) {
					t.Errorf("shown: %v", r)
				}
			}
			if n, err := os.ReadFile(ready); err != nil || strings.TrimSpace(string(n)) != fmt.Sprint(len(secret)) {
				t.Errorf("the program got %s bytes of secret, %v", n, err)
			}
			for _, folder := range []string{d.state, d.fake} {
				_ = filepath.WalkDir(folder, func(path string, _ os.DirEntry, _ error) error {
					if body, err := os.ReadFile(path); err == nil && bytes.Contains(body, []byte(secret)) {
						t.Errorf("%s holds the secret", path)
					}
					return nil
				})
			}
		})
	}
}

// TestDryRunsShowReferences has secrets planted in everything that an engine
// reads, and what each would send looked through.
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
					t.Errorf("want the secret refused, have %v", r)
				}
			} else if r.code != 0 || !strings.Contains(r.stdout, c.shows) {
				t.Errorf("want the reference shown, have %v", r)
			}
			if strings.Contains(r.stdout+r.stderr, secret) {
				t.Errorf("the secret is shown: %v", r)
			}
		})
	}
}

// TestSecretsReachPodsThroughStandardInput launches with a kubectl that writes
// its command lines down.
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
		t.Errorf("kubectl was called with\n%s%v", calls, err)
	}
	sent, err := filepath.Glob(filepath.Join(cluster, "Secret.*.json"))
	if err != nil || len(sent) != 1 {
		t.Fatalf("%v, %v", sent, err)
	}
	for name, body := range filesIn(t, o.folder) {
		if strings.Contains(body, secret) {
			t.Errorf("%s holds the secret", name)
		}
	}
}

// commandLines are those of all processes, by their number.
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

// TestKilledLaunchers ends launch with SIGKILL at each point and finds the job
// again with 'jobs'.
func TestKilledLaunchers(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 30), tiny(t, graphtest.Options{})
	for _, engine := range []string{"local", "fake"} {
		for _, point := range []string{"before record", "after record", "after submit", "following"} {
			t.Run(engine+", "+point, func(t *testing.T) {
				t.Parallel()
				d := newDesk(t)
				out := filepath.Join(t.TempDir(), "out")
				args := []string{"launch", "--to", engine, "-n", "1", "-f", jobFile(t, in, out, model, "")}
				cmd := d.command(t, args...)
				cmd.Env = append(cmd.Env, killAt+"="+point)
				if r := finish(t, cmd); r.code != -1 {
					t.Fatalf("it was to be killed: %v", r)
				}
				jobs := d.list(t)
				if point == "before record" {
					atWork, err := filepath.Glob(filepath.Join(d.state, "batchscore", "local", "*"))
					submitted, err2 := filepath.Glob(filepath.Join(d.fake, "*"))
					if len(jobs) != 0 || len(atWork)+len(submitted) != 0 || err != nil || err2 != nil {
						t.Errorf("on record %+v, at the engines %q and %q", jobs, atWork, submitted)
					}
					return
				}
				if len(jobs) != 1 {
					t.Fatalf("on record: %+v", jobs)
				}
				id := jobs[0].ID
				if point == "after record" {
					if jobs[0].State != "never reached "+engine || len(withJob(t, id)) != 0 {
						t.Errorf("%+v, %v at work", jobs[0], withJob(t, id))
					}
					if s := d.status(t, id); !strings.Contains(s.EngineTrouble, "never got the job") {
						t.Errorf("%+v", s)
					}
					if r := d.must(t, 0, "jobs", "status", "--watch", id); !strings.Contains(r.stdout, "never got the job") {
						t.Errorf("watched: %v", r)
					}
					d.must(t, 0, args...)
					d.must(t, 0, "verify", out)
					return
				}
				if log := d.must(t, 0, "jobs", "logs", "-f", id).stdout; !strings.Contains(log, "Worker 0 Processed 30 images") {
					t.Errorf("the log is\n%s", log)
				}
				d.must(t, 0, "verify", out)
				if s := d.status(t, id); s.Engine == nil || s.Engine.State != deploy.Succeeded || s.Progress.ImagesDone != 30 {
					t.Errorf("%+v", s)
				}
				to := t.TempDir()
				d.must(t, 0, "jobs", "fetch", id, to)
				if !exists(filepath.Join(to, "labels.jsonl")) {
					t.Error("the labels were not fetched")
				}
			})
		}
	}
}

// withJob are the processes that belong to a job.
func withJob(t testing.TB, id string) (pids []string) {
	t.Helper()
	files, err := filepath.Glob("/proc/[0-9]*/environ")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		if body, err := os.ReadFile(file); err == nil && bytes.Contains(body, []byte("BATCHSCORE_JOB="+id+"\x00")) {
			pids = append(pids, filepath.Base(filepath.Dir(file)))
		}
	}
	return pids
}

// TestCancelAfterTheLauncherDied drains a job whose launcher was killed; a rerun
// goes on from there.
func TestCancelAfterTheLauncherDied(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 300), slow(t)
	for _, engine := range []string{"local", "fake"} {
		t.Run(engine, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			out := filepath.Join(t.TempDir(), "out")
			cmd := d.command(t, "launch", "--to", engine, "-n", "1", "-f", jobFile(t, in, out, model, "run: {chunk: 2, batch: 1}\n"))
			cmd.Env = append(cmd.Env, killAt+"=following")
			if r := finish(t, cmd); r.code != -1 {
				t.Fatalf("it was to be killed: %v", r)
			}
			eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
			s := d.status(t)
			if s.Engine == nil || s.Engine.State != deploy.Running || s.Progress.Stage != "scoring" || s.Progress.Alive() != 1 {
				t.Errorf("while it runs: %+v", s)
			}
			d.must(t, 0, "jobs", "cancel", s.Job.ID)
			d.must(t, 0, "jobs", "logs", "-f", s.Job.ID)
			s = d.status(t)
			if r := d.must(t, 0, "jobs", "cancel", s.Job.ID); !strings.Contains(r.stdout, "had ended already") {
				t.Error(r)
			}
			if s.Engine == nil || !s.Engine.State.Ended() || s.Progress.Alive() != 0 || s.Progress.Ranks[0].End != "stopped" {
				t.Errorf("after it was canceled: %+v", s)
			}
			if exists(filepath.Join(out, "_SUCCESS")) {
				t.Error("_SUCCESS stands")
			}
			left := len(withJob(t, s.Job.ID))
			if left > 0 {
				t.Errorf("%d processes are left", left)
			}
			to := t.TempDir()
			if r := d.must(t, 0, "jobs", "fetch", s.Job.ID, to); !strings.Contains(r.stderr, "not complete yet") {
				t.Error(r)
			}
		})
	}
}

// TestSignalsEndTheFollowing sends signals to launch: local ranks drain, jobs
// elsewhere go on.
func TestSignalsEndTheFollowing(t *testing.T) {
	needMpirun(t)
	in, model := pictures(t, 300), slow(t)
	for _, c := range []struct {
		engine string
		signal syscall.Signal
		code   int
		goesOn bool
	}{{
		engine: "local",
		signal: syscall.SIGTERM,
		code:   143,
		goesOn: false,
	}, {
		engine: "local",
		signal: syscall.SIGINT,
		code:   130,
		goesOn: false,
	}, {engine: "fake", signal: syscall.SIGTERM, code: 143, goesOn: true}, {engine: "fake", signal: syscall.SIGINT, code: 130, goesOn: true}} {
		t.Run(fmt.Sprint(c.engine, " ", c.signal), func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			out := filepath.Join(t.TempDir(), "out")
			cmd := d.command(t, "launch", "--to", c.engine, "-n", "1", "-f", jobFile(t, in, out, model, "run: {chunk: 2, batch: 1}\n"))
			var stdout, stderr bytes.Buffer
			cmd.Stdout, cmd.Stderr = &stdout, &stderr
			if err := cmd.Start(); err != nil {
				t.Fatal(err)
			}
			eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
			_ = cmd.Process.Signal(c.signal)
			r := wait(t, cmd, &stdout, &stderr)
			if r.code != c.code {
				t.Errorf("want exit code %d, have %v", c.code, r)
			}
			id := d.list(t)[0].ID
			s := d.status(t)
			if !c.goesOn {
				if s.Engine == nil || s.Engine.State != deploy.Canceled || !strings.Contains(r.stderr, "the job was canceled; ") {
					t.Errorf("after it was drained: %+v", s)
				}
				return
			}
			if !strings.Contains(r.stderr, "jobs status --watch "+id) || !strings.Contains(r.stderr, "jobs cancel "+id) {
				t.Errorf("it does not say how the job is found again: %v", r)
			}
			if s.Engine == nil || s.Engine.State != deploy.Running {
				t.Errorf("the job was to go on: %+v", s)
			}
			d.must(t, 0, "jobs", "cancel", id)
			d.must(t, 0, "jobs", "logs", "-f", id)
		})
	}
}

// TestSignalEndsTheJudging sends the first signal while the result is read.
func TestSignalEndsTheJudging(t *testing.T) {
	stop := make(chan struct{})
	w := &watched{
		l: ended{}, out: unanswering{Store: new(mem.Store), opened: sync.OnceFunc(func() { close(stop) })},
		r:      record.Record{Job: deploy.Job{Images: "in", Out: "the-result", Model: "m"}},
		stdout: io.Discard, stderr: io.Discard,
	}
	err := w.follow(t.Context(), stop)
	if exitCode(err, os.Interrupt) != 130 || !strings.Contains(fmt.Sprint(err), "verify the-result") {
		t.Errorf("%v, exit code %d", err, exitCode(err, os.Interrupt))
	}
}

// ended is an engine whose jobs have ended.
type ended struct{ deploy.Launcher }

func (ended) Wait(context.Context, string, io.Writer, io.Writer, <-chan struct{}) error { return nil }

func (ended) Status(context.Context, string) (deploy.Status, error) {
	return deploy.Status{State: deploy.Succeeded}, nil
}

// unanswering is a store that gives no answer.
type unanswering struct {
	store.Store
	opened func()
}

func (u unanswering) Open(ctx context.Context, _, _ string) (io.ReadCloser, store.Object, error) {
	u.opened()
	<-ctx.Done()
	return nil, store.Object{}, ctx.Err()
}

// TestProgressWithoutTheEngine takes the engine away in the middle of a job.
func TestProgressWithoutTheEngine(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	args := []string{"launch", "--to", "fake", "-f", jobFile(t, pictures(t, 10), out, tiny(t, graphtest.Options{}), "")}
	cmd := d.command(t, args...)
	var stdout, stderr syncBuffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "the job", func() bool { return exists(d.fake) && strings.Contains(stderr.String(), "launched job") })
	writeFile(t, filepath.Join(d.fake, "silent"), nil)
	_ = cmd.Wait()
	if code := cmd.ProcessState.ExitCode(); code != 0 || !strings.Contains(stdout.String(), "Processed 10 images") {
		t.Errorf("exit code %d: the output was there to be judged\n%s%s", code, stdout.String(), stderr.String())
	}
	s := d.status(t)
	if !strings.Contains(s.EngineTrouble, "does not answer") || s.Engine != nil || s.Progress.ImagesDone != 10 {
		t.Errorf("%+v", s)
	}
	if r := d.run(t, "jobs", "cancel", s.Job.ID); r.code != 75 {
		t.Errorf("want 75, have %v", r)
	}
	to := t.TempDir()
	if r := d.run(t, "jobs", "fetch", s.Job.ID, to); r.code != 75 || !exists(filepath.Join(to, "labels.jsonl")) {
		t.Errorf("the labels do not hang on the engine: %v", r)
	}
}

// TestRecordsHoldReferencesOnly reads a record as it lies on disk.
func TestRecordsHoldReferencesOnly(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	d.must(t, 0, "launch", "--to", "fake", "-f", jobFile(t, pictures(t, 2), out, tiny(t, graphtest.Options{}), ""), "--secret", "HOMELY=env:HOME", "--detach")
	files, err := filepath.Glob(filepath.Join(d.state, "batchscore", "jobs", "*.yaml"))
	if err != nil || len(files) != 1 {
		t.Fatalf("%v, %v", files, err)
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
		t.Errorf("%s", body)
	}
	d.must(t, 0, "jobs", "logs", "-f")
}

func TestLaunchSaysWhereFlagsOfRunStand(t *testing.T) {
	r := must(t, 64, "launch", "--images", "in", "--out", "out", "--preset", "torchvision")
	if !strings.Contains(r.stderr, "--preset of launch; flags for 'batchscore run' come after --") {
		t.Error(r)
	}
}
