package main

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/bench/scale"
)

// ownFlags are the flags of bench scale that apply to a job of the user's own.
var ownFlags = []string{"format", "save", "ranks", "rounds", "price", "chart", "details", "work", "mpirun"}

// measureOwn runs the job that the flags for run describe with each number of ranks.
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
	fewest, base := slices.Min(f.ranks), map[int]scale.Outcome{} // of the fewest, by round
	err := f.eachRound(ctx, func(round, n int) error {
		o, err := f.one(ctx, cmd.ErrOrStderr(), work, round, n, args)
		runs = append(runs, ended{o, round, n})
		if n == fewest {
			base[round] = o
		}
		return err
	})
	if err != nil {
		return err
	}
	failed := 0
	var small warnings
	run := result.Run{Provenance: provenance(0, nil)}
	for _, r := range runs {
		run.Samples = append(run.Samples, f.ownSample(r.ranks, r.Outcome, fewest, base[r.round]))
		failed = max(failed, r.Images-r.Scored)
		small.add(r.ranks, r.Outcome)
		if len(r.GPUs) > 0 {
			run.Provenance.GPU = strings.Join(r.GPUs, " + ")
			for _, name := range []string{"onnxruntime", "cuda", "cudnn", "nvidia_driver"} {
				if v := r.Versions[name]; v != "" {
					run.Provenance.Versions[name] = v
				}
			}
		}
	}
	notes := append([]string{
		fmt.Sprintf("speed-up and efficiency are against the fewest ranks, %d, in the same round; the time to load the model is part of all", fewest),
		"the ranks share the cores, the memory and the disks of this machine",
	}, f.priced()...)
	small.judge(run.Samples)
	notes = append(notes, small.notes()...)
	if failed > 0 {
		notes = append(notes, fmt.Sprintf("%d of the images failed", failed))
	}
	return errors.Join(f.tell(cmd, run, result.TableOptions{Notes: notes}), f.draw(cmd.Context(), run, "device"))
}

// checkOwn returns an error about flags that do not apply to a job of the user's own,
// and about flags for run that bench scale sets.
func checkOwn(cmd *cobra.Command, runArgs []string) (err error) {
	cmd.Flags().Visit(func(flag *pflag.Flag) {
		if !slices.Contains(ownFlags, flag.Name) {
			err = usagef("--%s is for simulated devices; put flags for run after --", flag.Name)
		}
	})
	if err != nil {
		return err
	}
	run := runCommand(nil)
	if err := parseRunFlags(run, runArgs); err != nil {
		return err
	}
	for _, name := range []string{"out", "rank", "world"} {
		if run.Flags().Changed(name) {
			return usagef("after --: bench scale sets --%s itself", name)
		}
	}
	return nil
}

// ownSample returns the sample of one run on n ranks, compared with the run on the
// fewest.
func (f *benchScaleFlags) ownSample(n int, o scale.Outcome, fewest int, base scale.Outcome) result.Sample {
	ideal := base.Makespan * float64(fewest) / float64(n)
	device := strings.Join(o.Devices, "+")
	if len(o.GPUs) > 0 { // a number of a GPU says nothing
		device = strings.Join(o.GPUs, "+")
	}
	values := f.values(device, n, o, ideal, base.Makespan/o.Makespan, ranks.Analyse(o.Ranks, ranks.Options{}).Stragglers)
	return result.Sample{
		Name: "Scale", Simulated: o.Simulated, Iterations: o.Images, Values: values,
		Keys: []result.Key{
			result.K("ranks", n), result.K("device", device), result.K("model", o.Model), result.K("images", o.Images),
		},
	}
}
