package slurm

import (
	"context"
	"regexp"
	"strings"

	"github.com/batchscore/batchscore/deploy"
)

// lost is the start of the comment of a job that was ended because its first node, on which
// the script ran, was lost. The name of the node follows.
const lost = "batchscore:lost:"

// orphaned looks whether a running job has lost its first node. With --no-kill Slurm takes
// that node from the job, whose other ranks continue, and the job never ends: nothing is left
// that reports its end. Once these ranks have ended, orphaned ends the job.
func (e *Engine) orphaned(ctx context.Context, id string, j *found) error {
	if j.host == "" || firstNode(j.nodes) == j.host {
		return nil
	}
	// Nodes need not be listed in the order of their names.
	has, err := run(ctx, nil, nil, "squeue", "--noheader", "--jobs="+j.number, "--nodelist="+j.host, "--Format=JobID")
	if err != nil || strings.TrimSpace(has) != "" {
		return err
	}
	steps, err := run(ctx, nil, nil, "squeue", "--noheader", "--steps", "--jobs="+j.number, "--Format=StepID")
	if err != nil {
		return err
	}
	if ranksStep.MatchString(steps) {
		j.status.Reason = "node " + j.host + ", on which the job's script ran, was lost; the other ranks continue"
		return nil
	}
	if j.status.State == deploy.Stopping { // it is canceled already
		j.status.State = deploy.Canceled
	} else {
		if _, err := run(ctx, nil, nil, "scontrol", "update", "JobId="+j.number, "Requeue=0", "Comment="+lost+j.host); err != nil {
			return err
		}
		e.noteLost(id, j.host)
		j.status.State, j.status.Reason = deploy.Failed, lostReason(j.host)
	}
	_, err = run(ctx, nil, nil, "scancel", j.number)
	return err
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
