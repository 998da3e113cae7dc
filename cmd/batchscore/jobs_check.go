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
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// errStillGoing means that a job is neither done nor stopped.
var errStillGoing = errors.New("still going")

// checkHelp explains the exit codes of 'jobs status --check'.
const checkHelp = `With --check, the exit code says how the job is, for monitors:
  0    complete
  3    complete, but more images failed than --max-errors allows, or than that of the
       command that completed the job
  4    complete, but images were added, removed or changed since they were listed;
       only for a job launched with --strict-drift
  5    still going: its engine says that the job runs or waits for machines, or a rank
       runs on this machine or has written to the output within two minutes, and
       after the end of the job, if the engine tells it
  6    stopped before it was complete, because too many images fail
  10   damaged: a record or a part is missing, or not what was written
  75   stopped before it was complete, so start it again; or its storage or engine
       does not answer
  78   it cannot run as configured, or there is no such job or output
A job that failed with 6, 10, 11, 64 or 78 and is not complete has that exit code. To say
that a job is complete, it reads every part and compares their digests with those in
_SUCCESS; 'batchscore verify' compares each row with the images, too. With --json, the
object "check" has the code, a verdict in words, the reason and, of a complete job, how
many images failed and how many may. A job
with a command of its own has 0, 5, 75 or, if it failed, 1.`

// checked is what --check found, in JSON.
type checked struct {
	ExitCode int    `json:"exit_code"`
	Verdict  string `json:"verdict"`
	Reason   string `json:"reason,omitempty"`
	// Failed and MaxErrors, how many images failed and how many may, are known of
	// a complete job; of an increment they are about new and changed images.
	Failed    *int   `json:"failed,omitempty"`
	MaxErrors string `json:"max_errors,omitempty"`
}

// verdicts are the words for the exit codes of --check. 75 has two: see newChecked.
var verdicts = map[int]string{
	0: "complete", 3: "too many failed", 4: "images changed", 5: "still going", 6: output.EndFailing, 10: "damaged", 11: "other options",
	64: "wrong usage", 75: "no answer", 78: "wrong configuration",
}

// newChecked returns what --check found: err, as check returned it.
func newChecked(err error) *checked {
	c := &checked{ExitCode: exitCode(err, nil)}
	c.Verdict = cmp.Or(verdicts[c.ExitCode], "failed")
	if errors.Is(err, output.ErrIncomplete) {
		c.Verdict = "stopped"
	}
	if err != nil {
		c.Reason = redact(err.Error())
	}
	return c
}

// addCheck adds to the report what check finds, and returns the error of check.
func (in *inspector) addCheck(ctx context.Context, r *report, maxErrors string) error {
	err := in.check(ctx, r, maxErrors)
	if p := r.Progress; p != nil && errors.Is(err, output.ErrMismatch) {
		p.Stage = output.Broken
	}
	r.Check = newChecked(err)
	r.Check.Failed, r.Check.MaxErrors = in.failed, in.allowed
	return err
}

// check returns nil if a job is complete, else an error whose exit code says how it is.
// maxErrors overrides what the job was launched with.
func (in *inspector) check(ctx context.Context, r *report, maxErrors string) error {
	if p := r.Progress; p != nil && (p.Stage == output.Complete || p.Stage == output.Retrying) {
		return in.judge(ctx, r, maxErrors)
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
	case r.Failing != "":
		return marked{errors.New(how), scorer.ErrFailing}
	case e != nil && e.ExitCode != nil && slices.Contains(deploy.FinalCodes, *e.ExitCode):
		return marked{errors.New(how), &deploy.ExitStatus{By: r.Job.Engine, Code: *e.ExitCode}}
	case in.w != nil && in.w.r.Phase == record.Refused:
		return config(errors.New(how))
	case r.unread != nil && r.Progress == nil:
		return cmp.Or(r.unread, in.unread)
	case e == nil && in.w != nil && !r.gone && in.unopened == nil && r.Progress == nil:
		return marked{errors.New(how), deploy.ErrUnreachable}
	}
	return marked{errors.New(how + "; start it again to continue"), output.ErrIncomplete}
}

// judge judges a complete result as the run did that finished it.
func (in *inspector) judge(ctx context.Context, r *report, maxErrors string) error {
	strict := false
	if in.w != nil {
		run := in.w.r.Job.Run
		maxErrors, strict = cmp.Or(maxErrors, run["max-errors"]), run["strict-drift"] == "true"
	}
	if _, err := judge.ParseLimits(maxErrors); err != nil {
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
	threshold, err := judge.ParseLimits(cmp.Or(maxErrors, s.MaxErrors))
	if err != nil {
		return err
	}
	retries, err := output.ReadRetries(ctx, in.out)
	switch unsettled := retries.Publishing && s.Generation() < retries.Complete; {
	case err != nil:
		return err
	case unsettled && r.Progress.Alive() > 0:
		return fmt.Errorf("%w: the rows of retry %d are being put into the parts", errStillGoing, retries.Complete)
	case unsettled: // nothing proves the parts until it is done
		return fmt.Errorf("%w: the rows of retry %d are in some parts of %s and not in others; run the job again to finish that",
			output.ErrIncomplete, retries.Complete, in.out)
	}
	images, statuses := s.Judged()
	failed := row.Failed(statuses)
	if job.Increments() {
		threshold = threshold.OfIncrement()
	}
	in.failed, in.allowed = &failed, threshold.Of(job.MaxErrors, images)
	if err := output.Intact(ctx, in.out, s); err != nil {
		return err
	}
	if err := output.CheckSources(ctx, in.out, &job); err != nil {
		return err
	}
	if in.w != nil && in.w.r.ExitCode == 75 { // of a complete result: its file of all rows was not written
		in.w.out = in.out
		if err := in.w.unmerged(ctx, &s, nil); err != nil {
			return err
		}
	}
	if strict && in.drifted(r) {
		// The result was complete before this job, whose ranks listed the images again.
		return errors.Join(scorer.Verdict(&job, s, in.out.String(), threshold, false),
			fmt.Errorf("%w when the job ended (--strict-drift)", scorer.ErrDrifted))
	}
	return scorer.Verdict(&job, s, in.out.String(), threshold, strict)
}

// drifted reports whether the launch of a job, or its ranks, ended with exit code 4.
func (in *inspector) drifted(r *report) bool {
	e := r.Engine
	return in.w.r.Phase == record.Done && completeCode(&in.w.r) == 4 || e != nil && e.ExitCode != nil && *e.ExitCode == 4
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
