// Package hosttest gives tests several hosts on one machine, made of Linux namespaces.
// Unlike the hosts of sshtest, they share neither files nor processes nor addresses, and
// each can be lost, started again, or cut off from others.
//
//	hosts := hosttest.Start(t, hosttest.Plan{Names: []string{"north", "south"}, Shared: []string{images, out}})
//	out, err := hosts.Host("north").Command(ctx, "ssh", "south", "hostname").CombinedOutput()
//	hosts.Cut("north", "south")   // packets between them are dropped
//	hosts.Host("south").Kill()    // everything on it is killed
//	hosts.Host("south").Start()   // it is there again, with the files it had
//
// Each host has
//
//   - a root of its own, with the programs of this machine in /usr (read-only) and a copy
//     of its /etc. /home, /root, /var and whatever else is written are its own and outlive
//     its processes; /tmp, /run and /dev/shm do not. Of the rest of this machine it sees
//     the folders of the plan only;
//   - processes of its own, below a first process, as on a machine: pkill on a host
//     reaches that host's processes only;
//   - a name, and an address that the other hosts have in /etc/hosts. A router joins the
//     hosts. They reach nothing else, and nothing else reaches them;
//   - an sshd with a key of its own. root can log in from every host to every other.
//
// The CPUs, the clock, the users and the kernel are those of this machine. The machine's
// own network, mounts and files are left as they are. All that a test starts ends with
// the test, also if the test is killed: the first process of each host reads from a pipe
// whose other end only the test has, and the files are in memory.
//
// It takes root, and the Debian packages bash, coreutils, iproute2, openssh-client,
// openssh-server, procps and util-linux.
package hosttest

import (
	"bufio"
	"bytes"
	_ "embed"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
)

// Plan says what hosts there are.
type Plan struct {
	// Names are the names of the hosts.
	Names []string
	// Shared are folders of this machine that every host sees under the same path,
	// like a network file system. ReadOnly are others that they can't write to.
	Shared, ReadOnly []string
}

// Hosts are hosts that run until the test ends.
type Hosts struct {
	t      testing.TB
	plan   Plan
	router *first
	hosts  map[string]*Host
	mu     sync.Mutex // guards the rules of the router
}

//go:embed router.sh
var routerScript string

var hostName = regexp.MustCompile(`^[a-z][a-z0-9-]*$`)

// most is the number of hosts that the addresses suffice for.
const most = 200

// Start starts the hosts of a plan.
func Start(t testing.TB, plan Plan) *Hosts {
	t.Helper()
	Need(t)
	h := &Hosts{t: t, plan: plan, hosts: map[string]*Host{}}
	if n := len(plan.Names); n == 0 || n > most {
		t.Fatalf("hosttest: %d hosts, want 1 to %d", n, most)
	}
	for i, name := range plan.Names {
		if !hostName.MatchString(name) || h.hosts[name] != nil {
			t.Fatalf("hosttest: host %q: want different names of small letters, digits and hyphens", name)
		}
		h.hosts[name] = &Host{hosts: h, name: name, number: i + 1}
	}
	for _, folder := range append(plan.Shared, plan.ReadOnly...) {
		if info, err := os.Stat(folder); err != nil || !info.IsDir() || !filepath.IsAbs(folder) || filepath.Clean(folder) != folder {
			t.Fatalf("hosttest: %s: want the clean absolute path of a folder that exists", folder)
		}
	}
	var err error
	h.router, err = startFirst(syscall.CLONE_NEWNS|syscall.CLONE_NEWNET, "bash", append([]string{"-c", routerScript, "router"}, plan.Names...)...)
	if err != nil {
		t.Fatalf("hosttest: router: %v", err)
	}
	t.Cleanup(h.router.kill)
	for _, name := range plan.Names {
		h.hosts[name].Start()
		t.Cleanup(h.hosts[name].Kill)
	}
	return h
}

// Host returns the host of that name.
func (h *Hosts) Host(name string) *Host {
	h.t.Helper()
	one := h.hosts[name]
	if one == nil {
		h.t.Fatalf("hosttest: there is no host %s", name)
	}
	return one
}

// Need skips the test where hosts cannot be had. In CI it fails the test.
func Need(t testing.TB) {
	t.Helper()
	missing := ""
	for _, name := range []string{"bash", "ip", "nsenter", "pkill", "setpriv", "ssh", "ssh-keygen", "/usr/sbin/sshd", "unshare"} {
		if _, err := exec.LookPath(name); err != nil {
			missing = name + " is missing: apt-get install iproute2 openssh-client openssh-server procps util-linux"
		}
	}
	if os.Geteuid() != 0 {
		missing = "hosts made of namespaces take root"
	}
	switch {
	case missing == "":
	case os.Getenv("CI") != "":
		t.Fatal(missing)
	default:
		t.Skip(missing)
	}
}

// first is a first process of namespaces, which end with it.
type first struct {
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr bytes.Buffer
	once   sync.Once
}

// startFirst starts a process in new namespaces and waits for the line "ready" on its
// standard output. The process must end at the end of its standard input.
func startFirst(flags uintptr, name string, args ...string) (*first, error) {
	f := &first{cmd: exec.Command(name, args...)}
	f.cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root"}
	f.cmd.SysProcAttr = &syscall.SysProcAttr{Cloneflags: flags}
	f.cmd.Stderr = &f.stderr
	stdin, err := f.cmd.StdinPipe()
	if err != nil {
		return nil, err
	}
	f.stdin = stdin
	stdout, err := f.cmd.StdoutPipe()
	if err != nil {
		return nil, err
	}
	if err := f.cmd.Start(); err != nil {
		return nil, err
	}
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if strings.TrimSpace(line) != "ready" {
		f.kill()
		return nil, fmt.Errorf("it did not start: %q, %v: %s", line, err, f.stderr.String())
	}
	return f, nil
}

// pid returns the ID of the process in the namespaces of the test.
func (f *first) pid() string { return strconv.Itoa(f.cmd.Process.Pid) }

// kill ends the process, and with it all others of its PID namespace. It returns when
// they have ended.
func (f *first) kill() {
	f.once.Do(func() {
		_ = f.cmd.Process.Kill() // it may have ended
		_ = f.stdin.Close()
		_ = f.cmd.Wait() // killed
	})
}
