package slurm

import (
	"context"
	"errors"
	"os"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// Submit gives the job to sbatch, unless Slurm has it already.
func (e *Engine) Submit(ctx context.Context, job deploy.Job, id string) error {
	script, err := e.script(job, id)
	if err != nil {
		return err
	}
	if _, err := e.Status(ctx, id); !errors.Is(err, deploy.ErrNoJob) {
		return err
	}
	// Secrets from files are read on a node.
	sent := deploy.Job{Secrets: map[string]deploy.Secret{}}
	for _, name := range secretsFrom(job, "env") {
		sent.Secrets[name] = job.Secrets[name]
	}
	values, err := sent.Resolve()
	if err != nil {
		return err
	}
	var env []string
	for name, value := range values {
		env = append(env, name+"="+value)
	}
	if err := os.MkdirAll(e.o.Folder, 0o700); err != nil {
		return err
	}
	_, err = run(ctx, env, script, sbatch...)
	return err
}

// canceled is the comment of a job that was asked to stop.
const canceled = "batchscore:canceled"

// Cancel asks the ranks to commit what they are working on and waits until the job
// has ended, at most for the grace period. Then it lets Slurm end the job.
func (e *Engine) Cancel(ctx context.Context, id string) error {
	j, err := e.find(ctx, id)
	if err != nil {
		return err
	}
	if j.lost != "" {
		return e.end(ctx, id, &j)
	}
	if j.number == "" || j.status.State.Ended() {
		return nil
	}
	// From here on the script does not requeue it.
	if _, err := run(ctx, nil, nil, "scontrol", "update", "JobId="+j.number, "Requeue=0", "Comment="+canceled); err != nil {
		return e.unlessEnded(ctx, id, err)
	}
	if j.status.State != deploy.Queued {
		if _, err := run(ctx, nil, nil, "scancel", "--signal=USR1", j.number); err != nil {
			return e.unlessEnded(ctx, id, err)
		}
		ended, err := deploy.PollFor(ctx, time.Duration(e.o.Grace), e.poll, func(ctx context.Context) (bool, error) {
			j, err := e.find(ctx, id)
			if errors.Is(err, deploy.ErrUnreachable) {
				err = nil // the ranks are stopping all the same
			}
			return j.status.State.Ended() && j.lost == "", err
		})
		if ended || err != nil {
			return err
		}
	}
	_, err = run(ctx, nil, nil, "scancel", j.number)
	return e.unlessEnded(ctx, id, err)
}

// unlessEnded returns nil if the job has ended meanwhile, and otherwise err.
func (e *Engine) unlessEnded(ctx context.Context, id string, err error) error {
	if err == nil {
		return nil
	}
	if j, later := e.find(ctx, id); later == nil && j.status.State.Ended() && j.lost == "" {
		return nil
	}
	return err
}
