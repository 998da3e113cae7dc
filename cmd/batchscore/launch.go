package main

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
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
			out := flagAmong(args, "--out")
			if out == "" {
				return usagef("the flags after -- lack --out: the place for the result")
			}
			places := placeFlags{endpoint: flagAmong(args, "--endpoint"), credentials: flagAmong(args, "--credentials")}
			st, err := places.open("--out", out)
			if err != nil {
				return err
			}
			// A token in a place is refused before ranks are started with it.
			if _, err := place(flagAmong(args, "--images")); err != nil {
				return usagef("--images: %w", err)
			}
			self, err := os.Executable()
			if err != nil {
				return err
			}
			folder, err := jobsFolder()
			if err != nil {
				return config(err)
			}
			engine, err := local.New(local.Options{Mpirun: mpirun, Folder: folder})
			if err != nil {
				return err
			}
			job := deploy.Job{Name: "score", Command: append([]string{self, "run"}, args...), RanksPerNode: ranks}
			return launch(context.WithoutCancel(cmd.Context()), cmd, engine, job, st, sig.stop)
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&to, "to", "local", "engine that starts the ranks: local")
	fs.IntVarP(&ranks, "ranks", "n", 1, "number of ranks")
	fs.StringVar(&mpirun, "mpirun", "mpirun", "the mpirun program")
	return cmd
}

// flagAmong is the value of a flag among those meant for run, or empty.
func flagAmong(args []string, name string) string {
	for i, a := range args {
		if v, ok := strings.CutPrefix(a, name+"="); ok {
			return v
		}
		if a == name && i+1 < len(args) {
			return args[i+1]
		}
	}
	return ""
}

// jobsFolder is where the jobs of this user leave their logs.
func jobsFolder() (string, error) {
	state := os.Getenv("XDG_STATE_HOME")
	if !filepath.IsAbs(state) {
		home, err := os.UserHomeDir()
		if err != nil {
			return "", fmt.Errorf("where to keep the logs of jobs: %w; set XDG_STATE_HOME to a folder", err)
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "batchscore", "jobs"), nil
}

// launch runs the job to its end and judges by the output.
func launch(ctx context.Context, cmd *cobra.Command, engine *local.Engine, job deploy.Job, st store.Store, stop <-chan struct{}) error {
	id := deploy.NewID(job.Name, time.Now(), rand.Uint32())
	if err := engine.Submit(ctx, job, id); err != nil {
		return err
	}
	launched := engine.Wait(ctx, id, cmd.OutOrStdout(), cmd.ErrOrStderr(), stop)
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
	simulated := ""
	if s.Simulated {
		simulated = " (simulated)"
	}
	fmt.Fprintf(cmd.OutOrStdout(), "Processed %d images on %d ranks, took %s%s\n",
		s.Images, job.Ranks(), telemetry.Timedelta(s.Ended.Sub(s.Started)), simulated)
	var exit *deploy.ExitStatus
	switch {
	case errors.As(launched, &exit) && exit.Code == 3:
		return fmt.Errorf("%w: see the rows of %s", scorer.ErrTooManyFailed, st)
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
