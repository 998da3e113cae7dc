package slurm

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"

	"github.com/batchscore/batchscore/deploy"
)

// label is what srun --label puts in front of a rank's line.
var label = regexp.MustCompile(`^ *([0-9]+): `)

// Logs writes the lines of the script and of the ranks, each with its rank in front.
// The log appears once the job has started. It can be read, and followed, while Slurm does
// not answer.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	ended := func(ctx context.Context) (bool, error) {
		status, err := e.Status(ctx, id)
		if errors.Is(err, deploy.ErrUnreachable) && ctx.Err() == nil {
			if _, unwritten := os.Stat(e.logFile(id)); follow || unwritten == nil {
				return !follow, nil
			}
		}
		return status.State.Ended() || !follow, err
	}
	return deploy.FollowLog(ctx, e.logFile(id), e.poll, ended, func(line []byte) error {
		_, err := w.Write(label.ReplaceAll(line, []byte("rank $1 | ")))
		return err
	})
}

// Fetch writes the log of the job into the folder.
func (e *Engine) Fetch(ctx context.Context, id, folder string) error {
	return deploy.SaveLog(ctx, e, id, folder)
}

// failedTask matches how srun reports ranks: "srun: error: node7: tasks 0-1,5: Exited
// with exit code 10".
var failedTask = regexp.MustCompile(`^srun: error: ([^:]+): tasks? ([-0-9,]+): (.*)$`)

// lostNode matches how srun reports a node that Slurm has given up.
var lostNode = regexp.MustCompile(`^srun: error: Node failure on (.*)$`)

// failedRanks returns which ranks srun saw fail, and which nodes it saw lost, since the job
// last started, according to the log.
func (e *Engine) failedRanks(id string) string {
	text, err := os.ReadFile(e.logFile(id))
	if err != nil {
		return ""
	}
	var failed []string
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "batchscore: start ") {
			failed = nil
		}
		if m := failedTask.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			failed = append(failed, fmt.Sprintf("rank %s on %s failed: %s", m[2], m[1], m[3]))
		}
		if m := lostNode.FindStringSubmatch(strings.TrimSpace(line)); m != nil {
			failed = append(failed, fmt.Sprintf("node %s was lost", m[1]))
		}
	}
	return strings.Join(failed, "; ")
}
