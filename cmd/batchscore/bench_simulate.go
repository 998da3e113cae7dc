package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/bench/simulator"
	"github.com/batchscore/batchscore/models/simulate"
)

type benchSimulateFlags struct {
	benchFlags
	fleetFlags
	conf        simulator.Config
	cores       int
	decode      float64
	egress      float64
	departures  float64
	away, grace time.Duration
}

func newBenchSimulate() *cobra.Command {
	var f benchSimulateFlags
	cmd := &cobra.Command{
		Use:   "simulate",
		Short: "Compute how long a job would take on a cluster, with a model of one",
		Long: `simulate is a discrete-event model of the worker: shares and stealing, fetching within
the limits of a storage account, decoding, devices with jitter, stragglers, and nodes
that are taken away. It runs nothing, and every figure is simulated. Its defaults: the
time of a device as published for synthetic input, Azure's published limits of an
account, and the rate at which this program decodes photographs of 0.68 megapixels on
one core of an AMD EPYC.

Efficiency is the ideal makespan divided by the simulated one, from the first rank's
start to the last rank's end. Ideal means that all devices, even stragglers, compute at
their own rates all the time.`,
		Example: `  batchscore bench simulate --ranks 1,8,32,1024 --images 366111 --device k80
  batchscore bench simulate --ranks 8 --device t4,l4,a100,h100 --model resnet50 --precision int8 --chart gpus.svg
  batchscore bench simulate --ranks 32 --device p100+k80 --static
  batchscore bench simulate --ranks 4096 --images 1000000000 --model inception`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return f.run(cmd.Context(), cmd) },
	}
	f.benchFlags.register(cmd)
	f.registerFigures(cmd.Flags())
	f.fleetFlags.register(cmd)
	fs := cmd.Flags()
	fs.IntVar(&f.conf.Images, "images", 100_000, "the job has `N` images")
	fs.Float64Var(&f.conf.ImageBytes, "image-bytes", 123_000, "an image has `BYTES` on average")
	fs.IntVar(&f.conf.Batch, "batch", 32, "score batches of `N` images")
	fs.IntVar(&f.conf.Chunk, "chunk", 0, "put `N` images into a chunk (default that of run)")
	fs.BoolVar(&f.conf.Static, "static", false, "let ranks score only their own share")
	fs.IntVar(&f.cores, "cores", 6, "a rank decodes on `N` cores")
	fs.Float64Var(&f.decode, "decode", 440, "one core decodes `N` images per second")
	fs.DurationVar(&f.conf.Load, "load", 0, "loading the model takes `DURATION`")
	fs.DurationVar(&f.conf.Store.Latency, "latency", 20*time.Millisecond, "a request to the storage takes `DURATION`")
	fs.DurationVar(&f.conf.Store.ListPage, "list-page", 200*time.Millisecond, fmt.Sprintf(
		"listing a page of %d names takes `DURATION`, one page after the other; the default is an assumption", simulator.PageObjects))
	fs.Float64Var(&f.conf.Store.Requests, "requests", 20_000, "the account serves `N` requests per second; 0 for no limit")
	fs.Float64Var(&f.egress, "egress", 50, "the account sends `GIGABITS` per second; 0 for no limit")
	fs.Float64Var(&f.departures, "preempted", 0, "a node is taken away `N` times per hour of its life")
	fs.DurationVar(&f.away, "away", 5*time.Minute, "a node that was taken away is replaced after `DURATION`")
	fs.DurationVar(&f.grace, "notice", 30*time.Second, "a node is told `DURATION` before it is taken away; 0 for not at all")
	return cmd
}

