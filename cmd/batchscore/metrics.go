package main

import (
	"context"
	"fmt"
	"net"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
	"github.com/batchscore/batchscore/shard"
)

// metricsFlags say where the metrics of a rank go.
type metricsFlags struct{ address, file string }

func (f *metricsFlags) register(cmd *cobra.Command) {
	cmd.Flags().StringVar(&f.address, "metrics", "", "serve metrics for Prometheus at `ADDRESS`, such as :9090 or 127.0.0.1:0;"+
		" ranks that a launcher puts on one machine take the ports from that one upwards")
	cmd.Flags().StringVar(&f.file, "metrics-file", "", "write metrics to `FILE`.prom every 15s and at the end, for the textfile collector of node_exporter;"+
		" of several ranks, each has a file of its own")
}

// metricsEvery is how often the file is written: about as often as Prometheus asks.
const metricsEvery = 15 * time.Second

// check returns what is wrong with the flags.
func (f *metricsFlags) check() error {
	if _, _, err := splitAddress("metrics", f.address); err != nil {
		return err
	}
	return checkMetricsFile(f.file)
}

// checkMetricsFile returns an error unless node_exporter reads files of that name.
func checkMetricsFile(file string) error {
	if file == "" {
		return nil
	}
	if err := localOnly("--metrics-file", file); err != nil {
		return err
	}
	if !strings.HasSuffix(file, promEnding) || filepath.Base(file) == promEnding {
		return invalid("metrics-file", file, "the name of a file that ends in "+promEnding+", because node_exporter reads no others")
	}
	return nil
}

// promEnding is that of files that node_exporter reads.
const promEnding = ".prom"

// splitAddress returns the host and the port of an address to listen on; none if the
// address is empty.
func splitAddress(flag, address string) (host string, port int, err error) {
	if address == "" {
		return "", 0, nil
	}
	host, text, err := net.SplitHostPort(address)
	if err == nil {
		port, err = strconv.Atoi(text)
	}
	if err != nil || port < 0 || port > 65535 {
		return "", 0, invalid(flag, address, "HOST:PORT or :PORT, with a number for the port; port 0 takes any that is free")
	}
	return host, port, nil
}

// rankAddress returns the address of a rank: those that a launcher puts on one machine take
// ports in a row. Without one, as in pods, each rank has the address as it is.
func rankAddress(address string, world shard.World) string {
	host, port, err := splitAddress("metrics", address)
	if err != nil || port == 0 || !world.Placed {
		return address
	}
	return net.JoinHostPort(host, strconv.Itoa(port+world.LocalRank))
}

// rankFile returns the name of the file of a rank: of several ranks, each has its own.
func rankFile(file string, world shard.World) string {
	if file == "" || world.Size == 1 {
		return file
	}
	return fmt.Sprintf("%s-%05d%s", strings.TrimSuffix(file, promEnding), world.Rank, promEnding)
}

// rankMetrics are the metrics of a rank that runs, where they go, and the end of that.
type rankMetrics struct {
	set    *metrics.Set
	file   string
	log    zerolog.Logger
	server *metrics.Server
	stop   context.CancelFunc
	writer sync.WaitGroup
	warned bool
}

// startMetrics begins to serve and to write the metrics of this rank, with what they are
// read from.
func (f *runFlags) startMetrics(ctx context.Context, start time.Time, world shard.World, stores map[string]store.Store, log zerolog.Logger) (
	*metrics.Rank, *rankMetrics, error,
) {
	rank := &metrics.Rank{
		Rank: world.Rank, Ranks: world.Size, Out: stores["out"].String(), Version: version, Started: start,
		Counters: new(telemetry.Counters), State: new(telemetry.State), Stores: stores,
	}
	if f.deadline > 0 {
		rank.Deadline = start.Add(f.deadline)
	}
	shown, err := f.metrics.start(ctx, rank, world, log)
	return rank, shown, err
}

// start begins to serve and to write the metrics of a rank. It is an error if the file
// cannot be written. A port that is taken is a warning: scoring does not need it.
func (f *metricsFlags) start(ctx context.Context, rank *metrics.Rank, world shard.World, log zerolog.Logger) (*rankMetrics, error) {
	m := &rankMetrics{set: rank.Set(redact), file: rankFile(f.file, world), log: log}
	if m.file != "" {
		if err := m.write(); err != nil {
			return nil, config(fmt.Errorf("--metrics-file: %w", err))
		}
		ctx, m.stop = context.WithCancel(ctx)
		m.writer.Go(func() { m.run(ctx) })
	}
	if f.address != "" {
		address := rankAddress(f.address, world)
		g := m.set.Gatherer(collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
		var err error
		if m.server, err = metrics.Serve(address, g); err != nil {
			event.MetricsUnserved.On(log).Err(err).Str("address", address).
				Msg("no metrics are served: the address cannot be used; the run continues without them")
		} else {
			event.MetricsServed.On(log).Stringer("address", m.server.Address).Msg("metrics are served at /metrics")
		}
	}
	return m, nil
}

func (m *rankMetrics) write() error { return metrics.WriteFile(m.file, m.set.Gatherer()) }

// run writes the file until ctx ends.
func (m *rankMetrics) run(ctx context.Context) {
	tick := time.NewTicker(metricsEvery)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			m.warn(m.write())
		}
	}
}

// warn says once that the file cannot be written any more.
func (m *rankMetrics) warn(err error) {
	if err != nil && !m.warned {
		m.warned = true
		event.MetricsFileFailed.On(m.log).Err(err).Msg("the file of metrics could not be written; the run continues")
	}
}

// end writes the last values, with the exit code, and ends the server.
func (m *rankMetrics) end(code int) {
	m.set.Add(metrics.End(time.Now(), code))
	if m.file != "" {
		m.stop()
		m.writer.Wait()
		m.warn(m.write())
	}
	m.server.Close()
}
