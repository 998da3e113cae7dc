// Package sshtest gives tests hosts that are reached through ssh. Each has its own name
// and is a port of the loopback interface with a real sshd.
package sshtest

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/deploy/local/proc"
)

// Hosts are hosts that a test can reach, and lose.
type Hosts struct {
	// Config is an ssh configuration with the hosts and the user's key, for ssh -F.
	Config string

	sshd, serverConfig string
	hosts              map[string]*host
}

type host struct {
	listener net.Listener
	mu       sync.Mutex
	sessions []int // process IDs of sshd
	served   sync.WaitGroup
}

// Start starts hosts with these names, which run until the test ends.
func Start(t testing.TB, names ...string) *Hosts {
	t.Helper()
	h := &Hosts{sshd: sshd(t), hosts: map[string]*host{}}
	folder := t.TempDir()
	in := func(name string) string { return filepath.Join(folder, name) }
	for _, key := range []string{"host", "user"} {
		if out, err := exec.Command("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", in(key)).CombinedOutput(); err != nil {
			t.Fatalf("ssh-keygen: %v\n%s", err, out)
		}
	}
	if os.Geteuid() == 0 {
		// The folder that sshd needs for its unprivileged process, if root starts it.
		if err := os.MkdirAll("/run/sshd", 0o755); err != nil {
			t.Fatal(err)
		}
	}
	h.Config, h.serverConfig = in("config"), in("sshd_config")
	write(t, h.serverConfig, fmt.Sprintf(`HostKey %s
AuthorizedKeysFile %s
StrictModes no
UsePAM no
PasswordAuthentication no
PermitRootLogin prohibit-password
`, in("host"), in("user.pub")))
	hostKey, err := os.ReadFile(in("host.pub"))
	if err != nil {
		t.Fatal(err)
	}
	var config, known strings.Builder
	for _, name := range names {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		one := &host{listener: listener}
		h.hosts[name] = one
		port := listener.Addr().(*net.TCPAddr).Port
		fmt.Fprintf(&config, "Host %s\n HostName 127.0.0.1\n Port %d\n", name, port)
		fmt.Fprintf(&known, "[127.0.0.1]:%d %s", port, hostKey)
		one.served.Go(func() { h.serve(one) })
		t.Cleanup(func() { h.Lose(t, name) })
	}
	write(t, in("known_hosts"), known.String())
	fmt.Fprintf(&config, "Host *\n IdentityFile %s\n IdentitiesOnly yes\n UserKnownHostsFile %s\n BatchMode yes\n",
		in("user"), in("known_hosts"))
	write(t, h.Config, config.String())
	return h
}

// sshd returns the path of the server. In CI a missing one fails the test.
func sshd(t testing.TB) string {
	t.Helper()
	for _, name := range []string{"sshd", "/usr/sbin/sshd", "/usr/local/sbin/sshd"} {
		if path, err := exec.LookPath(name); err == nil && filepath.IsAbs(path) {
			return path
		}
	}
	if os.Getenv("CI") != "" {
		t.Fatal("sshd is missing: deploy/deps/fetch.sh cluster")
	}
	t.Skip("sshd is missing: deploy/deps/fetch.sh cluster")
	return ""
}

func write(t testing.TB, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

// serve runs an sshd for each connection until the host is closed.
func (h *Hosts) serve(one *host) {
	for {
		conn, err := one.listener.Accept()
		if err != nil {
			return
		}
		socket, err := conn.(*net.TCPConn).File()
		if err == nil {
			cmd := exec.Command(h.sshd, "-i", "-f", h.serverConfig)
			cmd.Stdin, cmd.Stdout = socket, socket
			one.mu.Lock()
			if err = cmd.Start(); err == nil {
				one.sessions = append(one.sessions, cmd.Process.Pid)
				one.served.Go(func() { _ = cmd.Wait() })
			}
			one.mu.Unlock()
			_ = socket.Close() // the child has its own
		}
		_ = conn.Close() // sshd has its own; without one the client reports it
	}
}

// Lose ends a host and everything that runs on it, like a power failure.
func (h *Hosts) Lose(t testing.TB, name string) {
	t.Helper()
	one := h.hosts[name]
	_ = one.listener.Close() // it may be closed already
	one.mu.Lock()
	sessions := one.sessions
	one.mu.Unlock()
	all, err := proc.All()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range proc.Below(all, sessions...) {
		_ = syscall.Kill(p, syscall.SIGKILL) // it may have ended by now
	}
	one.served.Wait()
}
