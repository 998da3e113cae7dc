package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
)

// errStillGoing means that a job is neither done nor stopped.
var errStillGoing = errors.New("still going")

// checkHelp explains the exit codes of 'jobs status --check'.
const checkHelp = `With --check, the exit code says how the job is, for monitors:
  0    complete
  3    complete, but more images failed than --max-errors allows
  4    complete, but images were added, removed or changed since they were listed;
       only for a job launched with --strict-drift
  5    still going: a rank runs on this machine or has written to the output within
       two minutes, or its engine says that the job runs or waits for machines
  10   damaged: a record or a part is missing, or not what was written
  75   stopped before it was complete, so start it again; or its storage or engine
       does not answer
  78   it cannot run as configured, or there is no such job or output
A job that failed with 10, 11, 64 or 78 and is not complete has that exit code. To say
that a job is complete, it reads every part and compares their digests with those in
_SUCCESS; 'batchscore verify' compares each row with the images, too. A job
with a command of its own has 0, 5, 75 or, if it failed, 1.`

// check returns nil if a job is complete, else an error whose exit code says how it is.
// maxErrors overrides what the job was launched with.
func (in *inspector) check(ctx context.Context, r *report, maxErrors string) error {
	if p := r.Progress; p != nil && (p.Stage == output.Complete || p.Stage == output.Retrying) {
		return in.judge(ctx, maxErrors)
	}
	if in.w != nil && !in.w.r.Job.Scores() {
		return in.checkCommand(r)
	}
	how := r.line()
	e := r.Engine
	switch {
	case r.Progress != nil && r.Progress.Stage != output.Stopped && (e == nil || !e.State.Ended()),
		r.Progress != nil && r.Progress.Alive() > 0,
		e != nil && !e.State.Ended():
		return fmt.Errorf("%w: %s", errStillGoing, how)
	case e != nil && e.ExitCode != nil && slices.Contains(deploy.FinalCodes, *e.ExitCode):
		return marked{errors.New(how), &deploy.ExitStatus{By: r.Job.Engine, Code: *e.ExitCode}}
	case r.gone && in.w.r.Phase == record.Refused:
		return config(errors.New(how))
	case r.unread != nil && r.Progress == nil:
		return cmp.Or(r.unread, in.unread)
	case e == nil && in.w != nil && !r.gone && in.unopened == nil && r.Progress == nil:
		return marked{errors.New(how), deploy.ErrUnreachable}
	}
	return marked{errors.New(how + "; start it again to continue"), output.ErrIncomplete}
}

// judge judges a complete result as the run did that finished it.
func (in *inspector) judge(ctx context.Context, maxErrors string) error {
	strict := false
	if in.w != nil {
		run := in.w.r.Job.Run
		maxErrors, strict = cmp.Or(maxErrors, run["max-errors"]), run["strict-drift"] == "true"
	}
	threshold, err := scorer.ParseThreshold(maxErrors)
	if err != nil {
		return usagef("--max-errors: %v", err)
	}
	job, err := output.ExistingJob(ctx, in.out)
	if err != nil {
		return err
	}
	s, err := output.ReadSuccess(ctx, in.out)
	if err != nil {
		return err
	}
	if err := output.Intact(ctx, in.out, s); err != nil {
		return err
	}
	return scorer.Verdict(&job, s, in.out.String(), threshold, strict)
}

// checkCommand judges a job with a command of its own by what its engine reports.
func (in *inspector) checkCommand(r *report) error {
	how := r.line()
	switch {
	case r.Engine == nil && !r.gone && in.unopened == nil:
		return marked{errors.New(how), deploy.ErrUnreachable}
	case r.Engine == nil:
		return config(errors.New(how))
	case r.Engine.State == deploy.Succeeded:
		return nil
	case !r.Engine.State.Ended():
		return fmt.Errorf("%w: %s", errStillGoing, how)
	case r.Engine.State == deploy.Canceled:
		return marked{errors.New(how), output.ErrIncomplete}
	}
	return errors.New(how)
}
