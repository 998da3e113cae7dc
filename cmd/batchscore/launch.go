package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

func newLaunch(sig *signals) *cobra.Command {
	var to, mpirun string
	ranks := 1
	cmd := &cobra.Command{
		Use:   "launch --to local -n RANKS -- RUN-FLAGS",
		Short: "Start the ranks of a job, follow them, and judge by the output",
		Long: `launch starts 'batchscore run' on several ranks and waits for them. Whether the
job is done it does not take from the launcher but from the output folder: it
succeeds when every image has its row, and fails whatever mpirun says when a
chunk is missing. SIGTERM and Ctrl-C make the ranks commit what they have in
hand and end; launching again goes on from there.

` + exitCodesHelp,
		Example: "  batchscore launch --to local -n 4 -- --images photos --out result --model inception.onnx",
		RunE: func(cmd *cobra.Command, args []string) error {
			if to != "local" {
				return usagef("--to %q: it takes local (mpirun on this machine)", to)
			}
			if ranks < 1 {
				return usagef("-n %d: at least one rank is started", ranks)
			}
			out, err := outFlag(args)
			if err != nil {
				return err
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			l := deploy.Local{Mpirun: mpirun, Stdout: cmd.OutOrStdout(), Stderr: cmd.ErrOrStderr()}
			job := deploy.Job{Ranks: ranks, Command: append([]string{self, "run"}, args...)}
			return launch(context.WithoutCancel(cmd.Context()), cmd, l, job, out, sig.stop)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&to, "to", "local", "engine that starts the ranks: local")
	fs.IntVarP(&ranks, "ranks", "n", 1, "number of ranks")
	fs.StringVar(&mpirun, "mpirun", "mpirun", "the mpirun program")
	return cmd
}

// outFlag finds the value of --out among the flags meant for run.
func outFlag(args []string) (string, error) {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, "--out="); ok && v != "" {
			return v, nil
		}
		if a == "--out" && i+1 < len(args) {
			return args[i+1], nil
		}
	}
	return "", usagef("the flags after -- lack --out: the folder for the result")
}

// launch runs the job to its end and judges by the output.
func launch(ctx context.Context, cmd *cobra.Command, l deploy.Launcher, job deploy.Job, out string, stop <-chan struct{}) error {
	launched := l.Launch(ctx, job, stop)
	if errors.Is(launched, deploy.ErrNoEngine) {
		return launched
	}
	st, err := dir.New(out, dir.Options{})
	if err != nil {
		return firstOf(launched, err)
	}
	report, err := output.Verify(ctx, st)
	if err != nil {
		if launched != nil && errors.Is(err, store.ErrNotExist) {
			return launched // it ended before there was anything to judge
		}
		return firstOf(launched, err)
	}
	unproven := judge(&report)
	switch {
	case unproven != nil && launched == nil:
		return fmt.Errorf("%w: mpirun reports success, but %v; start it again to go on", output.ErrIncomplete, unproven)
	case unproven != nil:
		return fmt.Errorf("%w; %d of %d images have their row; start it again to go on",
			launched, report.Images-report.MissingImages, report.Images)
	}
	s, err := output.ReadSuccess(ctx, st)
	if err != nil {
		return err
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Processed %d images on %d ranks, took %s\n",
		s.Images, job.Ranks, telemetry.Timedelta(s.Ended.Sub(s.Started)))
	var exit *deploy.ExitStatus
	switch {
	case errors.As(launched, &exit) && exit.Code == 3:
		return fmt.Errorf("%w: see the rows of %s", scorer.ErrTooManyFailed, out)
	case launched != nil:
		// A rank that failed after others had taken over its work cost
		// nothing; it is told, but the job is done.
		fmt.Fprintf(cmd.ErrOrStderr(), "batchscore: %v, but the result is complete\n", launched)
	}
	return nil
}

// firstOf prefers what the launcher said to what was found out afterwards.
func firstOf(launched, err error) error {
	if launched != nil {
		return fmt.Errorf("%w (and the output could not be judged: %v)", launched, err)
	}
	return err
}
