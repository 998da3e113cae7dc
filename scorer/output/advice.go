package output

import (
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
		return "batchscore show " + shellquote.Path(place) + " --status " + failures[0]
	}
	return "batchscore show " + shellquote.Path(place) + " --status " + row.AnyFailure
}

// repairAdvice says how to repair an output that is damaged.
func repairAdvice(st store.Store) string {
	return "to repair it: batchscore repair " + shellquote.Path(st.String())
}
