package slurm

import (
	"context"
	"errors"
	"io"
	"os"
	"regexp"

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
