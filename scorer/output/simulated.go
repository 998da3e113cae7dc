package output

import (
	"fmt"
	"strconv"
	"strings"
)

// Simulated is the precision of a job whose device computes nothing. It keeps
// simulated rows and others out of one folder.
const Simulated = "simulated"

// simulatedLabel begins every label of a simulated job, so that no row of it
// can be taken for a result, wherever it is copied to.
const simulatedLabel = "simulated:"

// SimulatedLabels are the labels of a simulated job with that many classes,
// those without a label under their number.
func SimulatedLabels(labels []string, classes int) []string {
	marked := make([]string, classes)
	for i := range marked {
		label := strconv.Itoa(i)
		if i < len(labels) {
			label = labels[i]
		}
		marked[i] = simulatedLabel + label
	}
	return marked
}

// mixed returns ErrMismatch if rows of a simulated device are among those of
// another job, or the other way round.
func (j *Job) mixed(rows []Row) error {
	for i := range rows {
		r := &rows[i]
		if r.Status != StatusOK {
			continue
		}
		switch simulated := strings.HasPrefix(r.Label, simulatedLabel); {
		case simulated && j.Precision != Simulated:
			return fmt.Errorf("%w: row %d has label %q of a simulated device, and the job is not simulated", ErrMismatch, i, r.Label)
		case !simulated && j.Precision == Simulated:
			return fmt.Errorf("%w: row %d has label %q, and the job is simulated", ErrMismatch, i, r.Label)
		}
	}
	return nil
}
