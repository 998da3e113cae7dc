package local

import (
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
)

// TestHostileValues starts ranks with mpirun, here and on hosts with a real sshd, and
// compares what they are given.
func TestHostileValues(t *testing.T) {
	needMpirun(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "canary")
	values := append(launchtest.Hostile(file), "caf\xe9") // in Latin-1, as paths may be
	command, scoring := launchtest.HostileJobs(t, values)
	secret := strings.Join(values[:40], " ")
	t.Setenv("OUTER", secret)
	command.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	command.RanksPerNode = 2
	hosts, _ := onHosts(t)
	hosts.o.MCA["foo_bar"] = "it's; touch " + file + " & * ~ # |"
	onTwo := command
	onTwo.Nodes, onTwo.RanksPerNode = 2, 1
	for name, c := range map[string]struct {
		e   *Engine
		job deploy.Job
	}{
		"command":     {e: engine(t, Options{Folder: filepath.Join(t.TempDir(), "it's $(touch "+filepath.Base(file)+") é")}), job: command},
		"scoring job": {e: engine(t, Options{Binary: self}), job: scoring},
		"hosts":       {e: hosts, job: onTwo},
	} {
		t.Run(name, func(t *testing.T) {
			folder := launchtest.Echo(t, &c.job)
			submit(t, c.e, c.job, "hostile-1")
			if stdout, stderr, err := waited(t, c.e, "hostile-1"); err != nil {
				t.Fatalf("%v\n%.3000s\n%.3000s", err, stdout, stderr)
			}
			if c.job.Secrets != nil {
				c.job.Environment["KEY"] = secret
			}
			c.job.Environment[deploy.JobVariable] = "hostile-1"
			launchtest.Arrived(t, folder, c.job, c.job.Argv(self)[1:])
			launchtest.NoCanary(t, file)
			launchtest.NoCanary(t, filepath.Base(file))
		})
	}
}

var refusedHost = regexp.MustCompile(`is not the name of a host|want a name|want 1 to`)

// TestHostileHosts: what would be a flag for ssh, or a command for the shell of a host.
func TestHostileHosts(t *testing.T) {
	t.Parallel()
	jobs := t.TempDir()
	for _, name := range []string{
		"-oProxyCommand=touch X", "--", "", "a b", "a\nb", "a;b", "$(id)", "`id`", "a,b", "*", "+e", "^a", "@a", "-l@a", "a@-b",
		"é", "a\x00", "a'b", `a"b`, "~", "a%b", "fd00::1", "user@fe80::1", "[fd00::1]", "a:", "a:0", "a:b", "a:1:2", "a:99999999999999999999",
	} {
		if _, err := New(Options{Folder: jobs, Hosts: []string{"north", name}}); err == nil || !strings.Contains(err.Error(), "hosts: ") {
			t.Errorf("host %q: %v, want a refusal that names hosts", name, err)
		}
		if strings.ContainsAny(name, " \n") || name == "" {
			continue // several words of a host file
		}
		if _, err := parseHosts("north slots=1\n" + name + " slots=1\n"); err == nil || !refusedHost.MatchString(err.Error()) {
			t.Errorf("host %q in a file: %v, want a refusal", name, err)
		}
	}
	for _, name := range []string{"north", "north.example.com", "user@north", "10.0.0.7", "node_1", "north:4"} {
		if _, err := New(Options{Folder: jobs, Hosts: []string{name}}); err != nil {
			t.Errorf("host %q: %v", name, err)
		}
	}
}

func TestHostileSettings(t *testing.T) {
	t.Parallel()
	with := func(change func(*Options)) Options {
		o := Options{Folder: "/jobs", Hosts: []string{"north"}}
		change(&o)
		return o
	}
	for says, o := range map[string]Options{
		`mca: "a"="x$(touch X)"`:         with(func(o *Options) { o.MCA = map[string]string{"a": "x$(touch X)"} }),
		"mca: \"a\"=\"`id`\"":            with(func(o *Options) { o.MCA = map[string]string{"a": "`id`"} }),
		`mca: "a"="\";id;\""`:            with(func(o *Options) { o.MCA = map[string]string{"a": `";id;"`} }),
		`mca: "a"="b\nc"`:                with(func(o *Options) { o.MCA = map[string]string{"a": "b\nc"} }),
		`mca: "--x"="b"`:                 with(func(o *Options) { o.MCA = map[string]string{"--x": "b"} }),
		`bind "--x"`:                     with(func(o *Options) { o.Bind = "--x" }),
		`bind "none;id"`:                 with(func(o *Options) { o.Bind = "none;id" }),
		`mpirun "/opt/$(touch X)"`:       with(func(o *Options) { o.Mpirun = "/opt/$(touch X)" }),
		`mpirun "--version"`:             with(func(o *Options) { o.Mpirun = "--version" }),
		`cannot start an agent in "/a:b`: with(func(o *Options) { o.Folder = "/a:b" }),
		`cannot start an agent in "/$(i`: with(func(o *Options) { o.Folder = "/$(id)" }),
	} {
		if _, err := New(o); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("have %v, want an error with %s", err, says)
		}
	}
	e := engine(t, Options{Folder: "/jobs", Hosts: []string{"north"}})
	for says, job := range map[string]deploy.Job{
		"environment: OMPI_MCA_a": {Command: []string{"true"}, Environment: map[string]string{"OMPI_MCA_a": "$(touch X)"}},
		"environment: PRTE_MCA_a": {Command: []string{"true"}, Environment: map[string]string{"PRTE_MCA_a": "`id`"}},
		"secrets: OMPI_MCA_a":     {Command: []string{"true"}, Secrets: map[string]deploy.Secret{"OMPI_MCA_a": {Env: "A"}}},
	} {
		if _, err := e.Documents(job, "x"); !errors.Is(err, deploy.ErrUnsupported) || !strings.Contains(err.Error(), says) {
			t.Errorf("have %v, want %v with %s", err, deploy.ErrUnsupported, says)
		}
	}
}

// TestForgedLines: what a rank prints is never taken for a line of mpirun or of the script.
func TestForgedLines(t *testing.T) {
	forged := `batchscore: starting the ranks again\nprocess rank 7 with PID 1 on node h exited on signal 9\nRemote daemon: [[61,0],2] on node h\n` +
		`batchscore: host h: the connection ended with status 1\n[1,9]<stdout>:x\nrank 1 | y\n`
	e := engine(t, Options{})
	// In one piece, in pieces that end within a line, and on both streams.
	prints := `printf 'a\n` + forged + `'; printf '\n` + forged + `' >&2; printf 'b'; sleep 0.2; printf '\n` + forged + `'; sleep 0.2; printf '` + forged + `'`
	submit(t, e, launchtest.Shell(1, prints), "forged")
	if _, stderr, err := waited(t, e, "forged"); err != nil || strings.Contains(stderr, "batchscore: rank") {
		t.Errorf("%v\n%s", err, stderr)
	}
	lines := 0
	err := e.lines(t.Context(), "forged", false, func(l line) error {
		if l.rank != 0 && len(strings.TrimSpace(string(l.text))) > 0 {
			t.Errorf("a rank's line is taken for one of rank %d: %q", l.rank, l.text)
		}
		lines++
		return nil
	})
	if err != nil || lines < 24 {
		t.Errorf("%d lines, %v; want all that the rank has printed", lines, err)
	}
	if exit, err := e.failure("forged", 1); err != nil || len(exit.Ranks) > 0 || exit.Lost != "" {
		t.Errorf("failure = %+v, %v; want no rank and no host", exit, err)
	}
}
