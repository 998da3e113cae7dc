package review

import (
	"fmt"

	"github.com/batchscore/batchscore/scorer/row"
)

// TallyForTest puts the counts of n images with n labels into f.
func TallyForTest(f *Findings, n int) {
	t := newTally()
	for i := range n {
		t.add(&row.Row{Status: row.StatusOK}, &row.Classification{Label: fmt.Sprint(i), Score: 1})
	}
	t.put(f)
}
