package main

import (
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/bench/scale"
)

// ownFlags are those flags of bench scale that mean something for a job of one's
// own.
var ownFlags = []string{"format", "save", "ranks", "rounds", "price", "work", "mpirun"}

// measureOwn runs the job that run's flags describe on each number of ranks.
func (f *benchScaleFlags) measureOwn(cmd *cobra.Command, work string, runArgs []string) error {
	if err := checkOwn(cmd, runArgs); err != nil {
		return err
	}
	ctx, args := cmd.Context(), append([]string{"run", "--log-level", "warn"}, runArgs...)
	type ended struct {
		scale.Outcome
		round, ranks int
	}
	var runs []ended
	err := f.eachRound(ctx, func(round, n int) error {
		o, err := f.one(ctx, cmd.ErrOrStderr(), work, round, n, args)
		runs = append(runs, ended{o, round, n})
		return err
	})
	if err != nil {
		return err
	}
	fewest, failed := slices.Min(f.ranks), 0
	run := result.Run{Provenance: provenance(0, nil)}
	for _, r := range runs {
		base := r.Outcome
		for _, other := range runs {
			if other.round == r.round && other.ranks == fewest {
				base = other.Outcome
			}
		}
		run.Samples = append(run.Samples, f.ownSample(r.ranks, r.Outcome, fewest, base))
		failed = max(failed, r.Images-r.Scored)
	}
	notes := append([]string{
		fmt.Sprintf("speed-up and efficiency are against the fewest ranks, %d, in the same round; the time to load the model is part of all", fewest),
		"the ranks share the cores, the memory and the disks of this machine",
	}, f.priced()...)
	if failed > 0 {
		notes = append(notes, fmt.Sprintf("%d of the images failed", failed))
	}
	return f.tell(cmd, run, result.TableOptions{Notes: notes})
}

// checkOwn refuses flags that mean nothing to a job of one's own, and those of
// run that are not the user's to give.
func checkOwn(cmd *cobra.Command, runArgs []string) (err error) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if !slices.Contains(ownFlags, flag.Name) {
			err = usagef("--%s is for simulated devices; flags for run stand after --", flag.Name)
		}
	})
	if err != nil {
		return err
	}
	run := newRun(nil).Flags()
	if err := run.Parse(runArgs); err != nil {
		return usagef("after --: %w", err)
	}
	if run.NArg() > 0 {
		return usagef("after --: run takes no argument %q", run.Arg(0))
	}
	for _, name := range []string{"out", "rank", "world"} {
		if run.Changed(name) {
			return usagef("after --: --%s is given by bench scale", name)
		}
	}
	return nil
}

// ownSample is what one run on n ranks comes to, beside that on the fewest.
func (f *benchScaleFlags) ownSample(n int, o scale.Outcome, fewest int, base scale.Outcome) result.Sample {
	ideal := base.Makespan * float64(fewest) / float64(n)
	values := []result.Value{
		{Value: o.Makespan, Unit: "makespan-s"},
		{Value: float64(o.Images) / o.Makespan, Unit: "images/s"},
		{Value: o.Makespan / float64(o.Images) * 100_000 / 60, Unit: "minutes/100k-images"},
		{Value: base.Makespan / o.Makespan, Unit: "speed-up"},
		{Value: ideal / o.Makespan, Unit: "efficiency"},
		{Value: float64(len(ranks.Analyse(o.Ranks, ranks.Options{}).Stragglers)), Unit: "stragglers"},
		{Value: (o.Makespan - ideal) * float64(n), Unit: "lost-GPU-s"},
	}
	if f.price > 0 {
		values = append(values, result.Value{Value: f.lost((o.Makespan-ideal)*float64(n), o), Unit: "lost/100k-images"})
	}
	return result.Sample{
		Name: "Scale", Simulated: o.Simulated, Iterations: o.Images, Values: values,
		Keys: []result.Key{
			result.K("ranks", n), result.K("device", strings.Join(o.Devices, "+")), result.K("model", o.Model), result.K("images", o.Images),
		},
	}
}
