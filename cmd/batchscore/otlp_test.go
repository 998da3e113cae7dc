package main

import (
	"bytes"
	"encoding/hex"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"testing"
	"time"

	metrics "go.opentelemetry.io/proto/otlp/metrics/v1"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/telemetry/otlp/otlptest"
)

// traced runs the command with variables, on pictures of its own, in chunks of 8.
func traced(t *testing.T, n int, env ...string) processResult {
	t.Helper()
	in, out := pictures(t, n), filepath.Join(t.TempDir(), "out")
	return finish(t, command(t, env, "run", "--images", in, "--out", out, "--model", tiny(t, graphtest.Options{}), "--chunk", "8", "--log-format", "json"))
}

// TestSpansOfChunks: a collector receives one trace for each chunk, whose spans lie within
// one another, and the span of the rank, which belongs to the trace of whoever started it.
func TestSpansOfChunks(t *testing.T) {
	t.Parallel()
	for _, protocol := range []string{"http/protobuf", "grpc"} {
		t.Run(protocol, func(t *testing.T) {
			sink := otlptest.New(t)
			endpoint := map[string]string{"http/protobuf": sink.HTTP, "grpc": sink.GRPC}[protocol]
			r := traced(t, 20, "OTEL_EXPORTER_OTLP_ENDPOINT="+endpoint, "OTEL_EXPORTER_OTLP_PROTOCOL="+protocol,
				"OTEL_RESOURCE_ATTRIBUTES=deployment.environment=night", "OTEL_EXPORTER_OTLP_HEADERS=x-token=s3cret-of-the-night",
				"TRACEPARENT=00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01")
			if r.code != 0 {
				t.Fatal(r)
			}
			if protocol == "http/protobuf" && sink.Header("X-Token") != "s3cret-of-the-night" {
				t.Errorf("the header is %q", sink.Header("X-Token"))
			}
			if strings.Contains(r.stdout+r.stderr, "s3cret") {
				t.Errorf("a header is shown: %v", r)
			}
			var run *otlptest.Span
			stages, chunks := map[string]int{}, map[string]otlptest.Span{}
			for _, s := range sink.Spans() {
				if s.Resource["service.name"] != "batchscore" || s.Resource["deployment.environment"] != "night" || s.Resource["service.version"] == "" {
					t.Errorf("span %s is of %v", s.Name, s.Resource)
				}
				switch s.Name {
				case "run":
					run = &s
				case "chunk":
					chunks[string(s.SpanId)] = s
				}
			}
			if run == nil || hex.EncodeToString(run.TraceId) != "0af7651916cd43dd8448eb211c80319c" || hex.EncodeToString(run.ParentSpanId) != "b7ad6b7169203331" {
				t.Fatalf("the span of the rank is %v", run)
			}
			for _, s := range sink.Spans() {
				if s.Name == "run" || s.Name == "chunk" {
					continue
				}
				stages[s.Name]++
				of, ok := chunks[string(s.ParentSpanId)]
				if !ok || !bytes.Equal(of.TraceId, s.TraceId) {
					t.Errorf("span %s belongs to no chunk", s.Name)
				}
				if s.StartTimeUnixNano < of.StartTimeUnixNano || s.EndTimeUnixNano > of.EndTimeUnixNano || s.StartTimeUnixNano > s.EndTimeUnixNano {
					t.Errorf("span %s from %d to %d is not within its chunk, from %d to %d",
						s.Name, s.StartTimeUnixNano, s.EndTimeUnixNano, of.StartTimeUnixNano, of.EndTimeUnixNano)
				}
			}
			if len(chunks) != 3 || stages["fetch"] != 3 || stages["decode"] != 3 || stages["infer"] != 3 || stages["commit"] != 3 || len(stages) != 4 {
				t.Errorf("%d chunks with %v, want 3 of each", len(chunks), stages)
			}
			traces := map[string]bool{}
			for _, c := range chunks {
				about := otlptest.Attributes(c.Attributes)
				if about["batchscore.outcome"] != "created" || about["batchscore.job"] == "" {
					t.Errorf("a chunk is %v", about)
				}
				if len(c.Links) != 1 || !bytes.Equal(c.Links[0].SpanId, run.SpanId) {
					t.Errorf("a chunk has the links %v", c.Links)
				}
				traces[string(c.TraceId)] = true
			}
			if len(traces) != 3 {
				t.Errorf("%d traces, want 3", len(traces))
			}
			checkMetrics(t, sink)
		})
	}
}

