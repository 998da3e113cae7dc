package slurm

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// found is a job at Slurm.
type found struct {
	number string // Slurm's own; empty if Slurm has forgotten the job
	status deploy.Status
	// host is where the script of a running job runs, nodes are all nodes of the job.
	host, nodes string
	// lost is host if it was lost and all ranks have ended. Slurm still calls the job running,
	// and the job holds its other nodes.
	lost string
}

// Status asks squeue, then accounting, then reads the file that the script leaves. While
// Slurm does not answer, that file says that the job has ended, and how.
func (e *Engine) Status(ctx context.Context, id string) (deploy.Status, error) {
	j, err := e.find(ctx, id)
	return j.status, err
}

// inQueue asks squeue.
func (e *Engine) inQueue(ctx context.Context, id string) (found, bool, error) {
	text, err := run(ctx, nil, nil, "squeue", "--noheader", "--states=all", "--sort=i", "--name="+id, mine(),
		"--Format=JobID:|,State:|,Reason:|,exit_code:|,StartTime:|,EndTime:|,Comment:|,BatchHost:|,NodeList:|")
	if err != nil {
		return found{}, false, err
	}
	return parseQueue(text)
}

func (e *Engine) find(ctx context.Context, id string) (found, error) {
	j, known, err := e.inQueue(ctx, id)
	if errors.Is(err, deploy.ErrUnreachable) {
		if j, known, wrong := e.left(id); wrong == nil && known && j.status.ExitCode != nil {
			return j, nil
		}
	}
	if err != nil {
		return found{}, err
	}
	e.orphaned(ctx, id, &j)
	var silent error
	if !known {
		j, known, silent = e.accounting(ctx, id)
		// Accounting may hear of an end after the queue has forgotten the job.
		if !known || !j.status.State.Ended() {
			var l found
			var there bool
			if l, there, err = e.left(id); !known || there && l.status.ExitCode != nil {
				j, known = l, there
			}
		}
	}
	switch {
	case err != nil:
		return found{}, err
	case !known && silent != nil:
		return found{}, fmt.Errorf("%s: %s is not in the queue, and accounting cannot say whether it was: %w", Name, id, silent)
	case !known:
		return found{}, fmt.Errorf("%s: %s: %w", Name, id, deploy.ErrNoJob)
	case silent != nil && j.status.ExitCode == nil:
		j.status.Reason += fmt.Sprintf("; accounting cannot say how it ended: %v", silent)
	}
	switch code := j.status.ExitCode; {
	case code == nil:
	case *code == 0 && j.status.State != deploy.Succeeded:
		j.status.ExitCode = nil // the job was ended before it had one
	case *code != 0 && j.status.State == deploy.Succeeded:
		j.status.State = deploy.Failed
		j.status.Reason = fmt.Sprintf("Slurm calls it completed, but its exit code is %d", *code)
	}
	j.status.Where = "tail -f " + e.logFile(id)
	if j.number != "" && (j.lost != "" || !j.status.State.Ended()) {
		j.status.Where = "squeue --job " + j.number
	}
	if s := &j.status; s.State == deploy.Failed || s.State == deploy.Canceled {
		w := e.why(id)
		w.explain(s)
	}
	return j, nil
}

// mine is the option for this user's jobs only: others may have jobs of the same name.
func mine() string { return "--user=" + strconv.Itoa(os.Getuid()) }

// states are Slurm's words for the states of a job.
var states = map[string]deploy.State{
	"PENDING": deploy.Queued, "CONFIGURING": deploy.Queued, "REQUEUED": deploy.Queued, "REQUEUE_FED": deploy.Queued,
	"REQUEUE_HOLD": deploy.Queued, "SPECIAL_EXIT": deploy.Queued, "RESV_DEL_HOLD": deploy.Queued,
	"RUNNING": deploy.Running, "SUSPENDED": deploy.Running, "STOPPED": deploy.Running, "RESIZING": deploy.Running,
	"SIGNALING": deploy.Stopping, "STAGE_OUT": deploy.Stopping, "COMPLETING": deploy.Stopping,
	"COMPLETED": deploy.Succeeded, "CANCELLED": deploy.Canceled,
	"BOOT_FAIL": deploy.Failed, "DEADLINE": deploy.Failed, "FAILED": deploy.Failed, "NODE_FAIL": deploy.Failed,
	"OUT_OF_MEMORY": deploy.Failed, "PREEMPTED": deploy.Failed, "REVOKED": deploy.Failed, "TIMEOUT": deploy.Failed,
}

func parseState(word string) (deploy.State, error) {
	word, _, _ = strings.Cut(word, " ") // CANCELLED by 1000
	if state, known := states[word]; known {
		return state, nil
	}
	return "", fmt.Errorf("%s: unknown state %q", Name, word)
}

