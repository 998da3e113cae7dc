package budget

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"strconv"
	"syscall"
	"testing"
	"time"
)

// turnOf is the environment variable that makes this program another process which has the
// turn of that name of the user turnUser: it prints a line once it has it, and ends with its
// standard input.
const (
	turnOf   = "BATCHSCORE_TEST_TURN_OF"
	turnUser = "BATCHSCORE_TEST_TURN_USER"
	turnDeaf = "BATCHSCORE_TEST_TURN_DEAF" // not empty: it listens to nobody
)

func TestMain(m *testing.M) {
	name := os.Getenv(turnOf)
	if name == "" {
		os.Exit(m.Run())
	}
	user, err := strconv.Atoi(os.Getenv(turnUser))
	if err == nil && os.Getenv(turnDeaf) != "" {
		var fd int
		if fd, err = syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0); err == nil {
			err = syscall.Bind(fd, &syscall.SockaddrUnix{Name: turnAddress(user, name).Name})
		}
	} else if err == nil {
		_, err = net.ListenUnix("unix", turnAddress(user, name))
	}
	fmt.Println("has its turn:", err)
	_, _ = os.Stdin.Read(make([]byte, 1))
	os.Exit(0)
}

// holdTurn starts a process of a user that has this user's turn. It is killed after the test.
func holdTurn(t *testing.T, name string, as uint32, deaf string) *exec.Cmd {
	t.Helper()
	cmd := exec.Command("/proc/self/exe") // its folder may be closed to other users
	cmd.Env = []string{turnOf + "=" + name, fmt.Sprintf("%s=%d", turnUser, os.Getuid()), turnDeaf + "=" + deaf}
	if as != uint32(os.Getuid()) {
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: as, Gid: as}}
	}
	if _, err := cmd.StdinPipe(); err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Kill() // it may have been killed
		_ = cmd.Wait()         // says so
	})
	line, err := bufio.NewReader(out).ReadString('\n')
	if line != "has its turn: <nil>\n" {
		t.Fatalf("%q, %v", line, err)
	}
	return cmd
}

// TestTurn tests that of several processes with one name only one has its turn.
func TestTurn(t *testing.T) {
	name := fmt.Sprintf("test-turn-%d", os.Getpid())
	first, second, other := Turn(name), Turn(name), Turn(name+"-of-another-job")
	done, err := first(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 3*turnPoll)
	defer cancel()
	if _, err := second(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("two have their turn at once: %v", err)
	}
	if done, err := other(t.Context()); err != nil {
		t.Errorf("another job waits as well: %v", err)
	} else {
		done()
	}
	done()
	if done, err := second(t.Context()); err != nil {
		t.Error(err)
	} else {
		done()
	}
}

// TestTurnOfKilledProcess kills the process that has the turn: the next has it at once.
func TestTurnOfKilledProcess(t *testing.T) {
	name := fmt.Sprintf("test-killed-%d", os.Getpid())
	holder := holdTurn(t, name, uint32(os.Getuid()), "")
	turn := Turn(name)
	ctx, cancel := context.WithTimeout(t.Context(), 3*turnPoll)
	defer cancel()
	if _, err := turn(ctx); !errors.Is(err, context.DeadlineExceeded) {
		t.Fatalf("two processes have their turn at once: %v", err)
	}
	has := make(chan error, 1)
	go func() {
		done, err := turn(t.Context())
		if err == nil {
			done()
		}
		has <- err
	}()
	if err := holder.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-has:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(turnPatience / 5):
		t.Error("the turn of a process that was killed has no end")
	}
}

// TestTurnTakenByOthers takes the name as another user, and without listening: neither makes
// the images of this user wait.
func TestTurnTakenByOthers(t *testing.T) {
	const nobody = 65534
	for _, test := range []struct {
		name, deaf string
		as         uint32
	}{
		{name: "another user", as: nobody},
		{name: "another user who does not listen", as: nobody, deaf: "yes"},
		{name: "a process that does not listen", as: uint32(os.Getuid()), deaf: "yes"},
	} {
		t.Run(test.name, func(t *testing.T) {
			if os.Getuid() != 0 && test.as == nobody {
				t.Skip("only root can start a process of another user")
			}
			name := fmt.Sprintf("test-others-%d-%d-%s", os.Getpid(), test.as, test.deaf)
			holdTurn(t, name, test.as, test.deaf)
			ctx, cancel := context.WithTimeout(t.Context(), turnPatience/5)
			defer cancel()
			done, err := Turn(name)(ctx)
			if err != nil {
				t.Fatal(err)
			}
			done()
		})
	}
}
