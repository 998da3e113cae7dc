package local

import (
	"context"
	"os"
	"path/filepath"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local/proc"
)

// killDelay is how long mpirun gets to end its ranks after SIGTERM.
const killDelay = 10 * time.Second

// Cancel asks the ranks to stop and waits until they have, at most for the grace
// period. Then it ends them.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	status, err := e.Status(ctx, id)
	if err != nil || status.State.Ended() {
		return err
	}
	if err := os.MkdirAll(e.folder(id), 0o700); err != nil {
		return err
	}
	if err := os.WriteFile(e.file(id, canceledFile), nil, 0o600); err != nil {
		return err
	}
	if done, err := e.signal(ctx, id, syscall.SIGUSR1, time.Duration(e.o.Grace)); done || err != nil {
		return err
	}
	if done, err := e.signal(ctx, id, syscall.SIGTERM, killDelay); done || err != nil {
		return err
	}
	running, err := e.processes(id)
	for _, p := range running {
		_ = syscall.Kill(p.PID, syscall.SIGKILL) // it may have ended by now
	}
	return err
}

// signal sends a signal to the job's mpirun, once that runs, and waits until the
// job has ended or the time is up.
func (e *Engine) signal(ctx context.Context, id string, s syscall.Signal, limit time.Duration) (done bool, err error) {
	sent := false
	w := watch{e: e, id: id}
	return deploy.PollFor(ctx, limit, poll, func(ctx context.Context) (bool, error) {
		if done, err := w.ended(ctx); done || err != nil || sent {
			return done, err
		}
		running, err := e.processes(id)
		if err != nil {
			return false, err
		}
		pid, found := mpirunAmong(running, e.o.Mpirun)
		if found {
			_ = syscall.Kill(pid, s) // it may have ended by now
		}
		sent = found
		return false, nil
	})
}

// mpirunAmong returns the job's mpirun. It is the innermost one, since mpirun may be
// a script that runs another.
func mpirunAmong(all []proc.Process, program string) (pid int, found bool) {
	names := map[string]bool{"mpirun": true, "mpiexec": true, "orterun": true, "prterun": true}
	base := filepath.Base(program)
	names[base[:min(len(base), 15)]] = true
	outer := map[int]bool{}
	for _, p := range all {
		if names[p.Name] {
			outer[p.Parent] = true
		}
	}
	for _, p := range all {
		if names[p.Name] && !outer[p.PID] {
			return p.PID, true
		}
	}
	return 0, false
}
