package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// watched is a job on its engine, with its record.
type watched struct {
	l              deploy.Launcher
	book           record.Book
	r              record.Record
	places         placeFlags  // with which the output is opened
	out            store.Store // nil if this machine cannot see it
	stdout, stderr io.Writer
	log            *zerolog.Logger  // in JSON; nil if what happens is told as text
	joined         func(job string) // has the log name the job
	// note says that a launch after this one failed, if nobody asked for this one.
	note string
	// logs asks for all that the ranks print, on a terminal, too.
	logs bool
	// retries is how many retries the output had before the launch.
	retries int
	// before reports whether the output was complete before the launch.
	before bool
	// waits is what the engine said last of a job without output, when it was asked.
	waits string
	asked time.Time
	// unneeded is what launch cancels because nothing is left for it.
	unneeded unneeded
}

// reach returns how this machine reaches object storage for the job.
func (w *watched) reach() placeFlags {
	places := w.places
	places.endpoint = cmp.Or(places.endpoint, w.r.Endpoint)
	places.credentials = cmp.Or(places.credentials, w.r.Credentials)
	return places
}

// openOutput opens the output of a scoring job, if this machine sees it.
func (w *watched) openOutput() error {
	spec := seenFromHere(w.r.Engine, w.r.Job, w.r.Job.Out)
	if !w.r.Job.Scores() || spec == "" {
		return nil
	}
	// What was given for this command takes the place of what is on record.
	places := w.reach()
	var err error
	w.out, err = places.open("--out", spec)
	return err
}

// unseen returns why the output of a scoring job cannot be read from here.
func (w *watched) unseen() string {
	if w.r.Job.Schedule != "" {
		return "each run has a place of its own, " + w.r.Job.Out + ": name the place of a run"
	}
	return "the result is in " + w.r.Job.Out + ", which this machine cannot see"
}

// update records the phase and the outcome of the job.
func (w *watched) update(phase record.Phase, outcome string) error {
	w.r.Phase, w.r.Outcome = phase, outcome
	return w.book.Update(w.r)
}

// complete is the outcome of a job whose result is complete.
const complete = "complete"

// howTo returns the commands that work on the job.
func (w *watched) howTo() string {
	return fmt.Sprintf("  progress: batchscore jobs status --watch %[1]s\n"+
		"  output:   batchscore jobs logs -f %[1]s\n"+
		"  end it:   batchscore jobs cancel %[1]s\n", shellquote.Quote(w.r.ID))
}

// follow prints what the ranks print until the job has ended, then checks its result.
// When stop is closed, an engine that can do so drains its ranks; on others the job
// continues.
func (w *watched) follow(ctx context.Context, stop <-chan struct{}) error {
	status, err := w.toTheEnd(ctx, stop)
	if err != nil {
		return err
	}
	judging, cancel := context.WithCancel(ctx)
	defer cancel()
	select {
	case <-stop: // the ranks were drained; check what they committed
	default:
		go func() {
			select {
			case <-stop:
				cancel()
			case <-judging.Done():
			}
		}()
	}
	err = w.judge(judging, status)
	if err != nil && judging.Err() != nil {
		return marked{fmt.Errorf("the ranks have ended, but checking the result was interrupted: batchscore verify %s",
			shellquote.Path(w.r.Job.Out)), context.Canceled}
	}
	outcome := complete
	if err != nil {
		outcome, w.r.ExitCode = err.Error(), exitCode(err, nil)
	}
	return errors.Join(err, w.update(record.Done, outcome))
}

