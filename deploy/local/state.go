package local

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
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

func (e *Engine) folder(id string) string     { return filepath.Join(e.o.Folder, id) }
func (e *Engine) file(id, name string) string { return filepath.Join(e.o.Folder, id, name) }

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