// checkMetrics checks the last values of the metrics of a run that scored 20 images.
func checkMetrics(t *testing.T, sink *otlptest.Sink) {
	t.Helper()
	last := map[string]*metrics.Metric{}
	for _, m := range sink.Metrics() {
		last[m.Name] = m
	}
	ok, chunks := 0.0, 0.0
	for _, p := range last["batchscore_images_total"].GetSum().GetDataPoints() {
		ok += p.GetAsDouble()
	}
	for _, p := range last["batchscore_chunks_committed_total"].GetSum().GetDataPoints() {
		chunks += p.GetAsDouble()
	}
	if ok != 20 || chunks != 3 {
		t.Errorf("the metrics say %v images and %v chunks, want 20 and 3; there are %d metrics", ok, chunks, len(last))
	}
	if p := last["batchscore_run_exit_status"].GetGauge().GetDataPoints(); len(p) != 1 || p[0].GetAsDouble() != 0 {
		t.Errorf("the exit status is %v, want 0", p)
	}
}

// TestCollectorAway: a collector that does not answer is a warning, and a variable with an
// unknown value is an error before anything is written.
func TestCollectorAway(t *testing.T) {
	t.Parallel()
	begun := time.Now()
	r := traced(t, 10, "OTEL_EXPORTER_OTLP_ENDPOINT=http://user:pa55word@127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT=1000")
	if r.code != 0 || !strings.Contains(r.stderr, "could not be sent") && !strings.Contains(r.stderr, "were not sent") {
		t.Errorf("got %v, want success and a warning", r)
	}
	if strings.Contains(r.stdout+r.stderr, "pa55word") {
		t.Errorf("a password is shown: %v", r)
	}
	if took := time.Since(begun); took > time.Minute {
		t.Errorf("the run took %v: it waited for the collector", took)
	}
	r = traced(t, 1, "OTEL_TRACES_EXPORTER=carrier-pigeon")
	if r.code != 78 || !strings.Contains(r.stderr, "OTEL_") || !strings.Contains(r.stderr, "carrier-pigeon") {
		t.Errorf("got %v, want exit code 78", r)
	}
	for _, env := range [][]string{
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=api-key s3cret-of-the-night"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_HEADERS=k=s3cret%ZS"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=https://user:s3cret%zz@h"},
		{"OTEL_EXPORTER_OTLP_ENDPOINT=http://127.0.0.1:1", "OTEL_EXPORTER_OTLP_TIMEOUT=s3cret"},
	} {
		r := traced(t, 1, env...)
		if strings.Contains(r.stdout+r.stderr, "s3cret") {
			t.Errorf("%v: it is shown: %v", env, r)
		}
		for line := range strings.Lines(r.stderr) {
			if !strings.HasPrefix(line, "{") {
				t.Errorf("%v: a line that is not JSON: %s", env, line)
			}
		}
	}
	sink := otlptest.New(t)
	if r := traced(t, 1, "OTEL_EXPORTER_OTLP_ENDPOINT="+sink.HTTP, "OTEL_SDK_DISABLED=true"); r.code != 0 || len(sink.Spans()) != 0 {
		t.Errorf("disabled: %d spans, %v", len(sink.Spans()), r)
	}
}

// TestCollectorRedirects: a redirect is not followed, since headers may hold a token.
func TestCollectorRedirects(t *testing.T) {
	t.Parallel()
	sink := otlptest.New(t)
	away := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, sink.HTTP+r.URL.Path, http.StatusTemporaryRedirect)
	}))
	t.Cleanup(away.Close)
	r := traced(t, 1, "OTEL_EXPORTER_OTLP_ENDPOINT="+away.URL, "OTEL_EXPORTER_OTLP_HEADERS=api-key=s3cret-of-the-night")
	if r.code != 0 || !strings.Contains(r.stderr, "redirect") {
		t.Errorf("got %v, want success and a warning of the redirect", r)
	}
	if len(sink.Spans()) > 0 || len(sink.Metrics()) > 0 || sink.Header("Api-Key") != "" {
		t.Errorf("the redirect was followed: %d spans, the key %q", len(sink.Spans()), sink.Header("Api-Key"))
	}
}
