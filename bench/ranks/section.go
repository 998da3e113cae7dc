package ranks

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"maps"
	"slices"
)

// section is a part of logs that belongs to one job. A log, or a cell of a notebook,
// begins one, and so does the line of a new job with another output. Sections are put
// together again unless they are of different jobs (see reader.jobs).
type section struct {
	byRank    map[int]*attempts
	facts     jobFacts
	simulated bool
}

// empty reports whether nothing in the section is about a job.
func (s *section) empty() bool { return len(s.byRank) == 0 && len(s.facts.totals) == 0 }

// over reports whether the job of the section has ended, as far as it shows.
func (s *section) over() bool {
	if len(s.facts.totals) > 0 {
		return true
	}
	for _, a := range s.byRank {
		if last := len(*a) - 1; (*a)[last].ended {
			return true
		}
	}
	return false
}

// reader reads sections.
type reader struct{ sections []*section }

// read enters the lines of a text. Its errors begin with the number of a line, or with a
// colon.
func (r *reader) read(text io.Reader) error {
	s := r.begin()
	lines := bufio.NewScanner(text)
	lines.Buffer(nil, longestLine)
	for n := 1; lines.Scan(); n++ {
		line := lines.Bytes()
		if bytes.IndexByte(line, '\x1b') >= 0 {
			line = colours.ReplaceAll(line, nil)
		}
		if out, ok := newJob(line); ok {
			if s.facts.out != "" && s.facts.out != out || s.facts.out == "" && s.over() {
				s = r.begin()
			}
			s.facts.out, s.facts.begun = out, true
		}
		s.simulated = s.simulated || simulated.Match(line)
		s.facts.read(line)
		if err := readLine(s.byRank, line); err != nil {
			return fmt.Errorf(", line %d: %w", n, err)
		}
	}
	if err := lines.Err(); errors.Is(err, bufio.ErrTooLong) {
		return fmt.Errorf(": a line is longer than %d bytes: this is not a log", longestLine)
	} else if err != nil {
		return fmt.Errorf(": %w", err)
	}
	return nil
}

func (r *reader) begin() *section {
	r.sections = append(r.sections, &section{byRank: map[int]*attempts{}})
	return r.sections[len(r.sections)-1]
}

// jobs puts the sections of each job together. All are of one job unless they name
// different outputs. If they do, a section without a name belongs to the job before it
// if that was not over, or if it has other ranks; else it is a job of its own.
func (r *reader) jobs() []Log {
	var outs []string
	for _, s := range r.sections {
		if s.facts.out != "" && !slices.Contains(outs, s.facts.out) {
			outs = append(outs, s.facts.out)
		}
	}
	var jobs []*section
	for _, s := range r.sections {
		into := -1
		last := len(jobs) - 1
		switch {
		case s.empty() && s.facts.out == "" && last < 0 && len(outs) > 1:
			continue
		case len(outs) < 2:
			into = last
		case s.facts.out != "":
			into = slices.IndexFunc(jobs, func(j *section) bool { return j.facts.out == s.facts.out })
		case last >= 0 && (!jobs[last].over() || s.strange(jobs[last])):
			into = last
		}
		if into < 0 {
			jobs = append(jobs, s)
			continue
		}
		jobs[into].add(s)
	}
	var logs []Log
	for _, s := range jobs {
		if s.empty() {
			continue
		}
		l := Log{Simulated: s.simulated, Job: s.facts.job()}
		for _, rank := range slices.Sorted(maps.Keys(s.byRank)) {
			l.Ranks = append(l.Ranks, s.byRank[rank].sum(rank))
		}
		logs = append(logs, l)
	}
	return logs
}

// strange reports whether a section has none of the ranks of another.
func (s *section) strange(other *section) bool {
	for rank := range s.byRank {
		if other.byRank[rank] != nil {
			return false
		}
	}
	return true
}

// add adds a later section of the same job.
func (s *section) add(later *section) {
	s.simulated = s.simulated || later.simulated
	for rank, more := range later.byRank {
		if s.byRank[rank] == nil {
			s.byRank[rank] = new(attempts)
		}
		for _, try := range *more {
			s.byRank[rank].add(try)
		}
	}
	f, m := &s.facts, &later.facts
	f.ours, f.begun, f.races = f.ours || m.ours, f.begun || m.begun, f.races+m.races
	f.failed, f.rate, f.out = max(f.failed, m.failed), max(f.rate, m.rate), max(f.out, m.out)
	for _, n := range m.totals {
		if !slices.Contains(f.totals, n) {
			f.totals = append(f.totals, n)
		}
	}
	for _, d := range m.took {
		if !slices.Contains(f.took, d) {
			f.took = append(f.took, d)
		}
	}
}
