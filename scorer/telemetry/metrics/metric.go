package metrics

import (
	"slices"

	"github.com/prometheus/client_golang/prometheus"
)

// Kind is how a metric behaves.
type Kind string

// The kinds, in the words of Prometheus.
const (
	Counter   Kind = "counter"
	Gauge     Kind = "gauge"
	Histogram Kind = "histogram"
)

// Scope says who has a metric.
type Scope string

// The scopes, with the labels that all of their metrics have.
const (
	// OfRank metrics are those of a rank that runs.
	OfRank Scope = "rank"
	// OfJob metrics are those of a job, read from its output.
	OfJob Scope = "job"
	// OfReport metrics are those of a result, as a report or a gate judges it.
	OfReport Scope = "report"
)

// common are the labels that each metric of a scope begins with.
var common = map[Scope][]string{OfRank: {"job_id", "rank"}, OfJob: {"place"}, OfReport: {"place"}}

// Labels returns the labels that each metric of the scope has.
func (s Scope) Labels() []string { return slices.Clone(common[s]) }

// Metric is the definition of one metric.
type Metric struct {
	Name, Help string
	Kind       Kind
	Scope      Scope
	Labels     []string // besides those of the scope

	desc *prometheus.Desc
}

// all are the metrics in the order of their definition.
var all []*Metric

// All returns every metric, in the order of their definition.
func All() []*Metric { return slices.Clone(all) }

func define(scope Scope, kind Kind, name, help string, labels []string) *Metric {
	m := &Metric{Name: name, Help: help, Kind: kind, Scope: scope, Labels: labels}
	m.desc = prometheus.NewDesc(name, help, slices.Concat(common[scope], labels), nil)
	all = append(all, m)
	return m
}

func rankCounter(name, help string, labels ...string) *Metric {
	return define(OfRank, Counter, "batchscore_"+name, help, labels)
}

func rankGauge(name, help string, labels ...string) *Metric {
	return define(OfRank, Gauge, "batchscore_"+name, help, labels)
}

func rankHistogram(name, help string, labels ...string) *Metric {
	return define(OfRank, Histogram, "batchscore_"+name, help, labels)
}

func jobGauge(name, help string, labels ...string) *Metric {
	return define(OfJob, Gauge, "batchscore_job_"+name, help, labels)
}

func reportGauge(name, help string, labels ...string) *Metric {
	return define(OfReport, Gauge, "batchscore_report_"+name, help, labels)
}
