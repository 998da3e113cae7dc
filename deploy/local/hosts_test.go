package local

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/launchtest"
	"github.com/batchscore/batchscore/deploy/local/sshtest"
)

func TestParseHosts(t *testing.T) {
	hosts, err := parseHosts("# the cluster\nnode1 slots=2 max_slots=4\n\nnode2\nnode1 slots=1 # again\n10.0.0.7 slots=8\n")
	if want := []host{{"node1", 3}, {"node2", 0}, {"10.0.0.7", 8}}; err != nil || !slices.Equal(hosts, want) {
		t.Errorf("parseHosts = %v, %v; want %v", hosts, err, want)
	}
	for _, text := range []string{"", "# nothing\n", "node1 slots=0\n", "node1 slots=many\n", "node1:0\n", "fd00::1 slots=1\n"} {
		if _, err := parseHosts(text); err == nil {
			t.Errorf("parseHosts(%q) returned no error", text)
		}
	}
	placed := placement([]host{{"north.example.com", 0}, {"south", 0}, {"west", 0}}, 2, 3)
	for machine, want := range map[string][]int{"north": {0, 1, 2}, "north.example.com": {0, 1, 2}, "south": {3, 4, 5}, "west": nil, "sou": nil} {
		if ranks := ranksOn(machine, placed); !slices.Equal(ranks, want) {
			t.Errorf("%s: %v, want %v", machine, ranks, want)
		}
	}
}

func TestListedHosts(t *testing.T) {
	hosts, err := listed([]string{"node1:2", "user@node2", "node1", "node1:1"})
	if want := []host{{"node1", 3}, {"user@node2", 0}}; err != nil || !slices.Equal(hosts, want) {
		t.Errorf("listed = %v, %v; want %v", hosts, err, want)
	}
}

// TestHostFilesThatCannotBeUsed: what is wrong with one is a matter of service.yaml, and no
// pipe makes a launch wait.
func TestHostFilesThatCannotBeUsed(t *testing.T) {
	folder := t.TempDir()
	for name, text := range map[string]string{"empty": "", "slots": "node1 slots=0\n", "address": "fd00::1\n", "long": strings.Repeat("# long\n", 1<<20)} {
		if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(folder, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"empty", "slots", "address", "long", "pipe", "folder", "none"} {
		e := engine(t, Options{Folder: filepath.Join(folder, "jobs"), HostFile: filepath.Join(folder, name)})
		if _, err := e.Documents(launchtest.Shell(1, "true"), "x"); !errors.Is(err, deploy.ErrService) || !strings.Contains(err.Error(), "hostFile") {
			t.Errorf("%s: %v, want ErrService that names hostFile", name, err)
		}
	}
}

func TestHostOf(t *testing.T) {
	placed := placement([]host{{"north", 0}, {"south", 0}, {"west", 0}}, 3, 2)
	for _, test := range []struct {
		ranks []int
		want  string
	}{
		{ranks: []int{0}, want: "north"},
		{ranks: []int{3, 2}, want: "south"},
		{ranks: []int{1, 2}},
		{ranks: []int{6}},
		{},
	} {
		if got := hostOf(test.ranks, placed); got != test.want {
			t.Errorf("ranks %v: %q, want %q", test.ranks, got, test.want)
		}
	}
}

// onHosts is an engine with two hosts that are reached through ssh.
func onHosts(t *testing.T) (*Engine, *sshtest.Hosts) {
	t.Helper()
	needMpirun(t)
	hosts := sshtest.Start(t, "north", "south")
	return engine(t, Options{
		Hosts: []string{"north", "south"}, Agent: "ssh -x -F " + hosts.Config,
		MCA: map[string]string{"oob_tcp_if_include": "lo"},
	}), hosts
}

func twoNodes(line string) deploy.Job {
	job := launchtest.Shell(2, line)
	job.Nodes = 2
	return job
}

func TestRankOnAHostFails(t *testing.T) {
	e, _ := onHosts(t)
	t.Setenv("OUTER", "a secret")
	fail := filepath.Join(t.TempDir(), "fail")
	job := twoNodes(`echo "$KEY on $SSH_CONNECTION"; until [ $OMPI_COMM_WORLD_RANK = 3 ] && [ -e ` + fail + ` ]; do sleep 0.05; done; exit 10`)
	job.Secrets = map[string]deploy.Secret{"KEY": {Env: "OUTER"}}
	submit(t, e, job, "fails")
	for _, rank := range []string{"rank 0", "rank 1", "rank 2", "rank 3"} {
		launchtest.Printed(t, e, "fails", rank+" | a secret on 127.0.0.1 ")
	}
	if err := os.WriteFile(fail, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	_, stderr, err := waited(t, e, "fails")
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Code != 10 || exit.Lost != "" || !slices.Equal(exit.Ranks, []int{3}) {
		t.Errorf("want rank 3 and code 10, have %v\n%s", err, stderr)
	}
}

func TestHostsDrain(t *testing.T) {
	e, _ := onHosts(t)
	submit(t, e, twoNodes(drains), "drains")
	for _, rank := range []string{"rank 0", "rank 1", "rank 2", "rank 3"} {
		launchtest.Printed(t, e, "drains", rank+" | up")
	}
	if err := e.Cancel(t.Context(), "drains"); err != nil {
		t.Fatal(err)
	}
	if stdout, _, err := waited(t, e, "drains"); err != nil || strings.Count(stdout, "drained") != 4 {
		t.Errorf("Wait: %v, want four drained ranks in\n%s", err, stdout)
	}
}

func TestHostLost(t *testing.T) {
	e, hosts := onHosts(t)
	submit(t, e, twoNodes("echo up; sleep 600"), "lost")
	for _, rank := range []string{"rank 0", "rank 1", "rank 2", "rank 3"} {
		launchtest.Printed(t, e, "lost", rank+" | up")
	}
	hosts.Lose(t, "south")
	_, stderr, err := waited(t, e, "lost")
	var exit *deploy.ExitStatus
	if !errors.As(err, &exit) || exit.Lost != "south" || !slices.Equal(exit.Ranks, []int{2, 3}) {
		t.Errorf("want south lost with ranks 2 and 3, have %v\n%s", err, stderr)
	}
	// And one that is not reached in the first place.
	submit(t, e, twoNodes("echo up; sleep 600"), "unreached")
	_, stderr, err = waited(t, e, "unreached")
	if !errors.As(err, &exit) || exit.Lost != "south" || !slices.Equal(exit.Ranks, []int{2, 3}) {
		t.Errorf("want south lost with ranks 2 and 3, have %v\n%s", err, stderr)
	}
}
