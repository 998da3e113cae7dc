package main

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/bench/result"
)

// samples are what a call of the template picks from.
type samples struct {
	from string // for errors: the file, and what was picked from it
	runs []result.Run
}

// readSamples reads a file. The name of a Go sub-benchmark that is not a key with a
// value becomes the value of a key "case".
func readSamples(file string) (*samples, error) {
	runs, err := result.Read(file)
	for _, r := range runs {
		for _, s := range r.Samples {
			for i, k := range s.Keys {
				if k.Value == "" {
					s.Keys[i] = result.Key{Name: "case", Value: k.Name}
				}
			}
		}
	}
	if err == nil && len(runs) == 0 {
		err = fmt.Errorf("there are no samples in %s", file)
	}
	return &samples{file, runs}, err
}

// pick returns the samples that are wanted. If there are none it returns an error.
func (s *samples) pick(what string, want func(*result.Sample) bool) (*samples, error) {
	kept := &samples{from: s.from + " " + what}
	for _, r := range s.runs {
		run := result.Run{Provenance: r.Provenance}
		for _, sample := range r.Samples {
			if want(&sample) {
				run.Samples = append(run.Samples, sample)
			}
		}
		if len(run.Samples) > 0 {
			kept.runs = append(kept.runs, run)
		}
	}
	if len(kept.runs) == 0 {
		return nil, fmt.Errorf("%s: there are no such samples", kept.from)
	}
	return kept, nil
}

// Only returns the samples of one benchmark.
func (s *samples) Only(name string) (*samples, error) {
	return s.pick(name, func(x *result.Sample) bool { return x.Name == name })
}

// Where returns the samples whose key has one of the values.
func (s *samples) Where(key string, values ...any) (*samples, error) {
	var texts []string
	for _, v := range values {
		texts = append(texts, fmt.Sprint(v))
	}
	return s.pick(key+"="+strings.Join(texts, "|"), func(x *result.Sample) bool {
		return slices.Contains(texts, value(x.Keys, key))
	})
}

// Without returns the samples whose key has none of the values, or that lack it.
func (s *samples) Without(key string, values ...string) (*samples, error) {
	return s.pick(key+"!="+strings.Join(values, "|"), func(x *result.Sample) bool {
		return !slices.Contains(values, value(x.Keys, key))
	})
}

func value(keys []result.Key, name string) string {
	for _, k := range keys {
		if k.Name == name {
			return k.Value
		}
	}
	return ""
}

// rows returns the configurations. Measured and simulated ones together are an error.
func (s *samples) rows() ([]*result.Row, error) {
	var all []result.Sample
	for _, r := range s.runs {
		all = append(all, r.Samples...)
	}
	rows := result.Rows(all)
	for _, r := range rows {
		if r.Simulated != rows[0].Simulated {
			return nil, fmt.Errorf("%s: measured and simulated samples together", s.from)
		}
	}
	return rows, nil
}

// Median returns the median of a unit. There must be only one configuration.
func (s *samples) Median(unit string) (float64, error) {
	rows, err := s.rows()
	if err != nil {
		return 0, err
	}
	if len(rows) != 1 {
		return 0, fmt.Errorf("%s: %d configurations, want one", s.from, len(rows))
	}
	sum, ok := rows[0].Summary[unit]
	if !ok {
		return 0, fmt.Errorf("%s: no %s, but %v", s.from, unit, rows[0].Units)
	}
	return sum.Center, nil
}

// Least returns the lowest median of all configurations.
func (s *samples) Least(unit string) (float64, error) {
	rows, err := s.rows()
	if err != nil {
		return 0, err
	}
	least := math.Inf(1)
	for _, r := range rows {
		sum, ok := r.Summary[unit]
		if !ok {
			return 0, fmt.Errorf("%s: no %s, but %v", s.from, unit, r.Units)
		}
		least = min(least, sum.Center)
	}
	return least, nil
}

// N returns how many samples there are.
func (s *samples) N() (n int) {
	for _, r := range s.runs {
		n += len(r.Samples)
	}
	return n
}

// Made returns the commits and days of the samples, each once.
func (s *samples) Made() string {
	var all []string
	for _, r := range s.runs {
		commit, _, modified := strings.Cut(r.Provenance.Commit, "+")
		text := "commit " + commit[:min(len(commit), 10)]
		if modified {
			text += " with changes"
		}
		text += ", " + r.Provenance.Date.Format(time.DateOnly)
		if !slices.Contains(all, text) {
			all = append(all, text)
		}
	}
	return strings.Join(all, "; ")
}

// Provenance returns where the samples come from, one line for each machine and commit.
func (s *samples) Provenance() string {
	var lines []string
	for _, r := range s.runs {
		if l := provenance(r.Provenance); !slices.Contains(lines, l) {
			lines = append(lines, l)
		}
	}
	return strings.Join(lines, "; ")
}
