package output

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
)

// failed is how many of those images have no label.
func failed(statuses map[string]int) int {
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
	n := failed(statuses)
	text := fmt.Sprintf("%d images: %d ok, %d failed", n+statuses[StatusOK], statuses[StatusOK], n)
	if n > 0 {
		text += " (" + Failures(statuses) + ")"
	}
	return text
}

// Failures lists the statuses but ok with their numbers of images, the largest
// first.
func Failures(statuses map[string]int) string {
	var parts []string
	for _, status := range failures(statuses) {
		parts = append(parts, fmt.Sprintf("%s %d", status, statuses[status]))
	}
	return strings.Join(parts, ", ")
}

// failures are the statuses but ok that images have, that of most images first.
func failures(statuses map[string]int) []string {
	all := slices.SortedFunc(maps.Keys(statuses), func(a, b string) int {
		if n := statuses[b] - statuses[a]; n != 0 {
			return n
		}
		return strings.Compare(a, b)
	})
	return slices.DeleteFunc(all, func(status string) bool { return status == StatusOK || statuses[status] == 0 })
}

// ShowCommand is the command that shows the images of a place that failed, to be
// pasted into a shell; empty where none failed.
func ShowCommand(place string, statuses map[string]int) string {
	all := failures(statuses)
	switch len(all) {
	case 0:
		return ""
	case 1:
		return "batchscore show " + shellquote.Quote(place) + " --status " + all[0]
	}
	return "batchscore show " + shellquote.Quote(place) + " --status " + AnyFailure
}

// AnyFailure in a Selection stands for every status but ok.
const AnyFailure = "failed"

// Selection is a choice of rows by their status.
type Selection []string

// Has reports whether rows of that status are chosen.
func (s Selection) Has(status string) bool {
	return slices.Contains(s, status) || status != StatusOK && slices.Contains(s, AnyFailure)
}

// Count is how many of those images are chosen.
func (s Selection) Count(statuses map[string]int) int {
	n := 0
	for status, images := range statuses {
		if s.Has(status) {
			n += images
		}
	}
	return n
}

func (s Selection) String() string { return strings.Join(s, ",") }
