package main

import (
	"bytes"
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/deploy/local/sshtest"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestHostLost scores on two hosts that are reached through ssh, loses one of
// them with its ranks, and continues once it is back. Meanwhile no command line shows
// the ranks' secret.
func TestHostLost(t *testing.T) {
	needMpirun(t)
	const secret = "pl4nted-s3cret"
	t.Setenv("PLANTED", secret)
	in, model := pictures(t, 800), tiny(t, graphtest.Options{}) // more than are scored before the host is lost
	out := filepath.Join(t.TempDir(), "out")
	hostFile := filepath.Join(t.TempDir(), "hosts")
	writeFile(t, hostFile, []byte("north slots=2\nsouth slots=2\n"))
	job := deploy.Job{
		Name: "hosts", Images: in, Out: out, Model: model, Nodes: 2, RanksPerNode: 2,
		Run:         map[string]string{"chunk": "4", "provider": "simulate:rate=20"},
		Environment: map[string]string{asBatchscore: "1", "ONNXRUNTIME_LIB": os.Getenv("ONNXRUNTIME_LIB")},
		Secrets:     map[string]deploy.Secret{"AZURE_STORAGE_KEY": {Env: "PLANTED"}},
	}
	launch := func(hosts *sshtest.Hosts, id string, meanwhile func()) (stderr string, err error) {
		engine, err := local.New(local.Options{
			HostFile: hostFile, Agent: "ssh -x -F " + hosts.Config, Folder: filepath.Join(t.TempDir(), "jobs"),
			MCA: map[string]string{"oob_tcp_if_include": "lo"},
		})
		if err != nil {
			t.Fatal(err)
		}
		if err := engine.Submit(t.Context(), job, id); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = engine.Cancel(context.Background(), id) }) // it has ended, unless the test failed
		meanwhile()
		var stdout, errs bytes.Buffer
		err = engine.Wait(t.Context(), id, &stdout, &errs, nil)
		return errs.String(), err
	}

	hosts := sshtest.Start(t, "north", "south")
	stderr, err := launch(hosts, "first", func() {
		eventually(t, "the first part", func() bool { return countParts(t, out) > 0 })
		if on := commandsWith(t, secret); len(on) > 0 {
			t.Errorf("the secret stands on a command line: %q", on)
		}
		hosts.Lose(t, "south")
	})
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Lost != "south" || !slices.Equal(exit.Ranks, []int{2, 3}) {
		t.Fatalf("err = %v, want host south lost with ranks 2 and 3\n%s", err, stderr)
	}
	if code := exitCode(err, nil); code != 75 {
		t.Errorf("got %d, want exit code 75", code)
	}
	if exists(filepath.Join(out, "_SUCCESS")) {
		t.Error("_SUCCESS exists, want none")
	}
	if strings.Contains(stderr, secret) {
		t.Error("the secret was printed")
	}

	if stderr, err := launch(sshtest.Start(t, "north", "south"), "second", func() {}); err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	must(t, 0, "verify", out)
}

// commandsWith returns the command lines of processes that contain text.
func commandsWith(t *testing.T, text string) []string {
	t.Helper()
	lines, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil || len(lines) == 0 {
		t.Fatalf("no command lines in /proc: %v", err)
	}
	var found []string
	for _, path := range lines {
		line, err := os.ReadFile(path)
		if err == nil && bytes.Contains(line, []byte(text)) {
			found = append(found, string(line))
		}
	}
	return found
}
