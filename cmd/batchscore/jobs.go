package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/engines"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

func newJobs() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "jobs",
		Short: "List, watch, cancel and fetch launched jobs, and print their logs",
		Long: `jobs works on the record of the jobs that you launched from this machine. Name a job by
its ID, by a unique prefix of it, or by its name, which means the newest job of that
name. cancel refuses a name that several jobs have.`,
		Args: subcommandOnly,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newJobsList(), newJobsStatus(), newJobsExport(), newJobsLogs(), newJobsCancel(), newJobsFetch())
	return cmd
}

// openBook opens this user's record of jobs.
func openBook() (record.Book, error) {
	folder, err := record.Folder()
	if err != nil {
		return record.Book{}, config(err)
	}
	return record.Open(folder), nil
}

// findJob finds the recorded job that what names, or the newest one if what is "". If
// its engine cannot be opened as it was recorded, the launcher is nil and unopened
// says why.
func findJob(cmd *cobra.Command, what string) (w *watched, unopened, err error) {
	book, err := openBook()
	if err != nil {
		return nil, nil, err
	}
	r, err := book.Find(what)
	if err != nil {
		return nil, nil, err
	}
	w, unopened = onRecord(cmd, book, r)
	if f := book.LastFailure(); what == "" && f.At.After(r.Launched) {
		w.note = fmt.Sprintf("the last launch, %s ago, failed and is not on record: %s; this is the job before it", ago(time.Now(), f.At), f.Text)
	}
	return w, unopened, nil
}

// onRecord returns a recorded job on its engine. unopened is as for findJob.
func onRecord(cmd *cobra.Command, book record.Book, r record.Record) (w *watched, unopened error) {
	w = &watched{book: book, r: r, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr()}
	w.l, unopened = recorded(r)
	return w, unopened
}

// recorded opens the engine of a job as it was when the job was launched.
func recorded(r record.Record) (deploy.Launcher, error) {
	driver, known := engines.Find(r.Engine)
	if !known {
		return nil, fmt.Errorf("%w: job %s was launched on %q, which this batchscore does not know", deploy.ErrService, r.ID, r.Engine)
	}
	section, _, err := takePrice(r.Service)
	if err != nil {
		return nil, err
	}
	l, err := driver.Open(&section)
	if err != nil {
		return nil, config(fmt.Errorf("the settings of %s that job %s was launched with: %w", r.Engine, r.ID, err))
	}
	return l, nil
}

// listed is a job in the list.
type listed struct {
	ID       string    `json:"id"`
	Engine   string    `json:"engine"`
	Launched time.Time `json:"launched"`
	State    string    `json:"state"`
	// Outcome is "complete" if the result is and nothing is wrong with it, or what is
	// known to be wrong after the job has ended.
	Outcome string `json:"outcome,omitempty"`
	Images  string `json:"images,omitempty"`
	Out     string `json:"out,omitempty"`
}

func newListed(r *record.Record) listed {
	return listed{
		ID: r.ID, Engine: r.Engine, Launched: r.Launched, State: string(r.Phase), Outcome: r.Outcome, Images: r.Job.Images, Out: r.Job.Out,
	}
}

// answerTime is how long the list waits for the answer of an engine.
const answerTime = 10 * time.Second

