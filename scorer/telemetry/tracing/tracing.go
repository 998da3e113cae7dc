// Package tracing makes the spans of chunks. A chunk is one trace: a span from the moment a
// worker takes the chunk until its part exists, and below it one span for each stage, from
// the first image that the stage works on to the end of the last. Each chunk is a trace of
// its own, with a link to the span of the rank, so that a sampler can choose some chunks of
// a job of millions.
//
// The package knows the API of OpenTelemetry, and neither its SDK nor an exporter.
package tracing

import (
	"context"
	"sync/atomic"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	"go.opentelemetry.io/otel/trace"

	"github.com/batchscore/batchscore/scorer/telemetry"
)

// Scope is the name of the instrumentation scope of all spans.
const Scope = "github.com/batchscore/batchscore"

// Chunks makes the spans of the chunks of one job. Nil makes none.
type Chunks struct {
	tracer trace.Tracer
	links  []trace.Link
	job    attribute.KeyValue
	rank   attribute.KeyValue
}

// NewChunks returns nil for no provider. The spans link to the span in ctx.
func NewChunks(ctx context.Context, provider trace.TracerProvider, job string, rank int) *Chunks {
	if provider == nil {
		return nil
	}
	c := &Chunks{tracer: provider.Tracer(Scope), job: attribute.String("batchscore.job", job), rank: attribute.Int("batchscore.rank", rank)}
	if parent := trace.SpanContextFromContext(ctx); parent.IsValid() {
		c.links = []trace.Link{{SpanContext: parent}}
	}
	return c
}

// Begin begins the spans of a chunk of that many images. It returns nil, on which all
// methods do nothing, if the chunk is not traced.
func (c *Chunks) Begin(index, images int) *Chunk {
	if c == nil {
		return nil
	}
	begun := time.Now()
	ctx, span := c.tracer.Start(context.Background(), "chunk", trace.WithNewRoot(), trace.WithTimestamp(begun), trace.WithLinks(c.links...),
		trace.WithAttributes(c.job, c.rank, attribute.Int("batchscore.chunk", index), attribute.Int("batchscore.images", images)))
	if !span.IsRecording() {
		return nil
	}
	return &Chunk{of: c, ctx: ctx, span: span, begun: begun}
}

// Chunk is the trace of one chunk. Any number of goroutines may call Now and Note.
type Chunk struct {
	of     *Chunks
	ctx    context.Context //nolint:containedctx // it holds the span that the spans of the stages belong to
	span   trace.Span
	begun  time.Time
	stages [telemetry.Stages]stage
}

// stage is what one stage did for a chunk. Times count from Chunk.begun, plus one, so that
// zero is none.
type stage struct{ first, last, busy, calls atomic.Int64 }

// Now returns the time, to be passed to Note; the zero time if the chunk is not traced.
func (c *Chunk) Now() time.Time {
	if c == nil {
		return time.Time{}
	}
	return time.Now()
}

// Note adds to a stage of the chunk what took from start until now.
func (c *Chunk) Note(of telemetry.Stage, start time.Time) {
	if c == nil {
		return
	}
	s, from := &c.stages[of], int64(start.Sub(c.begun))+1
	took := int64(time.Since(start))
	for first := s.first.Load(); (first == 0 || from < first) && !s.first.CompareAndSwap(first, from); first = s.first.Load() {
	}
	for last := s.last.Load(); from+took > last && !s.last.CompareAndSwap(last, from+took); last = s.last.Load() {
	}
	s.busy.Add(took)
	s.calls.Add(1)
}

// End ends the spans. outcome says what became of the chunk: created, same, lost or
// dropped. failed is how many of its images failed; err is why it was not committed.
func (c *Chunk) End(outcome string, failed int, err error) {
	if c == nil {
		return
	}
	for i := range c.stages {
		s := &c.stages[i]
		if s.calls.Load() == 0 {
			continue
		}
		at := func(offset int64) trace.SpanEventOption {
			return trace.WithTimestamp(c.begun.Add(time.Duration(offset - 1)))
		}
		_, span := c.of.tracer.Start(c.ctx, telemetry.Stage(i).String(), at(s.first.Load()), trace.WithAttributes(
			attribute.Float64("batchscore.busy_seconds", time.Duration(s.busy.Load()).Seconds()), attribute.Int64("batchscore.calls", s.calls.Load())))
		span.End(at(s.last.Load()))
	}
	c.span.SetAttributes(attribute.String("batchscore.outcome", outcome), attribute.Int("batchscore.failed", failed))
	if err != nil {
		c.span.SetStatus(codes.Error, "")
	}
	c.span.End()
}

// Context returns a context with the span of the chunk, for log lines about it.
func (c *Chunk) Context(ctx context.Context) context.Context {
	if c == nil {
		return ctx
	}
	return trace.ContextWithSpan(ctx, c.span)
}

// IDs returns the ids of the trace and the span in a context, in hexadecimal; empty if there
// is none. Lines of the log about a chunk have them.
func IDs(ctx context.Context) (traceID, spanID string) {
	if ctx == nil {
		return "", ""
	}
	span := trace.SpanContextFromContext(ctx)
	if !span.IsValid() {
		return "", ""
	}
	return span.TraceID().String(), span.SpanID().String()
}
