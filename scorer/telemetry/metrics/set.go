package metrics

import (
	"fmt"
	"math"
	"slices"
	"sync"
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Sink takes the values of metrics.
type Sink struct {
	out    chan<- prometheus.Metric
	common []string
	clean  func(string) string
}

// Value is the value of a counter or a gauge, with the values of the labels that are its
// own. A value that is not known, NaN, is left out.
func (s Sink) Value(m *Metric, v float64, labels ...string) {
	if math.IsNaN(v) {
		return
	}
	kind := prometheus.GaugeValue
	if m.Kind == Counter {
		kind = prometheus.CounterValue
	}
	p, err := prometheus.NewConstMetric(m.desc, kind, v, s.labels(labels)...)
	s.send(m, p, err)
}

// Time is the value of a gauge that is a point in time. The zero time is left out.
func (s Sink) Time(m *Metric, t time.Time, labels ...string) {
	if !t.IsZero() {
		s.Value(m, float64(t.UnixMilli())/1000, labels...)
	}
}

// Spread is the value of a histogram.
func (s Sink) Spread(m *Metric, v telemetry.Spread, labels ...string) {
	p, err := prometheus.NewConstHistogram(m.desc, v.Count, v.Sum, v.Buckets, s.labels(labels)...)
	s.send(m, p, err)
}

func (s Sink) send(m *Metric, p prometheus.Metric, err error) {
	if err != nil {
		p = prometheus.NewInvalidMetric(m.desc, fmt.Errorf("%s: %w", m.Name, err))
	}
	s.out <- p
}

// labels returns the values of all labels, fit to be shown.
func (s Sink) labels(own []string) []string {
	all := make([]string, 0, len(s.common)+len(own))
	for _, values := range [][]string{s.common, own} {
		for _, v := range values {
			all = append(all, s.text(v))
		}
	}
	return all
}

func (s Sink) text(v string) string {
	if s.clean != nil {
		v = s.clean(v)
	}
	return printable.Line(v)
}

// Source gives the present values of some metrics. It may be called at any time and from
// any goroutine.
type Source func(Sink)

// Set collects what sources say of one rank, or of one place of a job.
type Set struct {
	Scope Scope
	// Labels returns the values of the labels of the scope.
	Labels func() []string
	// Clean takes what is secret out of the value of a label; nil leaves all.
	Clean   func(string) string
	Sources []Source // changed by Add only, once the set is in use

	mu sync.Mutex
}

// Add adds a source to a set that is in use.
func (s *Set) Add(source Source) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.Sources = append(slices.Clip(s.Sources), source)
}

func (s *Set) sources() []Source {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.Sources
}

// collect sends the present values.
func (s *Set) collect(out chan<- prometheus.Metric) {
	sink := Sink{out: out, common: s.Labels(), clean: s.Clean}
	for _, source := range s.sources() {
		source(sink)
	}
}

// Gatherer returns the values of the set, and of whatever more there is.
func (s *Set) Gatherer(more ...prometheus.Collector) prometheus.Gatherer {
	return Sets{s}.Gatherer(more...)
}

// Sets are those of one scope: each is of another rank or place.
type Sets []*Set

// Gatherer returns the values of all sets, and of whatever more there is.
func (s Sets) Gatherer(more ...prometheus.Collector) prometheus.Gatherer {
	r := prometheus.NewPedanticRegistry()
	r.MustRegister(s)
	r.MustRegister(more...)
	return r
}

// Describe sends the definitions of the scope.
func (s Sets) Describe(out chan<- *prometheus.Desc) {
	for _, m := range all {
		if m.Scope == s[0].Scope {
			out <- m.desc
		}
	}
}

// Collect sends the present values.
func (s Sets) Collect(out chan<- prometheus.Metric) {
	for _, set := range s {
		set.collect(out)
	}
}
