package row

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
)

// StatusOK is the status of an image that has an answer.
const StatusOK = "ok"

// Statuses of images that failed before they could be decoded. Those of decoding
// are codec.Status values.
const (
	StatusNotFound = "not_found" // deleted after the listing
	StatusChanged  = "changed"   // replaced after the listing
	// StatusQuarantined is given to an image on which workers keep dying.
	StatusQuarantined = "quarantined"
	StatusUnreadable  = "unreadable" // the store refuses or fails to give this one object
	// StatusOutOfRange is given to an image of which the model's numbers are too large for
	// the answer.
	StatusOutOfRange = "out_of_range"
	// StatusNotFinite is given to an image of which the model's numbers contain NaN or infinity,
	// also when they are computed again.
	StatusNotFinite = "not_finite"
)

// FailureStatuses returns the statuses of images that have no answer.
func FailureStatuses() []string {
	var all []string
	for _, status := range codec.Failures() {
		all = append(all, string(status))
	}
	return append(all, StatusNotFound, StatusChanged, StatusUnreadable, StatusQuarantined, StatusOutOfRange, StatusNotFinite)
}

// Unproven reports whether a row with that status says nothing about the version of the image
// that was listed: that version was never read.
func Unproven(status string) bool {
	return status == StatusNotFound || status == StatusChanged || status == StatusUnreadable
}

// AnyFailure in a Selection is every status but ok.
const AnyFailure = "failed"

// Selection is a choice of rows by their status.
type Selection []string

// ParseSelection reads statuses with commas between them, among them "failed"
// for all but ok. A status that is not among known is an error that lists those.
func ParseSelection(text string, known []string) (Selection, error) {
	var s Selection
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != AnyFailure && !slices.Contains(known, word) {
			return nil, fmt.Errorf("%q is not one of %s, or %s for all but ok", word, strings.Join(known, ", "), AnyFailure)
		}
		s = append(s, word)
	}
	if slices.Contains(s, AnyFailure) && !slices.Contains(s, StatusOK) {
		if s.Drifted() {
			return Selection{StatusChanged, AnyFailure}, nil
		}
		return Selection{AnyFailure}, nil
	}
	slices.Sort(s)
	return slices.Compact(s), nil
}

// Drifted reports whether a retry of these statuses also scores images that have changed
// since they were listed and whose rows have other statuses: "changed" is named.
func (s Selection) Drifted() bool { return slices.Contains(s, StatusChanged) }

// WithDrifted returns the choice together with StatusChanged.
func (s Selection) WithDrifted() Selection {
	if s.Drifted() {
		return s
	}
	all := append(slices.Clone(s), StatusChanged)
	slices.Sort(all)
	return all
}

// Has reports whether rows of that status are chosen.
func (s Selection) Has(status string) bool {
	return slices.Contains(s, status) || status != StatusOK && slices.Contains(s, AnyFailure)
}

// Count returns how many of those images are chosen.
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