func (f *benchSimulateFlags) run(ctx context.Context, cmd *cobra.Command) error {
	if err := f.check(); err != nil {
		return err
	}
	fleets, err := f.fleets(f.conf.Batch)
	if err != nil {
		return err
	}
	c := f.conf
	switch {
	case c.Images < 1 || f.cores < 1 || !(f.decode > 0):
		return usagef("--images, --cores and --decode must be above zero")
	case c.Chunk < 0 || !finite(c.ImageBytes) || !finite(c.Store.Requests) || !finite(f.egress) || !finite(f.departures):
		return usagef("--chunk, --image-bytes, --requests, --egress and --preempted must not be below zero")
	case c.Load < 0 || c.Store.Latency < 0 || c.Store.ListPage < 0 || f.away < 0 || f.grace < 0:
		return usagef("--load, --latency, --list-page, --away and --notice must not be below zero")
	}
	if c.Static && f.departures > 0 {
		return usagef("--static and --preempted exclude each other: no rank would score the share of a node that is gone")
	}
	c.Decode, c.Store.Bytes = float64(f.cores)*f.decode, f.egress*1e9/8
	c.PerNode, c.Seed = f.perNode, f.seed

	run := func(devices []simulate.Spec) (simulator.Result, error) {
		c.Devices = nil
		for _, s := range devices {
			c.Devices = append(c.Devices, simulator.Simulated(s))
		}
		r, err := simulator.Run(ctx, c)
		if err != nil && ctx.Err() == nil {
			err = usage(err)
		}
		return r, err
	}
	c.Preemption = simulator.Preemption{PerHour: f.departures, Away: f.away, Notice: f.grace}
	given := givenKeys(cmd, "precision", "slow", "jitter", "ranks-per-node", "batch", "chunk", "image-bytes", "decode", "load", "latency", "list-page",
		"requests", "egress", "preempted", "away", "notice")
	all := result.Run{Provenance: provenance(f.seed, nil)}
	for _, ranks := range f.ranks {
		for _, fl := range fleets {
			r, err := run(fl.specs[:ranks])
			if err != nil {
				return err
			}
			all.Samples = append(all.Samples, f.sample(fl, given, ranks, r))
		}
	}
	notes := append(f.mixture(fleets, c.Batch), "speed-up compares with one device of the same kind that always has work (of a mixed cluster, of its first kind);"+
		" what limits: the stage that most images waited for")
	notes = append(notes, f.lift(all.Samples, c)...)
	if f.departures > 0 {
		notes = append(notes, "wasted-images were computed and lost with a node, or computed twice")
	}
	return errors.Join(f.tell(cmd, all, result.TableOptions{Notes: notes}), f.draw(cmd.Context(), all, "device"))
}

// lift says which flags lift what limits the simulated jobs, besides their devices.
func (f *benchSimulateFlags) lift(samples []result.Sample, c simulator.Config) []string {
	var notes []string
	for _, limit := range []struct {
		stage simulator.Stage
		note  string
	}{
		{simulator.Decode, fmt.Sprintf("decoding: %d cores decode %.0f images/s for each rank; --cores and --decode give it more", f.cores, c.Decode)},
		{simulator.Account, fmt.Sprintf("account limits: the storage serves %g requests/s and sends %g Gbit/s; --requests and --egress give it more, 0 is no limit",
			c.Store.Requests, f.egress)},
		{simulator.Fetch, fmt.Sprintf("fetch latency: a request takes %s; --latency makes it shorter", c.Store.Latency)},
		{simulator.Listing, fmt.Sprintf("listing: a page of %d names takes %s; --list-page makes it shorter", simulator.PageObjects, c.Store.ListPage)},
		{simulator.Ends, "start and end: the job is short for so many ranks; more --images, or fewer --ranks"},
	} {
		if binds(samples, limit.stage) {
			notes = append(notes, "what limits, "+limit.note)
		}
	}
	return notes
}

// binds reports whether a stage limits any of the simulated jobs.
func binds(samples []result.Sample, stage simulator.Stage) bool {
	return slices.ContainsFunc(samples, func(s result.Sample) bool { return slices.Contains(s.Keys, result.K("binds", stage)) })
}

func (f *benchSimulateFlags) sample(fl *fleet, given []result.Key, ranks int, r simulator.Result) result.Sample {
	policy := "stealing"
	if f.conf.Static {
		policy = "static"
	}
	s := result.Sample{
		Name: "Simulate", Simulated: true, Iterations: f.conf.Images,
		Keys: append([]result.Key{
			result.K("ranks", ranks), result.K("device", fl.names), result.K("model", f.model),
			result.K("policy", policy), result.K("straggling", f.straggling()), result.K("images", f.conf.Images),
			result.K("cores", f.cores), result.K("binds", r.Binds),
		}, given...),
		Values: []result.Value{
			{Value: r.Makespan, Unit: "makespan-s"},
			{Value: float64(f.conf.Images) * f.slow / r.Makespan, Unit: compare.Rate},
			{Value: r.Makespan / f.slow / float64(f.conf.Images) * 100_000 / 60, Unit: "minutes/100k-images"},
			{Value: float64(f.conf.Images) / r.Makespan / fl.given[0].At(f.conf.Batch), Unit: "speed-up"},
			{Value: r.Efficiency, Unit: "efficiency"},
			{Value: r.Busy, Unit: "device-busy"},
			{Value: r.Listed, Unit: "manifest-s"},
			{Value: r.Tail, Unit: "tail-GPU-s"},
			{Value: r.Requests, Unit: "requests"},
		},
	}
	if f.departures > 0 {
		s.Values = append(s.Values, result.Value{Value: float64(r.Departed), Unit: "nodes-taken"}, result.Value{Value: float64(r.Wasted), Unit: "wasted-images"})
	}
	return s
}