// parseQueue reads what squeue prints about one job. If several have its name, the
// last one counts: a job is submitted again only if Slurm has lost it.
func parseQueue(text string) (found, bool, error) {
	text = strings.TrimSpace(text)
	if text == "" {
		return found{}, false, nil
	}
	fields := strings.Split(text[strings.LastIndexByte(text, '\n')+1:], "|")
	if len(fields) < 7 {
		return found{}, false, fmt.Errorf("%s: squeue printed %q", Name, text)
	}
	state, err := parseState(fields[1])
	if err != nil {
		return found{}, false, err
	}
	j := found{number: fields[0], status: deploy.Status{State: state}}
	if len(fields) >= 9 && fields[1] == "RUNNING" {
		j.host, j.nodes = fields[7], fields[8]
	}
	if fields[2] != "None" {
		j.status.Reason = fields[2]
	}
	asked := fields[6] == canceled
	switch {
	case state.Ended():
		wait, err := strconv.Atoi(fields[3])
		if err != nil {
			return found{}, false, fmt.Errorf("%s: squeue printed the exit status %q", Name, fields[3])
		}
		code, _ := exitCode(wait>>8&0xff, wait&0x7f)
		j.status.ExitCode = &code
		if asked && state == deploy.Failed {
			j.status.State = deploy.Canceled
		}
		if host, is := strings.CutPrefix(fields[6], lost); is {
			j.status.State, j.status.Reason, j.status.ExitCode = deploy.Failed, lostReason(host), nil
		}
	case asked && state == deploy.Running:
		j.status.State = deploy.Stopping
	}
	if state == deploy.Queued {
		j.status.Reason = whyHeld(j.number, fields[1], j.status.Reason)
	} else {
		j.status.Started = parseTime(fields[4])
	}
	if state.Ended() {
		j.status.Ended = parseTime(fields[5])
	}
	return j, true, nil
}

// whyHeld returns the reason for which a job waits, and if Slurm does not start it before it is
// released, how that is done.
func whyHeld(number, state, reason string) string {
	switch {
	case reason == "JobHeldAdmin":
		return reason + ": Slurm starts it once an administrator has released it: scontrol release " + number
	case state == "REQUEUE_HOLD", state == "SPECIAL_EXIT", state == "RESV_DEL_HOLD", strings.HasPrefix(reason, "JobHold"),
		strings.Contains(strings.ToLower(reason), "held"):
		return cmp.Or(reason, state) + ": Slurm does not start it before it is released: scontrol release " + number
	}
	return reason
}

// parseTime reads seconds since 1970. Anything else, such as N/A, is the zero time.
func parseTime(text string) time.Time {
	seconds, err := strconv.ParseInt(text, 10, 64)
	if err != nil {
		return time.Time{}
	}
	return time.Unix(seconds, 0)
}

// accounting looks for a job that has left the queue. The error says that accounting does
// not answer now. Not every cluster keeps accounts, so any other only means that nothing
// is known.
func (e *Engine) accounting(ctx context.Context, id string) (found, bool, error) {
	text, err := run(ctx, nil, nil, "sacct", "--noheader", "--parsable2", "--allocations", "--name="+id, mine(),
		"--starttime=now-365days", "--format=JobIDRaw,State,ExitCode,Start,End")
	if errors.Is(err, deploy.ErrUnreachable) {
		return found{}, false, err
	}
	if err != nil {
		return found{}, false, nil
	}
	j, known := parseAccount(text)
	return j, known, nil
}

// parseAccount reads what sacct prints about one job, whose last line counts.
func parseAccount(text string) (found, bool) {
	text = strings.TrimSpace(text)
	fields := strings.Split(text[strings.LastIndexByte(text, '\n')+1:], "|")
	if len(fields) != 5 {
		return found{}, false
	}
	state, err := parseState(fields[1])
	if err != nil {
		return found{}, false
	}
	j := found{status: deploy.Status{State: state, Reason: fields[1], Started: parseTime(fields[3]), Ended: parseTime(fields[4])}}
	var status, signal int
	if _, err := fmt.Sscanf(fields[2], "%d:%d", &status, &signal); err == nil && state.Ended() {
		if code, ok := exitCode(status, signal); ok {
			j.status.ExitCode = &code
		}
	}
	return j, true
}

// exitCode returns the exit code of a script that ended with a status or by a signal. It
// reports whether there are such.
func exitCode(status, signal int) (code int, ok bool) {
	if status&^0xff != 0 || signal&^0x7f != 0 {
		return 0, false
	}
	if signal != 0 {
		return 128 + signal, true
	}
	return status, true
}

// left returns what the job itself has left in the folder.
func (e *Engine) left(id string) (found, bool, error) {
	log, err := os.Stat(e.logFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return found{}, false, nil
	}
	if err != nil {
		return found{}, false, err
	}
	j := found{status: deploy.Status{State: deploy.Failed, Reason: "Slurm has forgotten it, and it left no exit status", Ended: log.ModTime()}}
	text, err := deploy.ReadSmall(e.exitFile(id))
	if errors.Is(err, fs.ErrNotExist) {
		return j, true, nil
	}
	if err != nil {
		return found{}, false, err
	}
	code, err := strconv.Atoi(strings.TrimSpace(string(text)))
	if err != nil {
		return found{}, false, fmt.Errorf("%s: there is no exit status in %s: %w", Name, e.exitFile(id), err)
	}
	j.status.ExitCode, j.status.Reason = &code, ""
	if code == 0 {
		j.status.State = deploy.Succeeded
	}
	return j, true, nil
}
