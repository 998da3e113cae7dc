package otlp

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/go-logr/logr"
	"go.opentelemetry.io/contrib/exporters/autoexport"
	"go.opentelemetry.io/otel/exporters/otlp/otlpmetric/otlpmetrichttp"
	"go.opentelemetry.io/otel/exporters/otlp/otlptrace/otlptracehttp"
	metricsdk "go.opentelemetry.io/otel/sdk/metric"
	tracesdk "go.opentelemetry.io/otel/sdk/trace"
)

// overHTTP reports whether the variables send a signal as OTLP over HTTP, as they do if they
// say nothing else.
func (o *Options) overHTTP(signal string) bool {
	value := func(name string) string {
		v, _ := o.Lookup(name)
		return strings.TrimSpace(v)
	}
	protocol := cmp.Or(value("OTEL_EXPORTER_OTLP_"+signal+"_PROTOCOL"), value("OTEL_EXPORTER_OTLP_PROTOCOL"), "http/protobuf")
	return cmp.Or(value("OTEL_"+signal+"_EXPORTER"), "otlp") == "otlp" && protocol == "http/protobuf"
}

// spanExporter returns what sends spans.
func (o *Options) spanExporter(ctx context.Context) (tracesdk.SpanExporter, error) {
	if o.overHTTP("TRACES") {
		return otlptracehttp.New(ctx, otlptracehttp.WithProxy(noRedirect))
	}
	return autoexport.NewSpanExporter(ctx)
}

// metricReader returns what sends metrics.
func (o *Options) metricReader(ctx context.Context) (metricsdk.Reader, error) {
	if !o.overHTTP("METRICS") {
		autoexport.WithFallbackMetricProducer(o.Metrics)
		return autoexport.NewMetricReader(ctx)
	}
	exporter, err := otlpmetrichttp.New(ctx, otlpmetrichttp.WithProxy(noRedirect))
	if err != nil {
		return nil, err
	}
	source, err := o.Metrics(ctx)
	if err != nil {
		return nil, err
	}
	return metricsdk.NewPeriodicReader(exporter, metricsdk.WithProducer(source)), nil
}

// errRedirected keeps headers, which may hold a token, from another host.
var errRedirected = errors.New("the collector answered with a redirect, which is not followed: name the address that it leads to")

// noRedirect is a proxy function, which is asked before each request, also before one that
// follows a redirect. The exporters have no other place to refuse those.
func noRedirect(r *http.Request) (*url.URL, error) {
	if r.Response != nil {
		return nil, errRedirected
	}
	return http.ProxyFromEnvironment(r)
}

// errorsOnly is where OpenTelemetry's own log goes. Its messages are kept, and the values
// with them are not: they are those of variables, which may hold tokens.
type errorsOnly struct{ report func(error) }

func (errorsOnly) Init(logr.RuntimeInfo)            {}
func (errorsOnly) Enabled(int) bool                 { return false }
func (errorsOnly) Info(int, string, ...any)         {}
func (e errorsOnly) WithValues(...any) logr.LogSink { return e }
func (e errorsOnly) WithName(string) logr.LogSink   { return e }

func (e errorsOnly) Error(_ error, message string, _ ...any) {
	e.report(errors.New("variables OTEL_*: " + message))
}
