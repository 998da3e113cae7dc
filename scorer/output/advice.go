package output

import (
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// ShowCommand returns the command that shows the images of a place that failed, to
// be pasted into a shell; empty where none failed.
func ShowCommand(place string, statuses map[string]int) string {
	failures := row.Failures(statuses)
	switch len(failures) {
	case 0:
		return ""
	case 1:
		return "batchscore show " + shellquote.Path(place) + " --status " + shellquote.Quote(failures[0])
	}
	return "batchscore show " + shellquote.Path(place) + " --status " + row.AnyFailure
}

// repairAdvice says how to repair an output that is damaged.
func repairAdvice(st store.Store) string {
	return "to repair it: batchscore repair " + shellquote.Path(st.String())
}

// What people are told of an output whose rows may not be what they should be.
const (
	// MixedDecodingNote explains Success.MixedDecoding.
	MixedDecodingNote = "Some rows come from a program with other decoders than that which began the job: they may differ from what it would have said."
	// DependentRowsNote explains Job.DependentRows.
	DependentRowsNote = "Rows may depend on the other images of their batch, or on chance: the job runs with --allow-dependent-rows."
)

// HalvedNote says that batches were halved to Success.LeastBatch, and what to do about it;
// empty if that is 0.
func HalvedNote(least int) string {
	if least == 0 {
		return ""
	}
	return fmt.Sprintf("The memory of a device was full, so its batches were halved, down to %d: it was slower than it can be. "+
		"Next time end other programs on it, or begin with --batch %d.", least, least)
}

// MixedGPUsNote says that rows come from devices of several kinds, as Success.GPUKinds
// lists them; empty if that is not so.
func MixedGPUsNote(kinds []string) string {
	if len(kinds) < 2 {
		return ""
	}
	return "Rows of this output come from different GPUs or from different software of theirs, so equal bytes are not promised: " +
		strings.Join(kinds, "; ") + "."
}
