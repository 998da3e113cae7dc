package main

import (
	"bufio"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// report is everything that 'jobs status' shows.
type report struct {
	// Note says that the job launched last failed at once, and that this is another.
	Note string `json:"note,omitempty"`
	// Job is nil for a place without a record.
	Job *listed `json:"job,omitempty"`
	// Engine is what the engine reports, EngineTrouble why it reports nothing.
	Engine        *engineReport `json:"engine,omitempty"`
	EngineTrouble string        `json:"engine_trouble,omitempty"`
	// Progress is read from the output. It is nil before the first rank has written
	// there, and if this machine cannot see the output. Trouble says which.
	Progress *output.Progress `json:"progress,omitempty"`
	Trouble  string           `json:"progress_trouble,omitempty"`
	// Store counts the trouble with reading the output.
	Store *storeReport `json:"store,omitempty"`

	// Failing says why the job was stopped if too many of its images fail.
	Failing string `json:"failing,omitempty"`

	// Check is what --check found.
	Check *checked `json:"check,omitempty"`

	now    time.Time
	bars   bool  // where the report goes, bars can be shown
	gone   bool  // the engine knows no such job
	unread error // why there is no progress
}

type engineReport struct {
	State    deploy.State `json:"state"`
	Reason   string       `json:"reason,omitempty"`
	ExitCode *int         `json:"exit_code,omitempty"`
	Started  *time.Time   `json:"started,omitempty"`
	Ended    *time.Time   `json:"ended,omitempty"`
	Where    string       `json:"where,omitempty"`
}

// storeReport counts the trouble with the place of the output since the first report.
type storeReport struct {
	Retries   int64 `json:"retries"`
	Throttled int64 `json:"throttled"`
	Stalls    int64 `json:"stalls"`
}

// over reports whether the report is final.
func (r *report) over() bool {
	if r.Progress != nil && r.Progress.Stage == output.Complete {
		return true
	}
	ended := r.gone || r.Engine != nil && r.Engine.State.Ended()
	return ended && (r.Progress == nil || r.Progress.Alive() == 0)
}

// inspector makes reports on one job.
type inspector struct {
	w        *watched // nil for a place without a record
	unopened error    // why w has no launcher
	unread   error    // why its output could not be opened
	out      store.Store
	observer *output.Observer

	failed  *int   // images of a complete job that was checked
	allowed string // how many of them may fail
}

func newJobsStatus() *cobra.Command {
	var asJSON, watch, check bool
	var maxErrors string
	var places placeFlags
	every := 2 * time.Second
	cmd := &cobra.Command{
		Use:   "status [JOB | OUT]",
		Short: "Show the progress of a job, by default the newest",
		Long: `status shows the state of a job on its engine, and its progress as read from the output:
images done, rate, time left, failures and what each rank does. A line shows the rate
since the start, as bars where the terminal takes UTF-8. status reads the output
even if the engine does not answer. For a job that is not on record, give the place of
its result. Without any name it is the job launched last. Of a folder of runs, such as
--after takes, it lists the runs, the newest last: their images, how many of them were new
or had changed, how many failed, and when they were complete.

The stage of a job is listing, scoring, stopped (it is not complete, and no rank is at
work), checking, complete or retrying. A rank that starts is at work once it has loaded
its model; until then the engine knows more, if the job was launched.

` + checkHelp + `

` + placesHelp,
		Example: `  batchscore jobs status --watch
  batchscore jobs status --check --json az://acme/labels/2019`,
		Args: atMostOne("JOB or OUT"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if maxErrors != "" && !check {
				return usagef("--max-errors needs --check")
			}
			if _, err := judge.ParseLimits(maxErrors); err != nil {
				return usagef("--max-errors: %v", err)
			}
			if every < 100*time.Millisecond {
				return usagef("--every %v: more often than every 0.1s is too often for the storage", every)
			}
			var r report
			in, err := inspect(cmd, firstArg(args), places)
			if err == nil && in.w == nil && !check && !watch {
				runs, err := listRuns(cmd.Context(), in.out)
				switch {
				case err != nil:
					return err
				case len(runs) > 0:
					return printRuns(cmd.OutOrStdout(), runs, asJSON)
				}
			}
			switch {
			case err != nil:
			case watch:
				r, err = in.watch(cmd, every, asJSON)
			default:
				r, err = in.look(cmd.Context())
			}
			switch {
			case check && err == nil:
				err = in.addCheck(context.WithoutCancel(cmd.Context()), &r, maxErrors)
			case check: // without a report there is a verdict all the same
				r.Check = newChecked(err)
			case err != nil:
				return err
			}
			var printed error
			switch {
			case watch && asJSON && check:
				printed = json.NewEncoder(cmd.OutOrStdout()).Encode(&r)
			case !watch && (asJSON || !r.now.IsZero()):
				printed = r.print(cmd.OutOrStdout(), asJSON)
			}
			return cmp.Or(err, printed)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON; with --watch one object per line")
	cmd.Flags().BoolVarP(&watch, "watch", "w", false, "continue until the job has ended: a live screen in a terminal, lines elsewhere")
	cmd.Flags().DurationVar(&every, "every", every, "with --watch: report once per `DURATION`")
	cmd.Flags().BoolVar(&check, "check", false, "let the exit code say how the job is: 0 only if it is complete")
	cmd.Flags().StringVar(&maxErrors, "max-errors", "",
		"with --check: exit with code 3 if more than `N` images or N% of them failed (default as the job was launched)")
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	return cmd
}

// print prints the report as text, or as JSON.
func (r *report) print(w io.Writer, asJSON bool) error {
	if asJSON {
		return printJSON(w, r)
	}
	terminal := isTerminal(w)
	r.bars = terminal && utf8Locale(os.Getenv)
	_, err := fmt.Fprintln(w, strings.Join(r.lines(widthOf(w), 0), "\n"))
	return err
}

// inspect finds what arg names: a job on record, or the place of a result.
func inspect(cmd *cobra.Command, arg string, places placeFlags) (*inspector, error) {
	isPlace := !isLocal(arg) || filepath.IsAbs(arg) || arg != filepath.Base(arg) && arg != ""
	if !isPlace {
		w, unopened, err := findJob(cmd, arg)
		if err == nil {
			w.places = places
			in := &inspector{w: w, unopened: unopened, unread: w.openOutput()}
			if in.out = w.out; in.out != nil {
				in.observer = output.Observe(in.out)
			}
			return in, nil
		}
		if !errors.Is(err, record.ErrNone) || arg == "" || !isOutput(arg) {
			return nil, err
		}
	}
	st, err := places.open("OUT", arg)
	if err != nil {
		return nil, err
	}
	return &inspector{out: st, observer: output.Observe(st)}, nil
}

// look asks the engine and reads the output. Trouble with either is in the report,
// except for a place without a record, where trouble is an error.
func (in *inspector) look(ctx context.Context) (report, error) {
	r := report{now: time.Now()}
	if in.w != nil {
		r.Note = in.w.note
		in.ask(ctx, &r)
	}
	if in.observer == nil {
		switch {
		case in.unread != nil:
			r.Trouble, r.unread = in.unread.Error(), in.unread
		case in.w.r.Job.Scores():
			r.Trouble = in.w.unseen()
		}
		return r, ctx.Err()
	}
	p, err := in.observer.Look(ctx)
	switch {
	case err == nil:
		r.Progress = &p
		if e := r.Engine; p.Stage == output.Stopped && e != nil && !e.State.Ended() {
			p.Stage = output.Scoring // its ranks are starting
		}
		r.bury()
		if endedFailing(&p) {
			stopped, err := failing(ctx, in.out)
			if err != nil {
				return r, err
			}
			if stopped != nil {
				r.Failing = redact(stopped.Error())
			}
		}
	case in.w == nil || ctx.Err() != nil:
		return report{}, err
	case errors.Is(err, store.ErrNotExist):
		r.Trouble = "no rank has written anything yet"
	default:
		r.Trouble, r.unread = err.Error(), err
	}
	if s, ok := store.StatsOf(in.out); ok {
		r.Store = &storeReport{Retries: s.Retries, Throttled: s.Throttled, Stalls: s.Stalls}
	}
	return r, nil
}

// clocksDiffer is how much the clocks of an engine and of a store may differ, where the
// engine's may be in whole seconds.
const clocksDiffer = 5 * time.Second

// bury corrects the progress of a job that has ended at its engine: ranks that were killed
// look alive until their last sign is two minutes old. A rank that has given a sign since
// then belongs to another job with the same output.
func (r *report) bury() {
	e, p := r.Engine, r.Progress
	if e == nil || !e.State.Ended() || e.Ended == nil || p == nil || p.Alive() == 0 {
		return
	}
	for i := range p.Ranks {
		if rank := &p.Ranks[i]; !rank.Sign.After(e.Ended.Add(clocksDiffer)) {
			rank.Alive = false
		}
	}
	if p.Alive() == 0 && (p.Stage == output.Scoring || p.Stage == output.Checking) {
		p.Stage, p.Rate, p.LeftSeconds, p.History = output.Stopped, 0, 0, nil
	}
}

// ask adds what the record and the engine say to the report.
func (in *inspector) ask(ctx context.Context, r *report) {
	rec := in.w.r
	j := newListed(&rec)
	r.Job = &j
	if in.unopened != nil {
		r.EngineTrouble = in.unopened.Error()
		return
	}
	ctx, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	s, err := in.w.l.Status(ctx, rec.ID)
	r.gone = errors.Is(err, deploy.ErrNoJob)
	switch {
	case r.gone && rec.Phase == record.Launching:
		r.EngineTrouble = rec.Engine + " never got the job: the launcher ended before; launch it again"
	case r.gone && rec.Phase == record.Refused:
		r.EngineTrouble = rec.Engine + " did not take the job"
	case err != nil:
		r.EngineTrouble = err.Error()
	default:
		r.Engine = &engineReport{State: s.State, Reason: s.Reason, ExitCode: s.ExitCode, Where: s.Where, Started: knownTime(s.Started), Ended: knownTime(s.Ended)}
		r.Job.State = string(s.State)
	}
}

// knownTime returns nil for the zero time.
func knownTime(t time.Time) *time.Time {
	if t.IsZero() {
		return nil
	}
	return &t
}

// isOutput reports whether a folder on this machine is the output of a job.
func isOutput(folder string) bool {
	_, err := os.Stat(filepath.Join(folder, filepath.FromSlash(output.Folder)))
	return err == nil
}

// fetchLabels writes the labels of a complete scoring job to a folder.
func (w *watched) fetchLabels(ctx context.Context, folder string) error {
	if !w.r.Job.Scores() {
		return nil
	}
	if err := w.openOutput(); err != nil {
		return err
	}
	if w.out == nil {
		printf(w.stderr, "batchscore: no labels were fetched: %s\n", w.unseen())
		return nil
	}
	s, err := output.ReadSuccess(ctx, w.out)
	if errors.Is(err, store.ErrNotExist) {
		printf(w.stderr, "batchscore: the labels are not complete yet, see: batchscore jobs status %s\n", shellquote.Quote(w.r.ID))
		return nil
	}
	if err != nil {
		return err
	}
	format, err := row.ParseFormat(string(s.Format))
	if err != nil {
		return fmt.Errorf("%w: %s of %s: %w", output.ErrMismatch, output.SuccessName, w.out, err)
	}
	name := "labels." + string(format)
	file := filepath.Join(folder, name)
	root, err := os.OpenRoot(folder)
	if err != nil {
		return config(err)
	}
	defer root.Close()
	err = atomicfile.WriteIn(root, name, 0o666, func(to io.Writer) error {
		b := bufio.NewWriterSize(to, 1<<20)
		if err := output.Merge(ctx, w.out, b, output.MergeOptions{Format: s.Format}); err != nil {
			return err
		}
		return b.Flush()
	})
	if err == nil {
		_, err = printf(w.stdout, "%s: %d rows\n", file, s.CollectionSize())
	}
	return err
}
