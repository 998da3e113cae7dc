package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestLaunchFollowsToTheEnd launches a job from a file, overridden by flags, follows it,
// and fetches its labels.
func TestLaunchFollowsToTheEnd(t *testing.T) {
	d := newDesk(t)
	out := filepath.Join(t.TempDir(), "out")
	file := jobFile(t, pictures(t, 20), "/nowhere", tiny(t, graphtest.Options{}), "run: {chunk: 3, batch: 2}\n")
	r := d.must(t, 0, "launch", "--to", "fake", "-f", file, "--out", out, "--", "--chunk", "4")
	if !strings.Contains(r.stdout, "Worker 0 Processed 20 images") || !strings.Contains(r.stdout, "Processed 20 images, took ") {
		t.Errorf("got %v, want %q in stdout and %q in stdout", r, "Worker 0 Processed 20 images", "Processed 20 images, took ")
	}
	if parts := countParts(t, out); parts != 5 {
		t.Errorf("%d parts, want 5 as the flag after -- says", parts)
	}
	jobs := d.list(t)
	if len(jobs) != 1 || jobs[0].State != complete || jobs[0].Engine != "fake" || !strings.HasPrefix(jobs[0].ID, "nightly-") {
		t.Fatalf("jobs list = %+v, want one complete job", jobs)
	}
	s := d.status(t)
	if s.Engine.State != deploy.Succeeded || s.Progress.ImagesDone != 20 {
		t.Errorf("status = %+v, want 20 images and a job that succeeded", s)
	}
	to := t.TempDir()
	d.must(t, 0, "jobs", "fetch", "nightly", to)
	labels, err := os.ReadFile(filepath.Join(to, "labels.jsonl"))
	if err != nil || string(labels) != merged(t, out) {
		t.Errorf("fetched %d bytes of labels, %v; want what merge writes", len(labels), err)
	}
	if log := d.must(t, 0, "jobs", "logs").stdout; !strings.Contains(log, "Worker 0 Processed 20 images") {
		t.Errorf("want the end of rank 0 in the log\n%s", log)
	}

	// The same job from standard input finds its output complete.
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	cmd := d.command(t, "launch", "--to", "fake", "-f", "-", "--out", out, "--", "--chunk", "4")
	cmd.Stdin = bytes.NewReader(body)
	if r := finish(t, cmd); r.code != 0 || !strings.Contains(r.stdout, "\nProcessed 20 images, took ") {
		t.Errorf("got %v, want exit code 0 and %q in stdout", r, "\nProcessed 20 images, took ")
	}

	// Another job finds it complete as well, and it is not its own.
	for _, engine := range []string{"fake", "local"} {
		r := d.must(t, 11, "launch", "--to", engine, "-f", file, "--out", out, "--images", pictures(t, 5))
		if !strings.Contains(r.stderr, "result of a job with other options") || strings.Contains(r.stdout, "Processed") {
			t.Errorf("got %v, want %q in stderr and no %q in stdout", r, "result of a job with other options", "Processed")
		}
	}
}

// TestTheOutputIsTheJudge launches on an engine that reports success for a failed job,
// and launches a program of the user's own, whose success only the engine knows.
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
		t.Errorf("got %v, want 75", r)
	}
	if jobs := d.list(t); jobs[0].State != "ended, incomplete" {
		t.Errorf("state of %+v, want ended, incomplete", jobs[0])
	}

	// A folder without a record that can be judged.
	none := append(slices.Clone(args), "--out", filepath.Join(t.TempDir(), "none"), "--", "--lease", "1ms")
	if r := d.run(t, none...); r.code != 78 || !strings.Contains(r.stderr, "is not an output folder") {
		t.Errorf("got %v, want 78", r)
	}

	own := func(command string) processResult {
		file := filepath.Join(t.TempDir(), "job.yaml")
		writeFile(t, file, []byte("name: own\ncommand: [sh, -c, '"+command+"']\n"))
		return d.run(t, "launch", "--to", "fake", "-f", file)
	}
	if r := own("echo trained"); r.code != 0 || !strings.Contains(r.stdout, "trained\n") {
		t.Errorf("got %v, want exit code 0 and %q in stdout", r, "trained\n")
	}
	if r := own("exit 3"); r.code != 1 || !strings.Contains(r.stderr, "the fake saw a rank fail") {
		t.Errorf("got %v, want 1, since 3 means something else in a command of one's own", r)
	}
}

