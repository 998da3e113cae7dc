package main

import (
	"context"
	"fmt"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/rs/zerolog"
	bridge "go.opentelemetry.io/contrib/bridges/prometheus"
	"go.opentelemetry.io/otel/sdk/metric"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/metrics"
	"github.com/batchscore/batchscore/scorer/telemetry/otlp"
	"github.com/batchscore/batchscore/shard"
)

// sendTelemetry sends metrics and spans of this rank to where the variables OTEL_* say. An
// error is one of the configuration. A receiver that does not answer is a warning: it must
// not hold up a job.
func sendTelemetry(ctx context.Context, set *metrics.Set, world shard.World, log zerolog.Logger) (*otlp.Telemetry, context.Context, error) {
	hideTelemetrySecrets(os.LookupEnv)
	host, _ := os.Hostname()
	var some seldom
	sent, ctx, err := otlp.Start(ctx, otlp.Options{
		Lookup: os.LookupEnv, Version: version, Instance: fmt.Sprintf("%s:%d", host, os.Getpid()), Rank: world.Rank,
		Metrics: func(context.Context) (metric.Producer, error) {
			return bridge.NewMetricProducer(bridge.WithGatherer(set.Gatherer())), nil
		},
		Report: func(err error) {
			if more, now := some.say(time.Now()); now {
				event.TelemetryUnsent.On(log).Err(err).Int("times", more).
					Msg("metrics or spans could not be sent; the job continues without: check OTEL_EXPORTER_OTLP_ENDPOINT and the collector")
			}
		},
	})
	if err != nil {
		return nil, ctx, config(err)
	}
	return sent, ctx, nil
}

// endTelemetry sends what is left.
func endTelemetry(ctx context.Context, sent *otlp.Telemetry, code int, log zerolog.Logger) {
	if err := sent.End(ctx, code); err != nil {
		event.TelemetryUnsent.On(log).Err(err).Msg("the job is not affected")
	}
}

// telemetrySecrets returns the names of variables whose values may hold tokens.
func telemetrySecrets() (names []string) {
	for _, signal := range []string{"", "TRACES_", "METRICS_", "LOGS_"} {
		names = append(names, "OTEL_EXPORTER_OTLP_"+signal+"HEADERS")
	}
	return names
}

// hideTelemetrySecrets keeps the values of headers, which may hold tokens, out of every text.
func hideTelemetrySecrets(lookup func(string) (string, bool)) {
	for _, name := range telemetrySecrets() {
		headers, _ := lookup(name)
		for header := range strings.SplitSeq(headers, ",") {
			_, value, _ := strings.Cut(header, "=")
			hide(strings.TrimSpace(value))
			if plain, err := url.PathUnescape(value); err == nil {
				hide(strings.TrimSpace(plain))
			}
		}
	}
}
