package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local/proc"
)

// What lies in the folder of a job.
const (
	scriptFile    = "run.sh"   // runs the job and keeps how it ended
	agentFile     = "agent"    // reaches a host for mpirun
	placementFile = "hosts"    // which ranks run where
	startedFile   = "started"  // holds the machine's name; whoever creates it runs the job
	logFile       = "log"      // what mpirun and the ranks print
	canceledFile  = "canceled" // stands once the job was asked to stop
	exitFile      = "exit"     // mpirun's exit status
)

// poll is the time between two looks at the folder of a job that runs, and
// rarely how many of them it takes until its processes are looked for, which
// costs more.
const (
	poll   = 50 * time.Millisecond
	rarely = 20
)

// killDelay is how long mpirun has to end its ranks when it is told to.
const killDelay = 10 * time.Second

func (e *Engine) folder(id string) string     { return filepath.Join(e.o.Folder, id) }
func (e *Engine) file(id, name string) string { return filepath.Join(e.o.Folder, id, name) }

// script runs mpirun and keeps its exit status. Of several that were started
// for the same job the one that creates the file started goes on.
func (e *Engine) script(job deploy.Job, id string, hosts []host) ([]byte, error) {
	argv, err := e.argv(job, id, hosts)
	if err != nil {
		return nil, err
	}
	if job.TimeLimit > 0 {
		argv = append([]string{"timeout", "--foreground", "--signal=USR1",
			"--kill-after=" + seconds(e.o.Grace), seconds(job.TimeLimit)}, argv...)
	}
	return fmt.Appendf(nil, `#!/bin/sh
folder=${0%%/*}
(set -C; uname -n >"$folder/%s") 2>/dev/null || exit 0
%s
echo $? >"$folder/%s.new"
mv "$folder/%[3]s.new" "$folder/%[3]s"
`, startedFile, deploy.ShellLine(argv), exitFile), nil
}

// agent is the script with which mpirun reaches a host. It tells which host was
// not reached, or was lost: mpirun does not, if it hears of it from the agent
// first.
func (e *Engine) agent() []byte {
	return fmt.Appendf(nil, `#!/bin/sh
%s "$@"
code=$?
[ $code = 0 ] || echo "%s$1: the connection ended with status $code" >&2
exit $code
`, e.o.Agent, connectionEnded)
}

// connectionEnded is how the agent begins to tell that.
const connectionEnded = "batchscore: host "

// seconds is how timeout(1) takes a duration, rounded up.
func seconds(d deploy.Duration) string {
	return strconv.FormatInt(int64((time.Duration(d)+time.Second-1)/time.Second), 10)
}

