package deploy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"sync"
	"syscall"
	"time"
)

// Local starts the ranks on this machine with Open MPI's mpirun.
type Local struct {
	// Mpirun is the program to use; "mpirun" from the path when empty.
	Mpirun         string
	Stdout, Stderr io.Writer
}

// ExitStatus is mpirun's exit status when it is not zero. It is one of the
// ranks' own codes if a rank ended by itself, and 128 plus a signal if one was
// killed.
type ExitStatus struct {
	Code int
	// Ranks are those that mpirun named as having failed, in its order.
	Ranks []int
}

func (e *ExitStatus) Error() string {
	switch len(e.Ranks) {
	case 0:
		return fmt.Sprintf("mpirun ended with status %d and named no rank", e.Code)
	case 1:
		return fmt.Sprintf("rank %d failed; mpirun ended with status %d", e.Ranks[0], e.Code)
	}
	return fmt.Sprintf("ranks %v failed; mpirun ended with status %d", e.Ranks, e.Code)
}

func (e *ExitStatus) Unwrap() error { return ErrRankFailed }

// Argv is the command line that Launch runs.
func (l Local) Argv(ranks int, command []string) []string {
	argv := []string{l.mpirun(), "-np", strconv.Itoa(ranks),
		// By default mpirun ties each of two or fewer ranks to one core; the
		// worker divides the node's cores among its ranks by itself.
		"--bind-to", "none",
		// Whether there are more ranks than cores is the user's choice.
		"--oversubscribe"}
	if os.Geteuid() == 0 {
		argv = append(argv, "--allow-run-as-root")
	}
	return append(argv, command...)
}

func (l Local) mpirun() string {
	if l.Mpirun == "" {
		return "mpirun"
	}
	return l.Mpirun
}

// killDelay is how long mpirun has to take its ranks down once ctx has ended.
const killDelay = 5 * time.Second

// Launch starts all ranks and returns when all of them have ended. When stop is
// closed it asks the ranks to drain; when ctx ends it kills them. A nil error
// means that mpirun saw no rank fail, which is not evidence that the job is
// done. mpirun runs in a process group of its own, so
// that a Ctrl-C of the terminal reaches the ranks as a request to drain and not
// as the end of mpirun: on a SIGTERM of its own it would kill the ranks before
// they had drained, whereas SIGUSR1 it passes on.
func (l Local) Launch(ctx context.Context, ranks int, command []string, stop <-chan struct{}) error {
	if _, err := exec.LookPath(l.mpirun()); err != nil {
		return fmt.Errorf("%w: %s is not on the PATH; install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin)",
			ErrNoEngine, l.mpirun())
	}
	argv := l.Argv(ranks, command)
	watch := &rankWatch{w: l.Stderr}
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Stdout, cmd.Stderr = l.Stdout, watch
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return cmd.Process.Signal(syscall.SIGTERM) }
	cmd.WaitDelay = killDelay
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start %s: %w", argv[0], err)
	}
	ended := make(chan struct{})
	var forwarder sync.WaitGroup
	forwarder.Go(func() {
		select {
		case <-stop:
			// mpirun may end at this very moment; then there is nobody to ask.
			_ = cmd.Process.Signal(syscall.SIGUSR1)
		case <-ended:
		}
	})
	err := cmd.Wait()
	close(ended)
	forwarder.Wait()
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code := exit.ExitCode()
		if ws, ok := exit.Sys().(syscall.WaitStatus); ok && ws.Signaled() {
			code = 128 + int(ws.Signal())
		}
		return &ExitStatus{Code: code, Ranks: watch.ranks}
	}
	return err
}

// rankWatch passes mpirun's standard error on and remembers the ranks that it
// reports as failed.
type rankWatch struct {
	w     io.Writer
	rest  []byte
	ranks []int
}

// Open MPI 4 names a killed rank as "process rank 1 with PID 77 on node h
// exited on signal 9", and one that ended with a status other than zero as
// "Process name: [[61,1],3]".
var failedRank = regexp.MustCompile(`process rank (\d+) with PID|Process name: \[\[\d+,\d+\],(\d+)\]`)

func (r *rankWatch) Write(p []byte) (int, error) {
	r.rest = append(r.rest, p...)
	for {
		i := bytes.IndexByte(r.rest, '\n')
		if i < 0 {
			break
		}
		if m := failedRank.FindSubmatch(r.rest[:i]); m != nil {
			digits := m[1]
			if len(digits) == 0 {
				digits = m[2]
			}
			if n, err := strconv.Atoi(string(digits)); err == nil {
				r.ranks = append(r.ranks, n)
			}
		}
		r.rest = r.rest[i+1:]
	}
	return r.w.Write(p)
}
