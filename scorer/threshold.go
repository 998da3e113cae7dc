package scorer

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
)

// Threshold is the number of failed images up to which a job is successful. With the
// zero value a job fails only if every image failed.
type Threshold struct {
	text    string
	count   int
	percent float64
}

// ParseThreshold reads "N", a number of images, or "P%", a share of the
// manifest from 0 to 100. The empty text is the zero value.
func ParseThreshold(text string) (Threshold, error) {
	t := Threshold{text: text}
	if text == "" {
		return t, nil
	}
	if number, ok := strings.CutSuffix(text, "%"); ok {
		p, err := strconv.ParseFloat(number, 64)
		if err != nil || !(p >= 0 && p <= 100) {
			return t, fmt.Errorf("%q is not a percentage from 0%% to 100%%", text)
		}
		t.percent = p
		return t, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return t, fmt.Errorf("%q is neither a number of images nor a percentage", text)
	}
	t.count = n
	return t, nil
}

// check returns ErrTooManyFailed if a complete job has more failed images than
// allowed. place is the output, for the error.
func (t Threshold) check(s output.Success, place string) error {
	failed := s.Images - s.Statuses[row.StatusOK]
	var over bool
	switch {
	case t.text == "":
		over = failed > 0 && failed == s.Images
	case strings.HasSuffix(t.text, "%"):
		over = float64(failed) > t.percent/100*float64(s.Images)
	default:
		over = failed > t.count
	}
	if !over {
		return nil
	}
	allowed := "at most " + t.text
	if t.text == "" {
		allowed = "fewer than all"
	}
	return fmt.Errorf("%w: %d of %d (%s), %s are allowed; every image has its row, which says why: %s",
		ErrTooManyFailed, failed, s.Images, row.TallyFailures(s.Statuses), allowed, output.ShowCommand(place, s.Statuses))
}