// Submit starts mpirun in a session of its own, so that neither the end of this
// process nor Ctrl-C on its terminal reaches it, and returns when the job's
// script runs.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	hosts, err := e.hosts()
	if err != nil {
		return err
	}
	script, err := e.script(job, id, hosts)
	if err != nil {
		return err
	}
	if err := e.installed(); err != nil {
		return err
	}
	secrets, err := job.Resolve()
	if err != nil {
		return err
	}
	if err := os.MkdirAll(e.folder(id), 0o700); err != nil {
		return err
	}
	if exists(e.file(id, startedFile)) {
		return nil
	}
	job = job.WithDefaults()
	for name, body := range map[string][]byte{
		scriptFile: script, agentFile: e.agent(), placementFile: placement(hosts, job.Nodes, job.RanksPerNode),
	} {
		if err := os.WriteFile(e.file(id, name), body, 0o700); err != nil {
			return err
		}
	}
	log, err := os.OpenFile(e.file(id, logFile), os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	defer log.Close()
	cmd := exec.Command("/bin/sh", e.file(id, scriptFile))
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	cmd.Env = os.Environ()
	for _, values := range []map[string]string{job.Environment, secrets, {deploy.JobVariable: id}} {
		for name, value := range values {
			cmd.Env = append(cmd.Env, name+"="+value) // the last of a name holds
		}
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("start the script of job %s: %w", id, err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	for {
		if exists(e.file(id, startedFile)) {
			return nil
		}
		select {
		case <-tick.C:
		case err := <-ended:
			if exists(e.file(id, startedFile)) {
				return nil
			}
			return fmt.Errorf("the script of job %s did not start it: %v; see %s", id, err, log.Name())
		case <-ctx.Done():
			return ctx.Err()
		}
	}
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

// Status reads the folder of the job and, as long as it holds no exit status,
// looks for its processes.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	if status, err := e.ended(id); err != nil || status.State.Ended() {
		return status, err
	}
	running, err := e.processes(id)
	if err != nil {
		return deploy.Status{}, err
	}
	status := deploy.Status{State: deploy.Running, Where: "tail -f " + e.file(id, logFile)}
	machine, started, err := readWithTime(e.file(id, startedFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(running) == 0:
		return deploy.Status{}, fmt.Errorf("%s: %s: %w", Name, id, deploy.ErrNoJob)
	case errors.Is(err, fs.ErrNotExist):
		// The folder is gone or was never whole; the processes are there.
	case err != nil:
		return deploy.Status{}, err
	}
	status.Started = started
	if len(running) > 0 {
		if exists(e.file(id, canceledFile)) {
			status.State = deploy.Stopping
		}
		return status, nil
	}
	if here, err := os.Hostname(); err == nil && machine != "" && machine != here {
		return deploy.Status{}, fmt.Errorf("%s: job %s was started on %s: ask there: %w", Name, id, machine, deploy.ErrUnreachable)
	}
	// Between the two looks it may have ended.
	if status, err := e.ended(id); err != nil || status.State.Ended() {
		return status, err
	}
	status.State = e.unsuccessful(id)
	status.Reason = "it ended without an exit status: it was killed, or its machine was"
	return status, nil
}

// ended is the status of a job whose exit status is known, and zero for others.
func (e *Engine) ended(id string) (deploy.Status, error) {
	text, at, err := readWithTime(e.file(id, exitFile))
	if errors.Is(err, fs.ErrNotExist) {
		return deploy.Status{}, nil
	}
	if err != nil {
		return deploy.Status{}, err
	}
	code, err := strconv.Atoi(text)
	if err != nil {
		return deploy.Status{}, fmt.Errorf("%s: %s holds no exit status: %w", Name, e.file(id, exitFile), err)
	}
	status := deploy.Status{State: deploy.Succeeded, ExitCode: &code, Ended: at, Where: e.file(id, logFile)}
	if _, status.Started, err = readWithTime(e.file(id, startedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return deploy.Status{}, err
	}
	if code == 0 {
		return status, nil
	}
	status.State = e.unsuccessful(id)
	exit, err := e.failure(id, code)
	if err != nil {
		return deploy.Status{}, err
	}
	status.Reason = exit.Error()
	return status, nil
}

func (e *Engine) unsuccessful(id string) deploy.State {
	if exists(e.file(id, canceledFile)) {
		return deploy.Canceled
	}
	return deploy.Failed
}

// watch asks again and again whether a job has ended.
type watch struct {
	e     *Engine
	id    string
	looks int
}

func (w *watch) ended(ctx context.Context) (bool, error) {
	w.looks++
	if w.looks%rarely != 0 && !exists(w.e.file(w.id, exitFile)) {
		return false, nil
	}
	status, err := w.e.Status(ctx, w.id)
	return status.State.Ended(), err
}

// processes are those of the job on this machine.
func (e *Engine) processes(id string) ([]proc.Process, error) {
	found, err := proc.With(deploy.JobVariable + "=" + id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return found, nil
}

// mpirunAmong is the job's mpirun: the innermost one, since mpirun may be a
// script that runs another.
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

// readWithTime is the text of a small file, without white space around it, and
// the moment of its last change.
func readWithTime(path string) (string, time.Time, error) {
	body, err := os.ReadFile(path)
	if err != nil {
		return "", time.Time{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", time.Time{}, err
	}
	return strings.TrimSpace(string(body)), info.ModTime(), nil
}

// Cancel asks the ranks to stop and waits until they have, as long as the grace
// lasts; then it ends them.
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

// signal sends a signal to the job's mpirun, once that is there, and waits
// until the job has ended or the time is over.
func (e *Engine) signal(ctx context.Context, id string, s syscall.Signal, patience time.Duration) (done bool, err error) {
	over := time.NewTimer(patience)
	defer over.Stop()
	tick := time.NewTicker(poll)
	defer tick.Stop()
	sent := false
	for w := (watch{e: e, id: id}); ; {
		if done, err := w.ended(ctx); done || err != nil {
			return done, err
		}
		if !sent {
			running, err := e.processes(id)
			if err != nil {
				return false, err
			}
			pid, found := mpirunAmong(running, e.o.Mpirun)
			if found {
				_ = syscall.Kill(pid, s) // it may have ended by now
			}
			sent = found
		}
		select {
		case <-tick.C:
		case <-over.C:
			return false, nil
		case <-ctx.Done():
			return false, ctx.Err()
		}
	}
}
