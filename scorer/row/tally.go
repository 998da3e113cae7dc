package row

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Failed returns how many of those images, counted by status, failed.
func Failed(statuses map[string]int) int {
	n := 0
	for status, images := range statuses {
		if status != StatusOK {
			n += images
		}
	}
	return n
}

// Tally says in words how many images there are and what became of them, such
// as "20 images: 10 ok, 10 failed (not_found 9, truncated 1)".
func Tally(statuses map[string]int) string {
	n := Failed(statuses)
	images := "images"
	if n+statuses[StatusOK] == 1 {
		images = "image"
	}
	text := fmt.Sprintf("%d %s: %d ok, %d failed", n+statuses[StatusOK], images, statuses[StatusOK], n)
	if n > 0 {
		text += " (" + TallyFailures(statuses) + ")"
	}
	return text
}

// TallyFailures lists the statuses but ok with their numbers of images, the
// largest first.
func TallyFailures(statuses map[string]int) string {
	var parts []string
	for _, status := range Failures(statuses) {
		parts = append(parts, fmt.Sprintf("%s %d", printable.Field(status), statuses[status]))
	}
	return strings.Join(parts, ", ")
}

// Failures returns the statuses but ok that images have, that of most images
// first.
func Failures(statuses map[string]int) []string {
	all := slices.SortedFunc(maps.Keys(statuses), func(a, b string) int {
		if n := statuses[b] - statuses[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return slices.DeleteFunc(all, func(status string) bool { return status == StatusOK || statuses[status] == 0 })
}
