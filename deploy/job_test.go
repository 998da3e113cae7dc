package deploy

import (
	"slices"
	"strings"
	"testing"
	"time"
)

const scoring = `
name: nightly
images: az://acme/photos
out: az://acme/labels/tonight
model: inception.onnx
run: {batch: "32", static: "true"}
nodes: 2
ranksPerNode: 4
secrets:
  AZURE_STORAGE_KEY: {env: STORAGE_KEY}
timeLimit: 7h30m
`

func TestReadJob(t *testing.T) {
	job, err := ReadJob(strings.NewReader(scoring))
	if err != nil {
		t.Fatal(err)
	}
	if err := job.Check(); err != nil {
		t.Error(err)
	}
	if job.Ranks() != 8 || time.Duration(job.TimeLimit) != 450*time.Minute {
		t.Errorf("%d ranks, %v; want 8, 7h30m", job.Ranks(), job.TimeLimit)
	}
	want := []string{"/bin/worker", "run", "--images", "az://acme/photos", "--out", "az://acme/labels/tonight",
		"--model", "inception.onnx", "--batch=32", "--static=true"}
	if argv := job.Argv("/bin/worker"); !slices.Equal(argv, want) {
		t.Errorf("%q, want %q", argv, want)
	}
	t.Setenv("STORAGE_KEY", "a value")
	if values, err := job.Resolve(); err != nil || values["AZURE_STORAGE_KEY"] != "a value" {
		t.Errorf("Resolve = %v, %v; want the value of the variable", values, err)
	}
}

func TestWrongJobsAreRefused(t *testing.T) {
	for _, c := range []struct{ change, names string }{
		{change: "node: 3", names: "node"},
		{change: "name: Nightly", names: "name"},
		{change: "nodes: -1", names: "nodes"},
		{change: "priority: cheap", names: "priority"},
		{change: "schedule: daily", names: "schedule"},
		{change: "images: ''", names: "images"},
		{change: "out: ''", names: "out"},
		{change: "out: 'labels/{run}'", names: "schedule"},
		{change: "schedule: '0 2 * * *'", names: "{run}"},
		{change: "task: classification", names: "model"},
		{change: "command: [python, train.py]", names: "exclude"},
		{change: "run: {images: elsewhere}", names: "images"},
		{change: "run: {after: earlier}", names: "after"},
		{change: "after: 'labels/{run}'", names: "after"},
		{change: "environment: {'A B': c}", names: "A B"},
		{change: "environment: {BATCHSCORE_JOB: c}", names: "environment: BATCHSCORE_JOB"},
		{change: "secrets: {BATCHSCORE_JOB: {env: c}}", names: "secrets: BATCHSCORE_JOB"},
		{change: "environment: {AZURE_STORAGE_KEY: c}", names: "AZURE_STORAGE_KEY"},
		{change: "secrets: {TOKEN: {}}", names: "TOKEN"},
		{change: "secrets: {TOKEN: {env: A, file: B}}", names: "TOKEN"},
		{change: "secrets: {TOKEN: {value: abc}}", names: "value"},
		{change: "mounts: [{source: /nfs, path: nfs}]", names: "mounts"},
		{change: "timeLimit: 8 hours", names: "8 hours"},
		{change: "name: a\n---\nname: b", names: "second document"},
	} {
		t.Run(c.change, func(t *testing.T) {
			field, _, _ := strings.Cut(c.change, ":")
			var kept []string
			for line := range strings.Lines(scoring) {
				if !strings.HasPrefix(line, field+":") && !(field == "secrets" && strings.HasPrefix(line, "  ")) {
					kept = append(kept, line)
				}
			}
			job, err := ReadJob(strings.NewReader(strings.Join(kept, "") + c.change + "\n"))
			if err == nil {
				err = job.Check()
			}
			if err == nil || !strings.Contains(err.Error(), c.names) {
				t.Errorf("want an error that names %q, have %v", c.names, err)
			}
		})
	}
}

// A scheduled job continues the folder of its runs, unless it says otherwise.
func TestAfter(t *testing.T) {
	for _, c := range []struct{ schedule, out, after, want string }{
		{out: "az://acme/labels/tonight"},
		{out: "az://acme/labels/tonight", after: "az://acme/labels", want: "az://acme/labels"},
		{out: "az://acme/labels/tonight", after: NoAfter},
		{schedule: "0 2 * * *", out: "az://acme/labels/{run}", want: "az://acme/labels"},
		{schedule: "0 2 * * *", out: "az://acme/labels/nightly/{run}", want: "az://acme/labels/nightly"},
		{schedule: "0 2 * * *", out: "/data/{run}", want: "/data"},
		{schedule: "0 2 * * *", out: "az://acme/labels/{run}", after: "az://acme/labels/first", want: "az://acme/labels/first"},
		{schedule: "0 2 * * *", out: "az://acme/labels/{run}", after: NoAfter},
		// There is no folder that holds the runs, and nothing else in it.
		{schedule: "0 2 * * *", out: "az://acme/labels/{run}/rows"},
		{schedule: "0 2 * * *", out: "az://acme/labels/night-{run}"},
		{schedule: "0 2 * * *", out: "az://acme/{run}"},
		{schedule: "0 2 * * *", out: "{run}/{run}"},
		{schedule: "0 2 * * *", out: "/{run}"},
	} {
		job := Job{Images: "i", Out: c.out, Model: "m", After: c.after, Schedule: c.schedule, Run: map[string]string{"batch": "1"}}
		want := []string{"/bin/worker", "run", "--images", "i", "--out", c.out, "--model", "m"}
		if c.want != "" {
			want = append(want, "--after", c.want)
		}
		if argv := job.Argv("/bin/worker"); !slices.Equal(argv, append(want, "--batch=1")) {
			t.Errorf("%+v: %q, want --after %q", c, argv, c.want)
		}
	}
}

func TestIDsAreNamesEverywhere(t *testing.T) {
	at := time.Date(2026, 11, 22, 1, 2, 3, 0, time.UTC)
	a, b := NewID("nightly", at, 0), NewID("nightly", at, 1<<32-1)
	if a != "nightly-261122-010203-0000" || a == b || len(b) != len(a) {
		t.Errorf("NewID = %s and %s, want the name, the time and different ends", a, b)
	}
}