// TestLaunchRefuses checks the errors that are found before anything is sent.
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
		{name: "an engine that there is not", args: []string{"--to", "cloud", "-f", good}, code: 64, says: "for --to"},
		{name: "an argument", args: []string{"job.yaml"}, code: 64, says: "job.yaml"},
		{name: "nothing", args: nil, code: 64, says: "images is missing"},
		{name: "a missing file", args: []string{"-f", none}, code: 78, says: "none.yaml"},
		{name: "a misspelt field", args: []string{"-f", jobFile(t, in, "/out", model, "node: 3\n")}, code: 78, says: "node"},
		{name: "a flag that run has not, in the file", args: []string{"-f", jobFile(t, in, "/out", model, "run: {chunks: 3}\n")}, code: 78, says: "--chunks"},
		{
			name: "a value that run does not take, in the file",
			args: []string{"-f", jobFile(t, in, "/out", model, "run: {chunk: many}\n")},
			code: 78,
			says: `invalid value "many" for --chunk`,
		},
		{name: "a flag that run has not", args: []string{"-f", good, "--", "--chunks", "3"}, code: 64, says: "--chunks"},
		{name: "an argument for run", args: []string{"-f", good, "--", "photos"}, code: 64, says: "photos"},
		{name: "a rank", args: []string{"-f", good, "--", "--rank", "0"}, code: 64, says: "--rank"},
		{name: "no ranks", args: []string{"-f", good, "-n", "0"}, code: 64, says: "0 for -n"},
		{name: "no nodes", args: []string{"-f", good, "--nodes", "0"}, code: 64, says: "0 for --nodes"},
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
		{name: "an engine that does not exist", args: []string{"--to", "azure", "-f", none}, code: 64, says: `"azure" for --to`},
		{name: "a format without a dry run", args: []string{"-f", good, "--format", "yaml"}, code: 64, says: "--format needs --dry-run"},
		{name: "another format", args: []string{"-f", good, "--format", "json", "--dry-run"}, code: 64, says: "want yaml"},
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
		{name: "a mount without a container", args: []string{"-f", good, "--mount", "az://acme/=/photos"}, code: 78, says: "3 to 63 lower-case letters"},
	} {
		t.Run(c.name, func(t *testing.T) {
			r := d.run(t, append([]string{"launch"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("got %v, want exit code %d and %q", r, c.code, c.says)
			}
			if jobs, err := filepath.Glob(filepath.Join(d.fake, "*.log")); err != nil || len(jobs) > 0 {
				t.Errorf("started %v, %v; want nothing", jobs, err)
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

// TestLaunchWithoutServiceFile: an engine that cannot do without service.yaml is
// refused with the path of the file, and not for the first setting in it.
func TestLaunchWithoutServiceFile(t *testing.T) {
	folder := t.TempDir()
	t.Setenv("XDG_CONFIG_HOME", folder)
	t.Setenv(serviceVar, "")
	_, _, err := new(serviceFlags).launcher("azureml", yaml.Node{})
	want := "azureml needs a section in service.yaml, and there is no " + filepath.Join(folder, "batchscore", "service.yaml")
	if code := exitCode(err, nil); code != 78 || !strings.HasPrefix(fmt.Sprint(err), want) {
		t.Errorf("launcher() = %v with exit code %d, want 78 and %q", err, code, want)
	}
}

func TestLaunchSaysWhereFlagsOfRunStand(t *testing.T) {
	r := must(t, 64, "launch", "--images", "in", "--out", "out", "--preset", "torchvision")
	if !strings.Contains(r.stderr, "launch has no flag --preset; it is a flag of 'batchscore run', whose flags come after --") {
		t.Errorf("got %v, want where flags of run belong", r)
	}
}
