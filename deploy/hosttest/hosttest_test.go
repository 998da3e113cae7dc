package hosttest_test

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy/hosttest"
	"github.com/batchscore/batchscore/deploy/local/proc"
)

// TestHosts checks what the package promises of two hosts.
func TestHosts(t *testing.T) {
	shared, readOnly, unseen := t.TempDir(), t.TempDir(), t.TempDir()
	hosts := hosttest.Start(t, hosttest.Plan{Names: []string{"north", "south"}, Shared: []string{shared}, ReadOnly: []string{readOnly}})
	north, south := hosts.Host("north"), hosts.Host("south")
	ctx := t.Context()
	on := func(h *hosttest.Host, script, want string) {
		t.Helper()
		if got := strings.TrimSpace(h.Run(ctx, script)); got != want {
			t.Errorf("on %s, %s: %q, want %q", h.Name(), script, got, want)
		}
	}
	on(north, "hostname; id -un; pwd; ssh south hostname", "north\nroot\n/root\nsouth")
	on(north, "ssh "+south.Address()+" 'echo $SSH_CLIENT | cut -d\" \" -f1'", north.Address())

	// Files.
	on(north, "touch /home/x /tmp/x /var/x /root/x /run/x /etc/x /dev/shm/x "+shared+"/x; ls "+unseen+" 2>&1 | grep -c 'No such'", "1")
	on(south, "ls -d /home/x /tmp/x /var/x /root/x /run/x /etc/x /dev/shm/x "+shared+"/x 2>/dev/null || :", shared+"/x")
	on(north, "touch /usr/x 2>/dev/null || touch "+readOnly+"/x 2>/dev/null || echo read-only", "read-only")
	for _, path := range []string{"/home/x", "/etc/x", "/run/x", "/dev/shm/x"} {
		if _, err := os.Lstat(path); err == nil {
			t.Errorf("%s is on this machine, too", path)
		}
	}

	// Processes.
	on(north, "sleep 1000 >/dev/null 2>&1 & until pgrep -x sleep >/dev/null; do :; done; pgrep -x sleep | wc -l", "1")
	on(south, "pgrep -x sleep | wc -l", "0")

	// The network.
	const silent, reached = "timeout 1 ssh -o ConnectTimeout=20 %s true || echo $?", "timeout 60 ssh %s true && echo yes"
	hosts.Cut("north", "south")
	on(north, fmt.Sprintf(silent, "south"), "124")
	on(south, fmt.Sprintf(silent, "north"), "124")
	hosts.Join("north", "south")
	on(north, fmt.Sprintf(reached, "south"), "yes")
	stalled := north.Command(ctx, "ssh", "south", "while echo x; do sleep 0.02; done")
	var got counter
	stalled.Stdout = &got
	if err := stalled.Start(); err != nil {
		t.Fatal(err)
	}
	got.grows(t)
	hosts.Isolate("south")
	// What was on its way arrives, and then nothing for ten times the host's interval.
	before := -1
	for tries := 0; got.count() != before; tries++ {
		if tries == 300 {
			t.Fatal("bytes arrive from a host that is cut off")
		}
		before = got.count()
		time.Sleep(200 * time.Millisecond)
	}
	hosts.Rejoin("south")
	got.grows(t)

	// Loss, first with a reset and then without.
	south.Kill()
	if err := stalled.Wait(); err == nil {
		t.Error("the connection to a killed host did not end")
	}
	// The kernel takes the host's network away a moment after its processes, and answers
	// for them until then.
	on(north, `i=0; while [ "$(`+fmt.Sprintf(silent, "south")+`)" != 124 ] && [ $i -lt 60 ]; do i=$((i + 1)); sleep 1; done; [ $i -lt 60 ] && echo silent`,
		"silent")
	south.Start()
	on(south, "ls /home/x /tmp/x 2>/dev/null || echo none", "none")
	on(south, "touch /home/y /tmp/y", "")
	waiting := north.Command(ctx, "ssh", "south", "sleep 1000")
	if err := waiting.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- waiting.Wait() }()
	time.Sleep(300 * time.Millisecond)
	south.Lose()
	select {
	case err := <-ended:
		t.Errorf("the connection to a lost host ended at once: %v", err)
	case <-time.After(300 * time.Millisecond):
	}
	south.Start()
	on(south, "ls /home/y /tmp/y 2>/dev/null || :", "/home/y")
	on(north, fmt.Sprintf(reached, "south"), "yes")
}

// counter counts the bytes of a stream.
type counter struct {
	mu sync.Mutex
	n  int
}

func (c *counter) Write(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.n += len(p)
	return len(p), nil
}

func (c *counter) count() int {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.n
}

// grows waits until more has arrived.
func (c *counter) grows(t *testing.T) {
	t.Helper()
	before := c.count()
	for end := time.Now().Add(30 * time.Second); c.count() == before; time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatal("nothing arrives")
		}
	}
}

// TestKilledTest kills a test that has started hosts, and checks that nothing of them is
// left.
func TestKilledTest(t *testing.T) {
	hosttest.Need(t)
	const marker = "HOSTTEST_MARKER"
	if os.Getenv(marker) != "" {
		hosts := hosttest.Start(t, hosttest.Plan{Names: []string{"east"}})
		cmd := hosts.Host("east").Command(context.Background(), "sh", "-c", "setsid sleep 1000 & echo started; wait")
		cmd.Stdout = os.Stdout
		cmd.Env = append(cmd.Env, marker+"="+os.Getenv(marker))
		_ = cmd.Run() // this process is killed meanwhile
		return
	}
	mark := marker + "=" + filepath.Base(t.TempDir()) + t.Name()
	cmd := exec.Command(os.Args[0], "-test.run=^TestKilledTest$")
	cmd.Env = append(os.Environ(), mark)
	stdout, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Wait() }() // killed
	defer func() { _ = cmd.Process.Kill() }()
	text := make([]byte, 0, 1000)
	for !bytes.Contains(text, []byte("started")) {
		n, err := stdout.Read(text[len(text):cap(text)])
		if err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		text = text[:len(text)+n]
	}
	if left := with(t, mark); left < 3 {
		t.Fatalf("%d processes have %s, want at least those of the test, the command and the session", left, mark)
	}
	if err := cmd.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	_ = cmd.Wait() // killed
	for end := time.Now().Add(30 * time.Second); with(t, mark) > 0; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%d processes of the killed test are left", with(t, mark))
		}
	}
}

// with returns the number of processes with a variable.
func with(t *testing.T, variable string) int {
	t.Helper()
	found, err := proc.With(variable)
	if err != nil {
		t.Fatal(err)
	}
	return len(found)
}