// toTheEnd follows the job and returns its last status.
func (w *watched) toTheEnd(ctx context.Context, stop <-chan struct{}) (status deploy.Status, err error) {
	stdout, stderr, end := w.followed(ctx, stop)
	defer func() { err = errors.Join(err, end()) }()
	if l, ok := w.l.(deploy.Waiter); ok {
		// The status says, too, that ranks failed.
		if err := l.Wait(ctx, w.r.ID, stdout, stderr, stop); err != nil && !errors.Is(err, deploy.ErrRankFailed) {
			return deploy.Status{}, err
		}
		return w.l.Status(ctx, w.r.ID)
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	go func() {
		select {
		case <-stop:
			cancel()
		case <-ctx.Done():
		}
	}()
	stdout, stderr = inTurn(stdout, stderr)
	announced := w.announce(ctx, stderr)
	logs := w.l.Logs(ctx, w.r.ID, stdout, true)
	told := announced()
	if logs != nil && ctx.Err() == nil && !errors.Is(logs, deploy.ErrNoJob) {
		w.say(stderr, event.OutputUnread, "cannot follow what the ranks print: "+printable.Line(logs.Error()))
	}
	status, err = w.ended(ctx, told)
	if err == nil && w.unneeded.canceled {
		status = deploy.Status{} // of a job that nothing was left for
	}
	if err != nil && ctx.Err() != nil {
		return status, marked{fmt.Errorf("stopped following; the job continues\n%s", strings.TrimSuffix(w.howTo(), "\n")), context.Canceled}
	}
	return status, err
}

// Pauses between two requests for the status of a job.
const (
	firstLook = 200 * time.Millisecond
	lastLook  = 15 * time.Second
)

// ended waits until the engine reports the end of the job. While the engine does not
// answer, a complete output ends the wait, too. Engines that remove a canceled job do not
// know it any more.
func (w *watched) ended(ctx context.Context, n *news) (deploy.Status, error) {
	for pause := firstLook; ; pause = min(2*pause, lastLook) {
		status, err := w.l.Status(ctx, w.r.ID)
		if ctx.Err() == nil {
			n.tell(status, err)
		}
		switch {
		case errors.Is(err, deploy.ErrUnreachable):
			if w.out == nil {
				break
			}
			if _, err := output.ReadSuccess(ctx, w.out); err == nil {
				return deploy.Status{}, nil
			}
		case errors.Is(err, deploy.ErrNoJob) && w.r.Phase == record.Submitted:
			return deploy.Status{State: deploy.Canceled}, nil
		case err == nil && status.State.Ended():
			return w.release(ctx, status), nil
		case err != nil:
			return status, err
		default:
			w.cancelUnneeded(ctx, status, n)
		}
		if err := deploy.Sleep(ctx, pause); err != nil {
			return status, err
		}
	}
}

// release has the engine take back the nodes that a job holds which has ended, and returns its
// status then. If that fails, the status that was known says what the job holds.
func (w *watched) release(ctx context.Context, status deploy.Status) deploy.Status {
	l, ok := w.l.(deploy.Releaser)
	if !ok {
		return status
	}
	released, err := l.Release(ctx, w.r.ID)
	switch {
	case err == nil && released.State.Ended():
		return released
	case err != nil && ctx.Err() == nil && !errors.Is(err, deploy.ErrNoJob):
		w.say(w.stderr, event.NodesKept, fmt.Sprintf("cannot give back the nodes of %s: %s", w.r.ID, printable.Line(err.Error())))
	}
	return status
}

// failure returns why the job failed, as the engine reports it, or nil if it did not.
func (w *watched) failure(status deploy.Status) error {
	exit := &deploy.ExitStatus{By: w.r.Engine}
	if status.ExitCode != nil {
		exit.Code = *status.ExitCode
	}
	var text string
	switch status.State {
	case deploy.Failed:
		text = cmp.Or(status.Reason, "the job failed on "+w.r.Engine)
	case deploy.Canceled:
		text = "the job was canceled"
		if !isWorkerCode(exit.Code) { // no rank had begun, or nobody knows how they ended
			exit.Code = stopCode(syscall.SIGTERM)
		}
	default:
		return nil
	}
	return marked{errors.New(text), exit}
}

// unretried returns what is missing from the retry that the job asked for, or nil.
func (w *watched) unretried(r *output.Report) error {
	chosen, err := row.ParseSelection(w.r.Job.Run["retry"], row.FailureStatuses())
	switch {
	case err != nil: // the job asked for none, or the ranks refused it
		return nil
	case r.Unfinished > 0:
		return fmt.Errorf("retry %d is not done", r.Unfinished)
	case r.Retries == w.retries && chosen.Count(r.Statuses) > 0:
		return fmt.Errorf("no image was scored again, and %d have the status %s", chosen.Count(r.Statuses), chosen)
	}
	return nil
}

// judge returns nil if a job that has ended succeeded. The output of a scoring job
// decides that, whatever the engine reports.
func (w *watched) judge(ctx context.Context, status deploy.Status) error {
	failed := w.failure(status)
	if !w.r.Job.Scores() {
		if failed == nil {
			return nil
		}
		return errors.New(failed.Error()) // its exit codes have another meaning
	}
	if w.out == nil {
		if failed != nil {
			return failed
		}
		w.say(w.stderr, event.ResultUnseen, fmt.Sprintf("%s reports success; %s: run 'batchscore verify' on one that can", w.r.Engine, w.unseen()))
		return nil
	}
	report, err := output.Verify(ctx, w.out)
	if err != nil {
		if failed == nil {
			return err
		}
		if errors.Is(err, store.ErrNotExist) {
			return failed // it ended before it wrote anything
		}
		return fmt.Errorf("%w (and the output could not be checked: %v)", failed, err)
	}
	unproven := proof(&report)
	if unproven == nil {
		unproven = w.unretried(&report)
	}
	switch {
	case unproven != nil && failed == nil:
		return fmt.Errorf("%w: %s reports success, but %v; launch it again to continue", output.ErrIncomplete, w.r.Engine, unproven)
	case unproven != nil && errors.Is(failed, deploy.ErrRankFailed) && exitCode(failed, nil) == 6:
		if stopped, err := failing(ctx, w.out); err != nil || stopped != nil {
			return cmp.Or(stopped, err)
		}
		return failed
	case unproven != nil:
		next := "launch it again to continue"
		if slices.Contains(deploy.FinalCodes, exitCode(failed, nil)) {
			next = "launching it again does not help until that is fixed"
		}
		return fmt.Errorf("%w; %d of %d images have their row; %s", failed, report.Images-report.MissingImages, report.Images, next)
	}
	s, err := output.ReadSuccess(ctx, w.out)
	if err != nil {
		return err
	}
	if code := exitCode(failed, nil); code == 10 || code == 11 {
		return fmt.Errorf("%w; %s holds the complete result of a job with other options", failed, w.out)
	}
	// The number of ranks is left out: earlier ones may have scored a part of it.
	printf(w.stdout, "Processed %d images, took %s%s\n",
		s.Images, telemetry.Timedelta(s.Ended.Sub(s.Started)), markOf(s.Simulated))
	seen := seenFromHere(w.r.Engine, w.r.Job, w.r.Job.Out)
	if w.before { // what _SUCCESS says of the images is old, and a rank has said what is new
		s.Drift = nil
	}
	// All ranks have ended, so all have said what they scored in vain.
	if err := s.CountWorkers(ctx, w.out); err != nil {
		return err
	}
	unmerged, merged := w.unmerged(ctx, &s, failed), ""
	if unmerged == nil {
		merged = w.r.Job.Run["merge"]
	}
	sayResult(w.stdout, seen, merged, &s)
	if w.log != nil {
		w.joined(s.Job)
		logResult(*w.log, seen, &s)
	}
	if err := unmerged; err != nil {
		return err
	}
	switch {
	case status.ExitCode != nil && *status.ExitCode == 4:
		return fmt.Errorf("%w (--strict-drift)", scorer.ErrDrifted)
	case status.ExitCode != nil && *status.ExitCode == 3:
		images, statuses := s.Judged()
		return fmt.Errorf("%w: %d of %d (%s): %s", scorer.ErrTooManyFailed, row.Failed(statuses), images,
			row.TallyFailures(statuses), output.ShowCommand(seen, statuses))
	case failed != nil:
		// A rank failed after others had taken over its chunks. The job is
		// complete all the same.
		w.say(w.stderr, event.RanksFailed, fmt.Sprintf("%v, but the result is complete", failed))
	}
	return nil
}
