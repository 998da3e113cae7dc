// Package otlp sends metrics and spans to where the standard variables of OpenTelemetry say:
// OTEL_EXPORTER_OTLP_ENDPOINT, OTEL_EXPORTER_OTLP_PROTOCOL, OTEL_EXPORTER_OTLP_HEADERS,
// OTEL_TRACES_EXPORTER, OTEL_METRICS_EXPORTER, OTEL_TRACES_SAMPLER,
// OTEL_METRIC_EXPORT_INTERVAL, OTEL_RESOURCE_ATTRIBUTES, OTEL_SERVICE_NAME,
// OTEL_SDK_DISABLED and those that the exporters read themselves. Without any of them it
// does nothing.
package otlp

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/otel"
	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/propagation"
	metricsdk "go.opentelemetry.io/otel/sdk/metric"
	"go.opentelemetry.io/otel/sdk/resource"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"

	"github.com/batchscore/batchscore/scorer/telemetry/tracing"
)

// lastWords is how long the end of a process waits for what is not yet sent.
const lastWords = 5 * time.Second

// Options are what is sent besides what the variables say.
type Options struct {
	// Lookup reads a variable, as os.LookupEnv does.
	Lookup func(name string) (string, bool)
	// Version is that of the program, Instance what distinguishes this process from others.
	Version, Instance string
	Rank              int
	// Metrics makes the source of the metrics; nil if there are none. It is called only if
	// metrics are sent.
	Metrics func(context.Context) (metricsdk.Producer, error)
	// Report is called with what went wrong while something was sent. It may be called by
	// any goroutine.
	Report func(error)
}

// Telemetry is what one process sends. Nil sends nothing.
type Telemetry struct {
	spans  *tracesdk.TracerProvider
	meters *metricsdk.MeterProvider
	run    trace.Span
}

// chosen reports whether the variables ask for a signal, traces or metrics, to be sent.
func chosen(lookup func(string) (string, bool), signal string) bool {
	value := func(name string) string {
		v, _ := lookup(name)
		return strings.TrimSpace(v)
	}
	if strings.EqualFold(value("OTEL_SDK_DISABLED"), "true") {
		return false
	}
	exporter := value("OTEL_" + signal + "_EXPORTER")
	switch exporter {
	case "none":
		return false
	case "":
		return value("OTEL_EXPORTER_OTLP_ENDPOINT") != "" || value("OTEL_EXPORTER_OTLP_"+signal+"_ENDPOINT") != ""
	}
	return true
}

// Start begins to send, and returns nil if the variables ask for nothing. The returned
// context has the span of this process, which is part of the trace in the variable
// TRACEPARENT if there is one. An error means that a variable has a value that nobody
// understands; it has no secret in it.
func Start(ctx context.Context, o Options) (*Telemetry, context.Context, error) {
	spans, metrics := chosen(o.Lookup, "TRACES"), chosen(o.Lookup, "METRICS") && o.Metrics != nil
	if !spans && !metrics {
		return nil, ctx, nil
	}
	otel.SetErrorHandler(otel.ErrorHandlerFunc(o.Report))
	otel.SetLogger(logr.New(errorsOnly{o.Report}))
	about, err := resource.New(ctx, resource.WithTelemetrySDK(), resource.WithHost(), resource.WithAttributes(
		attribute.String("service.name", "batchscore"), attribute.String("service.version", o.Version),
		attribute.String("service.instance.id", o.Instance), attribute.Int("batchscore.rank", o.Rank)), resource.WithFromEnv())
	if err != nil && !errors.Is(err, resource.ErrPartialResource) {
		return nil, ctx, fmt.Errorf("OTEL_RESOURCE_ATTRIBUTES: %w", err)
	}
	t := &Telemetry{}
	if spans {
		exporter, err := o.spanExporter(ctx)
		if err != nil {
			return nil, ctx, misunderstood(o.Lookup, "TRACES", err)
		}
		t.spans = tracesdk.NewTracerProvider(tracesdk.WithBatcher(exporter), tracesdk.WithResource(about))
		ctx, t.run = t.spans.Tracer(tracing.Scope).Start(parent(ctx, o.Lookup), "run", trace.WithAttributes(attribute.Int("batchscore.rank", o.Rank)))
	}
	if metrics {
		reader, err := o.metricReader(ctx)
		if err != nil {
			return nil, ctx, misunderstood(o.Lookup, "METRICS", err)
		}
		t.meters = metricsdk.NewMeterProvider(metricsdk.WithReader(reader), metricsdk.WithResource(about))
	}
	return t, ctx, nil
}

// misunderstood returns the error of an exporter that could not be made, with the variables
// that chose it.
func misunderstood(lookup func(string) (string, bool), signal string, err error) error {
	var set []string
	for _, name := range []string{"OTEL_" + signal + "_EXPORTER", "OTEL_EXPORTER_OTLP_PROTOCOL", "OTEL_EXPORTER_OTLP_" + signal + "_PROTOCOL"} {
		if v, ok := lookup(name); ok {
			set = append(set, fmt.Sprintf("%s=%q", name, v))
		}
	}
	return fmt.Errorf("telemetry, with %s: %w", strings.Join(set, ", "), err)
}

// parent returns ctx with the span that whoever started this process named.
func parent(ctx context.Context, lookup func(string) (string, bool)) context.Context {
	carrier := propagation.MapCarrier{}
	for _, name := range []string{"traceparent", "tracestate"} {
		if v, ok := lookup(strings.ToUpper(name)); ok {
			carrier[name] = v
		}
	}
	return propagation.TraceContext{}.Extract(ctx, carrier)
}

// Spans returns the receiver of spans; nil if none are sent.
func (t *Telemetry) Spans() trace.TracerProvider {
	if t == nil || t.spans == nil {
		return nil
	}
	return t.spans
}

// End sends what is left, for some seconds at most, with the exit code of the process. It
// returns what could not be sent.
func (t *Telemetry) End(ctx context.Context, code int) error {
	if t == nil {
		return nil
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), lastWords)
	defer cancel()
	var err error
	if t.spans != nil {
		t.run.SetAttributes(attribute.Int("process.exit.code", code))
		if code != 0 {
			t.run.SetStatus(codes.Error, "")
		}
		t.run.End()
		err = t.spans.Shutdown(ctx)
	}
	if t.meters != nil {
		err = errors.Join(err, t.meters.Shutdown(ctx))
	}
	if err != nil {
		return fmt.Errorf("some metrics or spans were not sent: %w", err)
	}
	return nil
}
