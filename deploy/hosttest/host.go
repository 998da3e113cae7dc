package hosttest

import (
	"bytes"
	"context"
	_ "embed"
	"fmt"
	"os/exec"
	"strconv"
	"syscall"
	"time"
)

// Host is one of the hosts.
type Host struct {
	hosts  *Hosts
	name   string
	number int
	first  *first // nil if it is not running
}

//go:embed host.sh
var hostScript string

// Name returns the name of the host.
func (h *Host) Name() string { return h.name }

// Address returns the address of the host.
func (h *Host) Address() string { return fmt.Sprintf("10.77.0.%d", h.number) }

// Start starts a host that was killed, as after a power failure: its files are there, its
// processes and what was in /tmp, /run and /dev/shm are not.
func (h *Host) Start() {
	t := h.hosts.t
	t.Helper()
	if h.first != nil {
		t.Fatalf("hosttest: host %s runs already", h.name)
	}
	plan := h.hosts.plan
	args := []string{"--mount=/proc/" + h.hosts.router.pid() + "/ns/mnt", "unshare", "--mount", "bash", "-c", hostScript,
		"host", h.name, strconv.Itoa(len(plan.Shared))}
	args = append(append(args, plan.Shared...), plan.ReadOnly...)
	first, err := startFirst(syscall.CLONE_NEWPID|syscall.CLONE_NEWUTS|syscall.CLONE_NEWIPC|syscall.CLONE_NEWNET, "nsenter", args...)
	if err != nil {
		t.Fatalf("hosttest: host %s: %v", h.name, err)
	}
	h.first = first
	port := fmt.Sprintf("port%d", h.number)
	h.hosts.route(fmt.Sprintf(`ip link del %[1]s 2>/dev/null || : # of the killed host
ip link add %[1]s type veth peer name eth0 netns %[2]s
ip addr add 10.77.0.254/32 dev %[1]s
ip link set %[1]s up
ip route add %[3]s dev %[1]s
nsenter --target %[2]s --net sh -eu -c '
ip link set eth0 up
ip addr add %[3]s/24 dev eth0 noprefixroute
ip route add 10.77.0.254 dev eth0
ip route add 10.77.0.0/24 via 10.77.0.254 src %[3]s'`, port, first.pid(), h.Address()))
}

// Kill kills everything on the host. Connections to it are reset, as long as its network
// is not cut.
func (h *Host) Kill() {
	if h.first != nil {
		h.first.kill()
		h.first = nil
	}
}

// Lose is the loss of the machine: it falls silent, without a reset of its connections,
// and everything on it is killed. Start gives it its network back.
func (h *Host) Lose() {
	h.hosts.t.Helper()
	h.hosts.Isolate(h.name)
	h.Kill()
	h.hosts.route(fmt.Sprintf("ip link del port%d 2>/dev/null || :", h.number)) // the kernel may take a while
	h.hosts.Rejoin(h.name)
}

// Command returns a command that runs on the host, as root in /root. Its environment is a
// short one; a test adds to Env. It is killed when ctx is done or the test is killed, but
// what it started is not. A signal to the process of the command kills it: to send it
// another, run kill or pkill on the host.
func (h *Host) Command(ctx context.Context, argv ...string) *exec.Cmd {
	h.hosts.t.Helper()
	if h.first == nil {
		h.hosts.t.Fatalf("hosttest: host %s does not run", h.name)
	}
	args := []string{"--target", h.first.pid(), "--mount", "--uts", "--ipc", "--net", "--pid",
		"setpriv", "--pdeathsig", "KILL", "env", "--chdir=/root", "--"}
	cmd := exec.CommandContext(ctx, "nsenter", append(args, argv...)...)
	cmd.WaitDelay = 5 * time.Second // for output that its children could still write
	cmd.Env = []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "HOME=/root", "USER=root", "LANG=C.UTF-8"}
	return cmd
}

// Run runs a shell command on the host and returns its output. The test fails if the
// command does.
func (h *Host) Run(ctx context.Context, script string) string {
	h.hosts.t.Helper()
	var stdout, stderr bytes.Buffer
	cmd := h.Command(ctx, "sh", "-euc", script)
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Run(); err != nil {
		h.hosts.t.Fatalf("host %s: %s: %v\n%s%s", h.name, script, err, stdout.String(), stderr.String())
	}
	return stdout.String()
}

// Write writes a file of the host, with its folders.
func (h *Host) Write(ctx context.Context, path string, body []byte, mode uint32) {
	h.hosts.t.Helper()
	cmd := h.Command(ctx, "sh", "-euc", `mkdir -p "$(dirname "$1")"; umask 077; cat >"$1"; chmod "$2" "$1"`, "write", path, fmt.Sprintf("%o", mode))
	cmd.Stdin = bytes.NewReader(body)
	if out, err := cmd.CombinedOutput(); err != nil {
		h.hosts.t.Fatalf("host %s: write %s: %v\n%s", h.name, path, err, out)
	}
}