func newJobsList() *cobra.Command {
	var asJSON bool
	limit := 20
	cmd := &cobra.Command{
		SuggestFor: []string{"ls", "ps"},
		Use:        "list",
		Short:      "List launched jobs, the newest first",
		Long: `list shows the launched jobs. It asks the engines for the state of those that were not
seen to end, and reads from the output whether its result is complete. Jobs started
with 'run' are not on record: see 'batchscore jobs status OUT'. On a narrow terminal some
columns are left out; --json has everything.`,
		Example: "  batchscore jobs list --limit 5",
		Args:    noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if limit < 1 {
				return invalid("limit", limit, "a number of jobs above zero")
			}
			book, err := openBook()
			if err != nil {
				return err
			}
			all, damaged := book.List()
			if damaged != nil {
				printf(cmd.ErrOrStderr(), "batchscore: %v\n", damaged)
			}
			more := max(len(all)-limit, 0)
			jobs := askAll(cmd.Context(), book, all[:len(all)-more])
			if asJSON {
				return printJSON(cmd.OutOrStdout(), jobs)
			}
			if len(jobs) == 0 {
				_, err := printf(cmd.OutOrStdout(), "no job is on record in %s\nfor a job started with 'run', see: batchscore jobs status OUT\n", book)
				return err
			}
			if err := printJobs(cmd.OutOrStdout(), jobs); err != nil {
				return err
			}
			if more > 0 {
				err = sayLine(cmd.OutOrStdout(), fmt.Sprintf("... and %d older, see --limit", more))
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print JSON")
	cmd.Flags().IntVar(&limit, "limit", limit, "show at most `N` jobs")
	return cmd
}

// printJobs prints a table of jobs. On a terminal that is too narrow for all of it, the
// columns that matter least are left out and paths are shortened, but IDs are whole.
func printJobs(w io.Writer, jobs []listed) error {
	shown := []struct {
		name string
		of   func(*listed) string
		// drop says in which order shown are left out; 0 is never.
		drop int
	}{
		{name: "JOB", of: func(j *listed) string { return j.ID }},
		{name: "ENGINE", drop: 2, of: func(j *listed) string { return j.Engine }},
		{name: "LAUNCHED", drop: 1, of: func(j *listed) string { return j.Launched.Local().Format("2006-01-02 15:04") }},
		{name: "STATE", of: func(j *listed) string { return printable.Field(j.State) }},
		{name: "IMAGES", drop: 4, of: func(j *listed) string { return printable.Field(j.Images) }},
		{name: "OUTPUT", drop: 3, of: func(j *listed) string { return printable.Field(j.Out) }},
	}
	g := newGrid(w)
	g.copied = 0
	for drop := 1; g.width > 0 && drop <= 4; drop++ {
		least := 0
		for _, c := range shown {
			widest := len(c.name)
			for i := range jobs {
				widest = max(widest, columns.Width(c.of(&jobs[i])))
			}
			if c.name != "JOB" {
				widest = min(widest, len(incomplete))
			}
			least += widest + len(gap)
		}
		if least-len(gap) <= g.width {
			break
		}
		for i, c := range shown {
			if c.drop == drop {
				shown = append(shown[:i], shown[i+1:]...)
				break
			}
		}
	}
	var names []string
	for _, c := range shown {
		names = append(names, c.name)
	}
	g.add(names...)
	for i := range jobs {
		var cells []string
		for _, c := range shown {
			cells = append(cells, c.of(&jobs[i]))
		}
		g.add(cells...)
	}
	return g.flush()
}

// askAll asks the engines of all jobs at once.
func askAll(ctx context.Context, book record.Book, records []record.Record) []listed {
	jobs := make([]listed, len(records))
	var asking sync.WaitGroup
	for i, r := range records {
		asking.Go(func() {
			ctx, cancel := context.WithTimeout(ctx, answerTime)
			defer cancel()
			jobs[i] = newListed(&r)
			jobs[i].State, jobs[i].Outcome = stateOf(ctx, book, r)
		})
	}
	asking.Wait()
	return jobs
}

// completeCodes are the exit codes of jobs that are complete and no success.
var completeCodes = []int{3, 4}

// completeCode returns which of these codes the launch of a job ended with, or 0. Older
// releases kept only what the launch said.
func completeCode(r *record.Record) int {
	for i, said := range []error{scorer.ErrTooManyFailed, scorer.ErrDrifted} {
		if code := completeCodes[i]; r.ExitCode == code || r.ExitCode == 0 && strings.HasPrefix(r.Outcome, said.Error()) {
			return code
		}
	}
	return 0
}

// incomplete is the state of a job that has ended without a complete result.
const incomplete = "ended, incomplete"

// stateOf returns the state of a job in a few words, and its outcome once it has ended.
func stateOf(ctx context.Context, book record.Book, r record.Record) (state, outcome string) {
	switch r.Phase {
	case record.Refused:
		return "refused", r.Outcome
	case record.Done:
		if r.Outcome == complete {
			return complete, complete
		}
		if code := completeCode(&r); code > 0 {
			return fmt.Sprintf("%s, exit %d", complete, code), r.Outcome
		}
		return incomplete, r.Outcome
	}
	l, err := recorded(r)
	if err != nil {
		return "unknown: " + firstLine(err.Error()), ""
	}
	status, err := l.Status(ctx, r.ID)
	switch {
	case errors.Is(err, deploy.ErrNoJob) && r.Phase == record.Launching:
		return "never reached " + r.Engine, ""
	case errors.Is(err, deploy.ErrNoJob):
		return "gone from " + r.Engine, ""
	case err != nil:
		return "unknown: " + firstLine(err.Error()), ""
	}
	w := &watched{l: l, book: book, r: r}
	if !status.State.Ended() || !r.Job.Scores() || w.openOutput() != nil || w.out == nil {
		return string(status.State), ""
	}
	// Nobody was there to check the result when the job ended.
	switch _, err := output.ReadSuccess(ctx, w.out); {
	case err == nil && status.ExitCode != nil && slices.Contains(completeCodes, *status.ExitCode):
		return fmt.Sprintf("%s, exit %d", complete, *status.ExitCode), cmp.Or(firstLine(status.Reason), complete)
	case err == nil:
		return complete, complete
	case errors.Is(err, store.ErrNotExist):
		return incomplete, cmp.Or(firstLine(status.Reason), "the result is not complete")
	default:
		return string(status.State), firstLine(err.Error())
	}
}

func newJobsLogs() *cobra.Command {
	var follow bool
	cmd := &cobra.Command{
		Use:     "logs [JOB]",
		Short:   "Print the logs of the ranks of a job, by default the newest",
		Example: "  batchscore jobs logs -f",
		Args:    atMostOne("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			w, unopened, err := findJob(cmd, firstArg(args))
			if err := cmp.Or(err, unopened); err != nil {
				return err
			}
			if w.note != "" {
				printf(w.stderr, "batchscore: %s\n", w.note)
			}
			return w.l.Logs(cmd.Context(), w.r.ID, verbatim(w.stdout), follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "continue until the job has ended")
	return cmd
}

func newJobsCancel() *cobra.Command {
	return &cobra.Command{
		SuggestFor: []string{"stop", "kill", "end"},
		Use:        "cancel JOB",
		Short:      "Ask the engine to end a job, which can be resumed",
		Long: `cancel asks the engine to end the job. The ranks commit what they are working on, as
far as the engine gives them time. Launch the job again to continue it.`,
		Example: "  batchscore jobs cancel nightly",
		Args:    oneArg("JOB"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if args[0] == "" {
				return usagef("cancel takes the ID of a job")
			}
			book, err := openBook()
			if err != nil {
				return err
			}
			r, err := book.FindOnly(args[0])
			if err != nil {
				return err
			}
			w, unopened := onRecord(cmd, book, r)
			if unopened != nil {
				return unopened
			}
			before, unknown := w.l.Status(cmd.Context(), w.r.ID)
			if err := w.l.Cancel(cmd.Context(), w.r.ID); err != nil {
				return err
			}
			if unknown == nil && before.State.Ended() {
				_, err = printf(w.stdout, "%s had ended already: %s\n", w.r.ID, before.State)
				return err
			}
			_, err = printf(w.stdout, "%s was asked to end %s; everything already committed is kept\n", w.r.Engine, w.r.ID)
			return err
		},
	}
}

func newJobsFetch() *cobra.Command {
	var places placeFlags
	cmd := &cobra.Command{
		Use:   "fetch JOB DIR",
		Short: "Download what the engine keeps of a job, and its labels once they are complete",
		Long: `fetch downloads what the engine keeps of the job, such as its logs, to DIR. For a
scoring job that is complete it also writes all labels to one file, DIR/labels with the
extension of their format, as 'batchscore merge' does.`,
		Example: "  batchscore jobs fetch nightly results",
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) != 2 {
				return usagef("%s takes two arguments, JOB and DIR; %d were given", cmd.CommandPath(), len(args))
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := errors.Join(localOnly("DIR", args[1]), notOwned("DIR", args[1])); err != nil {
				return err
			}
			w, unopened, err := findJob(cmd, args[0])
			if err != nil {
				return err
			}
			w.places = places
			if err := os.MkdirAll(args[1], 0o777); err != nil {
				return config(err)
			}
			fetched := unopened
			if fetched == nil {
				fetched = w.l.Fetch(cmd.Context(), w.r.ID, args[1])
			}
			// The labels do not depend on the engine.
			return errors.Join(fetched, w.fetchLabels(cmd.Context(), args[1]))
		},
	}
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	return cmd
}
