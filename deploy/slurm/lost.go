package slurm

import (
	"context"
	"regexp"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// lost is the start of the comment of a job that was ended because its first node, on which
// the script ran, was lost. The name of the node follows.
const lost = "batchscore:lost:"

// orphaned looks whether a running job has lost its first node. With --no-kill Slurm takes
// that node from the job, whose other ranks continue, and the job never ends: nothing is left
// that reports its end. Once these ranks have ended, the job has, too, and holds its nodes
// until end ends it. What Slurm does not say for certain changes no status.
func (e *Engine) orphaned(ctx context.Context, id string, j *found) {
	if j.host == "" || firstNode(j.nodes) == j.host {
		return
	}
	// Nodes need not be listed in the order of their names.
	has, err := run(ctx, nil, nil, "squeue", "--noheader", "--jobs="+j.number, "--nodelist="+j.host, "--Format=JobID")
	if err != nil || strings.TrimSpace(has) != "" {
		return
	}
	steps, err := run(ctx, nil, nil, "squeue", "--noheader", "--steps", "--jobs="+j.number, "--Format=StepID")
	if err != nil {
		return
	}
	node, err := run(ctx, nil, nil, "scontrol", "--oneliner", "show", "node", j.host)
	if err != nil || !withoutJob(node, j.status.Started) {
		return
	}
	// All this is about a job that may have ended meanwhile, or begun again.
	if now, _, err := e.inQueue(ctx, id); err != nil || now != *j {
		return
	}
	if ranksStep.MatchString(steps) {
		j.status.Reason = "node " + j.host + ", on which the job's script ran, was lost; the other ranks continue"
		return
	}
	j.lost = j.host
	if j.status.State == deploy.Stopping { // it is canceled already
		j.status.State = deploy.Canceled
	} else {
		j.status.State, j.status.Reason = deploy.Failed, lostReason(j.host)
	}
	j.status.Reason += holds(id)
}

// holds is what the status says of a lost job that was not ended at Slurm.
func holds(id string) string {
	return "; at Slurm it holds its other nodes until 'batchscore jobs cancel " + id + "'"
}

// away matches the states of a node that runs no job.
var away = regexp.MustCompile(`^(?:DOWN|IDLE)|\*|NOT_RESPONDING`)

// withoutJob reports whether what scontrol shows of a node means that a job of that time does
// not run on it: the node is down, does not answer, is free, or has started since.
func withoutJob(node string, started time.Time) bool {
	n := nodeFields(node)
	return away.MatchString(n["State"]) || !started.IsZero() && parseTime(n["BootTime"]).After(started)
}

// Release implements deploy.Releaser: it ends a job at Slurm whose first node was lost and
// whose other ranks have ended.
func (e *Engine) Release(ctx context.Context, id string) (deploy.Status, error) {
	j, err := e.find(ctx, id)
	if err != nil || j.lost == "" {
		return j.status, err
	}
	if err := e.end(ctx, id, &j); err != nil {
		return j.status, err
	}
	j.status.Reason = strings.Replace(j.status.Reason, holds(id), "", 1)
	return j.status, nil
}

// end ends a lost job at Slurm.
func (e *Engine) end(ctx context.Context, id string, j *found) error {
	if j.status.State != deploy.Canceled {
		if _, err := run(ctx, nil, nil, "scontrol", "update", "JobId="+j.number, "Requeue=0", "Comment="+lost+j.lost); err != nil {
			return e.unlessEnded(ctx, id, err)
		}
		e.noteLost(id, j.lost)
	}
	_, err := run(ctx, nil, nil, "scancel", j.number)
	return e.unlessEnded(ctx, id, err)
}

func lostReason(host string) string {
	return "node " + host + ", on which the job's script ran, was lost, and the other ranks have ended"
}

// ranksStep matches the step of the ranks, which has a number. That of the script is called
// batch.
var ranksStep = regexp.MustCompile(`(?m)^\d+\.\d`)

// bracket matches what Slurm abbreviates in the names of several nodes, such as n[1-3,7].
var bracket = regexp.MustCompile(`\[(\w+)[^\]]*\]`)

// firstNode returns the first node in a list of Slurm.
func firstNode(list string) string {
	first, _, _ := strings.Cut(bracket.ReplaceAllString(list, "$1"), ",")
	return first
}
