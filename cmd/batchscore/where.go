package main

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/row/query"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// columnsOf returns the columns by which the rows of a job can be chosen: those of the
// rows, and the address of the image.
func columnsOf(job *output.Job) []row.Column {
	all := job.Schema().Columns()
	for i := range all {
		if all[i].Name == "size" {
			all[i].Parse = func(text string) (float64, error) {
				var n byteSize
				err := n.Set(text)
				return float64(n), err
			}
		}
	}
	return append(all, row.Column{Name: "address", Kind: row.Text, Of: func(r *row.Row) row.Value {
		name, err := r.Name()
		if err != nil {
			name = r.Path
		}
		return row.Value{Text: job.Address(name)}
	}})
}

// parseWhere reads the value of --where.
func parseWhere(text string, columns []row.Column) (query.Filter, error) {
	f, err := query.Parse(text, columns)
	if err != nil {
		return nil, usagef("--where: %w", suggested(err))
	}
	return f, nil
}

// parseColumns reads the value of --columns.
func parseColumns(text string, columns []row.Column) ([]row.Column, error) {
	var named []row.Column
	for name := range strings.SplitSeq(text, ",") {
		c, err := query.Find(columns, strings.TrimSpace(name))
		if err != nil {
			return nil, usagef("--columns: %w", suggested(err))
		}
		named = append(named, c)
	}
	return named, nil
}

// suggested adds to the error of an unknown name the one that was probably meant.
func suggested(err error) error {
	var unknown *query.UnknownError
	if !errors.As(err, &unknown) {
		return err
	}
	return fmt.Errorf("%w%s", err, didYouMean(unknown.Name, unknown.Known))
}

// mostSeen is how many distinct values of a column are kept for a hint.
const mostSeen = 10_000

// valuesSeen are the values, such as labels, that rows have in the columns that a
// filter compares with, for a hint if no row is chosen.
type valuesSeen map[string]map[string]bool

func (s *valuesSeen) add(f query.Filter, r *row.Row) {
	for i := range f {
		c := &f[i].Column
		if c.Kind != row.Word {
			continue
		}
		if *s == nil {
			*s = valuesSeen{}
		}
		seen := (*s)[c.Name]
		if seen == nil {
			seen = map[string]bool{}
			(*s)[c.Name] = seen
		}
		if v := c.Of(r); !v.Unknown && !seen[v.Text] && len(seen) < mostSeen {
			seen[strings.Clone(v.Text)] = true
		}
	}
}

// unseen returns a line for each value that a filter asks for and no row has.
// topK is how many classes the job kept of an image.
func (s valuesSeen) unseen(f query.Filter, topK int) []string {
	var lines []string
	for _, c := range f {
		if topK == 1 && slices.Contains([]string{"label_2", "score_2", "margin"}, c.Column.Name) {
			lines = append(lines, fmt.Sprintf("No row has the %s: the job kept one class of each image (--top-k 1)", c.Column.Name))
			continue
		}
		seen := s[c.Column.Name]
		if c.Operator != "=" || seen == nil || len(seen) == mostSeen || c.Column.Name == "status" {
			continue
		}
		for _, v := range c.Values {
			if seen[v.Text] {
				continue
			}
			known := slices.Sorted(maps.Keys(seen))
			line := fmt.Sprintf("No row has the %s %q", c.Column.Name, v.Text)
			if hint := didYouMean(v.Text, known); hint != "" {
				line += hint
			} else if len(known) > 0 {
				line += ". There are " + printable.Field(strings.Join(known[:min(len(known), maxTallied)], ", "))
				if len(known) > maxTallied {
					line += fmt.Sprintf(" and %d more", len(known)-maxTallied)
				}
			}
			lines = append(lines, line)
		}
	}
	return lines
}
