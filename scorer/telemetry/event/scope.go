package event

import (
	"context"
	"sync/atomic"

	"github.com/rs/zerolog"
)

// A Scope is a hook of a log that adds what becomes known while the process runs: the job,
// and for lines of Kind.In the span that they belong to. Its zero value adds nothing.
type Scope struct {
	job  atomic.Pointer[string]
	span atomic.Pointer[SpanFunc]
}

// A SpanFunc returns the ids of the trace and the span that a context holds, in hexadecimal;
// empty if it holds none.
type SpanFunc func(ctx context.Context) (trace, span string)

// SetJob has every line from now on name the job.
func (s *Scope) SetJob(id string) { s.job.Store(&id) }

// Job returns the job that lines name; empty for none.
func (s *Scope) Job() string {
	if job := s.job.Load(); job != nil {
		return *job
	}
	return ""
}

// SetSpans has lines that begin with Kind.In name the span from now on.
func (s *Scope) SetSpans(of SpanFunc) { s.span.Store(&of) }

// Run implements zerolog.Hook.
func (s *Scope) Run(e *zerolog.Event, _ zerolog.Level, _ string) {
	if job := s.Job(); job != "" {
		e.Str("job", job)
	}
	of := s.span.Load()
	if of == nil || *of == nil {
		return
	}
	if trace, span := (*of)(e.GetCtx()); trace != "" {
		e.Str("trace_id", trace).Str("span_id", span)
	}
}
