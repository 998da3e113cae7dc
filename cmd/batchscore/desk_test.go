package main

import (
	"encoding/json"
	"fmt"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// desk is a user of batchscore who has a record of jobs and a service.yaml.
type desk struct {
	state string
	fake  string // the folder of the fake engine
	env   []string
}

func (d *desk) command(t testing.TB, args ...string) *exec.Cmd {
	t.Helper()
	return command(t, d.env, args...)
}

func (d *desk) list(t testing.TB) []listed {
	t.Helper()
	var jobs []listed
	if err := json.Unmarshal([]byte(d.must(t, 0, "jobs", "list", "--json").stdout), &jobs); err != nil {
		t.Fatal(err)
	}
	return jobs
}

func (d *desk) must(t testing.TB, code int, args ...string) processResult {
	t.Helper()
	r := d.run(t, args...)
	if r.code != code {
		t.Fatalf("batchscore %s: got %[3]v, want exit code %[2]d", strings.Join(args, " "), code, r)
	}
	return r
}

func (d *desk) run(t testing.TB, args ...string) processResult {
	t.Helper()
	return finish(t, d.command(t, args...))
}

func (d *desk) status(t testing.TB, args ...string) report {
	t.Helper()
	var r report
	if err := json.Unmarshal([]byte(d.must(t, 0, append([]string{"jobs", "status", "--json"}, args...)...).stdout), &r); err != nil {
		t.Fatal(err)
	}
	return r
}

func newDesk(t testing.TB) *desk {
	t.Helper()
	d := &desk{state: t.TempDir(), fake: filepath.Join(t.TempDir(), "fake")}
	service := filepath.Join(t.TempDir(), "service.yaml")
	writeFile(t, service, fmt.Appendf(nil, "fake: {folder: %q}\n", d.fake))
	d.env = []string{"XDG_STATE_HOME=" + d.state, serviceVar + "=" + service}
	return d
}

// jobFile writes job.yaml for a scoring job, and returns its path.
func jobFile(t testing.TB, in, out, model, more string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "job.yaml")
	writeFile(t, path, fmt.Appendf(nil, "name: nightly\nimages: %s\nout: %s\nmodel: %s\n%s", in, out, model, more))
	return path
}
