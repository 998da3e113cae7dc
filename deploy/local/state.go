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
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// Files in the folder of a job.
const (
	scriptFile    = "run.sh"   // runs the job and writes its exit status
	agentFile     = "agent"    // reaches a host for mpirun
	placementFile = "hosts"    // which ranks run where
	startedFile   = "started"  // the machine's name; the script that creates it runs the job
	logFile       = "log"      // what mpirun and the ranks print
	canceledFile  = "canceled" // exists once the job was asked to stop
	exitFile      = "exit"     // mpirun's exit status
)

// Logs are the names of the files in a job's folder that say what became of it. The others
// may hold the environment of the ranks.
var Logs = []string{startedFile, placementFile, logFile, canceledFile, exitFile}

// poll is the time between two looks at the folder of a running job. At every
// rarely-th look its processes are looked for, too, which costs more.
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

// Status reads the folder of the job and, while there is no exit status in it, looks
// for the job's processes.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	if status, err := e.ended(id); err != nil || status.State.Ended() {
		return status, err
	}
	running, err := e.processes(id)
	if err != nil {
		return deploy.Status{}, err
	}
	status := deploy.Status{State: deploy.Running, Where: "tail -f " + shellquote.Path(e.file(id, logFile))}
	machine, started, err := readWithTime(e.file(id, startedFile))
	switch {
	case errors.Is(err, fs.ErrNotExist) && len(running) == 0:
		return deploy.Status{}, fmt.Errorf("%s: %s: %w", Name, id, deploy.ErrNoJob)
	case errors.Is(err, fs.ErrNotExist):
		// The folder is gone or was never complete, but there are processes.
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
		return deploy.Status{}, fmt.Errorf("%s: job %s was started on %s: look there: %w", Name, id, machine, deploy.ErrUnreachable)
	}
	// Between the two looks it may have ended.
	if status, err := e.ended(id); err != nil || status.State.Ended() {
		return status, err
	}
	status.State = e.unsuccessful(id)
	status.Reason = "it ended without an exit status: it was killed, or its machine went down"
	return status, nil
}

// ended returns the status of a job whose exit status is known, and a zero Status
// for others.
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
		return deploy.Status{}, fmt.Errorf("%s: there is no exit status in %s: %w", Name, e.file(id, exitFile), err)
	}
	status := deploy.Status{State: deploy.Succeeded, ExitCode: &code, Ended: at, Where: e.file(id, logFile)}
	if _, status.Started, err = readWithTime(e.file(id, startedFile)); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return deploy.Status{}, err
	}
	if code == 0 {
		return status, nil
	}
	status.State = e.unsuccessful(id)
	if status.State == deploy.Canceled {
		status.Reason = "it was asked to stop"
		return status, nil
	}
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

// watch finds out whether a job has ended, at little cost if it is asked often.
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

// processes returns those of the job on this machine.
func (e *Engine) processes(id string) ([]proc.Process, error) {
	found, err := proc.With(deploy.JobVariable + "=" + id)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", Name, err)
	}
	return found, nil
}

// readWithTime returns the text of a small file, without white space around it, and
// the time of its last change.
func readWithTime(path string) (string, time.Time, error) {
	body, err := deploy.ReadSmall(path)
	if err != nil {
		return "", time.Time{}, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return "", time.Time{}, err
	}
	return strings.TrimSpace(string(body)), info.ModTime(), nil
}
