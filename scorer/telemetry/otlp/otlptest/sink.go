// Package otlptest is a receiver of OTLP for tests: it takes metrics and spans over HTTP and
// gRPC as a collector does, and keeps them.
package otlptest

import (
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"

	metricspb "go.opentelemetry.io/proto/otlp/collector/metrics/v1"
	tracepb "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	common "go.opentelemetry.io/proto/otlp/common/v1"
	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"
	trace "go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/grpc"
	"google.golang.org/protobuf/proto"
)

// Sink keeps what it receives. Any number of goroutines may use it.
type Sink struct {
	// HTTP and GRPC are the endpoints, as OTEL_EXPORTER_OTLP_ENDPOINT takes them.
	HTTP, GRPC string

	tracepb.UnimplementedTraceServiceServer
	mu      sync.Mutex
	spans   []Span
	metrics []*metrics.Metric
	headers http.Header
}

// Span is a span with the attributes of its process.
type Span struct {
	*trace.Span
	Resource map[string]string
}

// New returns a sink that receives until the test ends.
func New(t testing.TB) *Sink {
	t.Helper()
	s := &Sink{headers: http.Header{}}
	mux := http.NewServeMux()
	mux.HandleFunc("POST /v1/traces", func(w http.ResponseWriter, r *http.Request) {
		var in tracepb.ExportTraceServiceRequest
		if s.read(w, r, &in) {
			s.keepSpans(&in)
			answer(w, &tracepb.ExportTraceServiceResponse{})
		}
	})
	mux.HandleFunc("POST /v1/metrics", func(w http.ResponseWriter, r *http.Request) {
		var in metricspb.ExportMetricsServiceRequest
		if s.read(w, r, &in) {
			s.keepMetrics(&in)
			answer(w, &metricspb.ExportMetricsServiceResponse{})
		}
	})
	server := httptest.NewServer(mux)
	t.Cleanup(server.Close)
	s.HTTP = server.URL

	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	remote := grpc.NewServer()
	tracepb.RegisterTraceServiceServer(remote, s)
	metricspb.RegisterMetricsServiceServer(remote, metricsServer{sink: s})
	go remote.Serve(listener) //nolint:errcheck // it ends with the test
	t.Cleanup(remote.Stop)
	s.GRPC = "http://" + listener.Addr().String()
	return s
}

func (s *Sink) read(w http.ResponseWriter, r *http.Request, into proto.Message) bool {
	body, err := io.ReadAll(r.Body)
	if err == nil {
		err = proto.Unmarshal(body, into)
	}
	if err != nil || r.Header.Get("Content-Type") != "application/x-protobuf" {
		http.Error(w, "not a message of OTLP", http.StatusBadRequest)
		return false
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.headers = r.Header.Clone()
	return true
}

func answer(w http.ResponseWriter, m proto.Message) {
	body, err := proto.Marshal(m)
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
		return
	}
	w.Header().Set("Content-Type", "application/x-protobuf")
	w.Write(body) //nolint:errcheck // the sender notices
}

// Export implements the trace service of gRPC.
func (s *Sink) Export(_ context.Context, in *tracepb.ExportTraceServiceRequest) (*tracepb.ExportTraceServiceResponse, error) {
	s.keepSpans(in)
	return &tracepb.ExportTraceServiceResponse{}, nil
}

type metricsServer struct {
	metricspb.UnimplementedMetricsServiceServer
	sink *Sink
}

func (m metricsServer) Export(_ context.Context, in *metricspb.ExportMetricsServiceRequest) (*metricspb.ExportMetricsServiceResponse, error) {
	m.sink.keepMetrics(in)
	return &metricspb.ExportMetricsServiceResponse{}, nil
}

func (s *Sink) keepSpans(in *tracepb.ExportTraceServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range in.ResourceSpans {
		about := Attributes(from.Resource.GetAttributes())
		for _, scope := range from.ScopeSpans {
			for _, span := range scope.Spans {
				s.spans = append(s.spans, Span{Span: span, Resource: about})
			}
		}
	}
}

func (s *Sink) keepMetrics(in *metricspb.ExportMetricsServiceRequest) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, from := range in.ResourceMetrics {
		for _, scope := range from.ScopeMetrics {
			s.metrics = append(s.metrics, scope.Metrics...)
		}
	}
}

// Spans returns the spans received so far.
func (s *Sink) Spans() []Span {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]Span(nil), s.spans...)
}

// Metrics returns the metrics received so far, the same one as often as it was sent.
func (s *Sink) Metrics() []*metrics.Metric {
	s.mu.Lock()
	defer s.mu.Unlock()
	return append([]*metrics.Metric(nil), s.metrics...)
}

// Header returns a header of the last request over HTTP.
func (s *Sink) Header(name string) string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.headers.Get(name)
}

// Attributes returns attributes as text.
func Attributes(list []*common.KeyValue) map[string]string {
	all := map[string]string{}
	for _, kv := range list {
		switch v := kv.Value.GetValue().(type) {
		case *common.AnyValue_StringValue:
			all[kv.Key] = v.StringValue
		default:
			all[kv.Key] = kv.Value.String()
		}
	}
	return all
}
