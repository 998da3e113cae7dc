package slurm

import (
	"context"
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
// The log appears once the job has started.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	ended := func(ctx context.Context) (bool, error) {
		status, err := e.Status(ctx, id)
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

// failedRanks returns which ranks srun saw fail since the job last started,
// according to the log.
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
	}
	return strings.Join(failed, "; ")
}
