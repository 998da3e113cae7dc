package main

import (
	"cmp"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// firstLine returns s up to its first line break.
func firstLine(s string) string {
	line, _, _ := strings.Cut(s, "\n")
	return line
}

// formatBytes returns a number of bytes in B, kB, MB or GB.
func formatBytes(n int64) string {
	switch {
	case n >= 1e9:
		return fmt.Sprintf("%.1f GB", float64(n)/1e9)
	case n >= 1e6:
		return fmt.Sprintf("%.1f MB", float64(n)/1e6)
	case n >= 1e3:
		return fmt.Sprintf("%.1f kB", float64(n)/1e3)
	}
	return fmt.Sprintf("%d B", n)
}

// countable returns a label that can follow its number of images: quoted if it
// begins like a number, as those of classes without names, has a comma in it, or is the
// word of a status.
func countable(label string) string {
	if label == "" || strings.ContainsAny(label[:1], "0123456789+-.") || strings.Contains(label, ",") ||
		label == row.StatusOK || label == row.AnyFailure || slices.Contains(row.FailureStatuses(), label) {
		return strconv.Quote(label)
	}
	return printable.Field(label)
}

// maxTallied is how many counts tally lists one by one.
const maxTallied = 12

// tally lists counts of words that are countable or printable, the largest first, and only
// how many there are of those after the first maxTallied.
func tally(counts map[string]int) string {
	names := slices.SortedFunc(maps.Keys(counts), func(a, b string) int {
		return cmp.Or(counts[b]-counts[a], strings.Compare(a, b))
	})
	var parts []string
	for i, name := range names {
		if i == maxTallied {
			parts = append(parts, fmt.Sprintf("%d more labels", len(names)-maxTallied))
			break
		}
		parts = append(parts, fmt.Sprintf("%d %s", counts[name], name))
	}
	return strings.Join(parts, ", ")
}

// numberOf writes a number of things: 1 rank, 2 ranks.
func numberOf(n int, what string) string {
	if n != 1 {
		what += "s"
	}
	return fmt.Sprintf("%d %s", n, what)
}

// images returns a number of images in words.
func images(n int) string { return numberOf(n, "image") }
