package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
)

// exportFlags are the flags of 'jobs export'.
type exportFlags struct {
	metricsFlags
	placeFlags
	logFlags
	every, stalled, due time.Duration
}

func newJobsExport() *cobra.Command {
	f := exportFlags{every: 30 * time.Second, stalled: 15 * time.Minute}
	cmd := &cobra.Command{
		Use:   "export PLACE... (--metrics ADDRESS | --metrics-file FILE)",
		Short: "Serve the progress of jobs as metrics, read from their outputs",
		Long: `export reads outputs again and again, and serves what it finds as metrics for
Prometheus, until it is stopped. So there are metrics of a job before, between and after
its ranks. Ranks have more of their own: 'run --metrics'. PLACE is an output, or a folder
of runs, which stands for the one of them whose name is last, as of runs named after their
day. A place need not exist yet.

Each place is read by itself, once in --every: a scrape reads no storage, and a place that
cannot be read does not hide the others. A job can be in several states, each of which is
a metric of its own: running, stopped (it is not complete and no rank is at work), stalled
(it is not complete and nothing was committed for --stalled-after), failing (its ranks
stopped because too many images fail), complete, failed (too many images failed, its ranks
failed or it is damaged), overdue (it is not complete --due after its start). Of a complete
job it lists the parts, and looks into the outputs that rows are kept in, once an hour;
'jobs status --check' and 'verify' read more.

` + placesHelp,
		Example: `  batchscore jobs export /srv/labels --metrics :9091
  batchscore jobs export az://acme/nightly --metrics 127.0.0.1:9091 --due 7h`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return usagef("give the place of one output or more, or of a folder of runs")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			return f.run(cmd.Context(), args, cmd.ErrOrStderr())
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&f.address, "metrics", "", "serve metrics for Prometheus at `ADDRESS`, such as :9091 or 127.0.0.1:0")
	fs.StringVar(&f.file, "metrics-file", "", "write metrics to `FILE`.prom once in --every, for the textfile collector of node_exporter")
	fs.DurationVar(&f.every, "every", f.every, "read each place once per `DURATION`")
	fs.DurationVar(&f.stalled, "stalled-after", f.stalled, "call a job stalled if it has committed nothing for `DURATION`")
	fs.DurationVar(&f.due, "due", 0, "call a job overdue if it is not complete `DURATION` after its start (default never)")
	groupFlags(cmd, "Storage flags", func() { f.placeFlags.register(cmd) })
	groupFlags(cmd, "Log flags", func() { f.logFlags.register(cmd) })
	return cmd
}

func (f *exportFlags) check() error {
	if err := f.metricsFlags.check(); err != nil {
		return err
	}
	switch {
	case f.address == "" && f.file == "":
		return usagef("give --metrics or --metrics-file, so that somebody sees the metrics")
	case f.every < time.Second:
		return invalid("every", f.every, "at least 1s, for the sake of the storage")
	case f.stalled < time.Second:
		return invalid("stalled-after", f.stalled, "at least 1s")
	case f.due < 0:
		return invalid("due", f.due, "a time above zero, or 0 for never")
	}
	return nil
}

// run serves and writes until ctx ends. That is not an error.
func (f *exportFlags) run(ctx context.Context, places []string, stderr io.Writer) error {
	log, err := f.logger(stderr, isTerminal(stderr))
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	var sets metrics.Sets
	seen := map[string]bool{}
	for _, spec := range places {
		st, err := f.open("PLACE", spec)
		if err != nil {
			return err
		}
		if seen[st.String()] {
			continue
		}
		seen[st.String()] = true
		p := newExported(st, f.stalled, f.due)
		sets = append(sets, &metrics.Set{
			Scope: metrics.OfJob, Labels: func() []string { return []string{st.String()} }, Clean: redact, Sources: []metrics.Source{p.collect},
		})
		g.Go(func() error { return f.watch(ctx, p, log) })
	}
	if f.address != "" {
		server, err := metrics.Serve(f.address, sets.Gatherer())
		if err != nil {
			return config(fmt.Errorf("--metrics: %w", err))
		}
		event.MetricsServed.On(log).Stringer("address", server.Address).Msg("metrics are served at /metrics")
		g.Go(func() error { return server.Wait(ctx) })
	}
	if f.file != "" {
		g.Go(func() error { return f.write(ctx, sets, log) })
	}
	if err := g.Wait(); !errors.Is(err, context.Canceled) {
		return err
	}
	return nil
}

// watch reads a place until ctx ends.
func (f *exportFlags) watch(ctx context.Context, p *exported, log zerolog.Logger) error {
	for {
		p.read(ctx, log)
		if err := deploy.Sleep(ctx, f.every); err != nil {
			return err
		}
	}
}

// write writes the file until ctx ends. It is an error if it cannot be written at first.
func (f *exportFlags) write(ctx context.Context, sets metrics.Sets, log zerolog.Logger) error {
	for warned, first := false, true; ; first = false {
		err := metrics.WriteFile(f.file, sets.Gatherer())
		switch {
		case err == nil:
			warned = false
		case first:
			return config(fmt.Errorf("--metrics-file: %w", err))
		case !warned:
			warned = true
			event.MetricsFileFailed.On(log).Err(err).Msg("the file of metrics could not be written; it is tried again")
		}
		every := f.every
		if first {
			every = time.Second // what was read meanwhile need not wait for the next round
		}
		if err := deploy.Sleep(ctx, every); err != nil {
			return err
		}
	}
}
