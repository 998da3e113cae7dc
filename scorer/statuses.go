package scorer

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess/codec"
	"github.com/batchscore/batchscore/scorer/output"
)

// Failures are the statuses of images that have no label.
func Failures() []string {
	return []string{
		string(codec.StatusEmpty), string(codec.StatusNotImage), string(codec.StatusUnsupported),
		string(codec.StatusTruncated), string(codec.StatusCorrupt), string(codec.StatusTooLarge),
		string(codec.StatusPanic),
		output.StatusNotFound, output.StatusChanged, output.StatusUnreadable, output.StatusQuarantined,
	}
}

// ParseSelection reads statuses with commas between them, among them "failed"
// for all but ok. Others are an error that lists what there is: known, and
// "failed".
func ParseSelection(text string, known []string) (output.Selection, error) {
	var s output.Selection
	for word := range strings.SplitSeq(text, ",") {
		if word = strings.TrimSpace(word); word != output.AnyFailure && !slices.Contains(known, word) {
			return nil, fmt.Errorf("%q is not one of %s, or %s for all but ok", word, strings.Join(known, ", "), output.AnyFailure)
		}
		s = append(s, word)
	}
	if slices.Contains(s, output.AnyFailure) && !slices.Contains(s, output.StatusOK) {
		return output.Selection{output.AnyFailure}, nil
	}
	slices.Sort(s)
	return slices.Compact(s), nil
}
