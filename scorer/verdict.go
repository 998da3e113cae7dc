package scorer

import (
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
)

// Threshold is the number of failed images up to which a job is successful. The zero
// value is the default of the job: output.MaxErrors of at least leastImages, and in
// smaller jobs all images but one. A job begun before there was this default fails only
// if every image failed.
type Threshold struct {
	kind    thresholdKind
	text    string
	count   int
	percent float64
}

type thresholdKind int

const (
	ofTheJob      thresholdKind = iota
	ofCount                     // count images
	ofShare                     // percent of the images
	allButOneFail               // all images but one
)

// UnlessAllFail is a Threshold that a job fails only if every image failed.
var UnlessAllFail = Threshold{kind: allButOneFail}

// anyNumber is a Threshold that no job fails.
var anyNumber = Threshold{kind: ofShare, text: "100%", percent: 100}

// leastImages is how many images a job has before output.MaxErrors counts: in a
// smaller one, a few bad images are a large share.
const leastImages = 20

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
		t.kind, t.percent = ofShare, p
		return t, nil
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return t, fmt.Errorf("%q is neither a number of images nor a percentage", text)
	}
	t.kind, t.count = ofCount, n
	return t, nil
}

// String returns the text that was read; empty for the zero value.
func (t Threshold) String() string { return t.text }

// Of returns how many failed images a job with that many images may have, as N or P%.
func (t Threshold) Of(job *output.Job, images int) string {
	switch {
	case t.text != "":
		return t.text
	case job.MaxErrors != "" && images >= leastImages:
		return job.MaxErrors
	}
	return strconv.Itoa(max(images-1, 0))
}

// check returns ErrTooManyFailed if a complete job has more failed images than
// allowed. place is the output, for the error.
func (t Threshold) check(job *output.Job, s output.Success, place string) error {
	failed := s.Images - s.Statuses[row.StatusOK]
	var over bool
	allowed := "at most " + t.text + " are allowed"
	switch {
	case t.kind == allButOneFail, t.kind == ofTheJob && failed == s.Images:
		over, allowed = failed == s.Images && failed > 0, "fewer than all are allowed"
	case t.kind == ofTheJob && job.MaxErrors != "" && s.Images >= leastImages:
		share, err := ParseThreshold(job.MaxErrors)
		if err == nil {
			err = share.check(job, s, place)
		}
		if errors.Is(err, ErrTooManyFailed) {
			over, allowed = true, "at most "+job.MaxErrors+" are allowed unless --max-errors says more"
		} else if err != nil {
			return err
		}
	case t.kind == ofTheJob:
	case t.kind == ofShare:
		over = float64(failed) > t.percent/100*float64(s.Images)
	default:
		over = failed > t.count
	}
	if !over {
		return nil
	}
	return fmt.Errorf("%w: %d of %d (%s), %s; every image has its row, which says why: %s",
		ErrTooManyFailed, failed, s.Images, row.TallyFailures(s.Statuses), allowed, output.ShowCommand(place, s.Statuses))
}

// verdict decides whether a complete job is a success.
type verdict struct {
	maxErrors Threshold
	strict    bool // about drift
}

func (o *Options) verdict() verdict { return verdict{maxErrors: o.MaxErrors, strict: o.StrictDrift} }

// Verdict returns ErrTooManyFailed or ErrDrifted, or both, for a complete job that a
// run with this threshold, and with --strict-drift if strict is set, calls no success.
func Verdict(job *output.Job, s output.Success, place string, maxErrors Threshold, strict bool) error {
	return verdict{maxErrors: maxErrors, strict: strict}.check(job, s, place)
}

// check returns ErrTooManyFailed or ErrDrifted, or both, if a complete job is not a
// success. place is the output, for the error.
func (v verdict) check(job *output.Job, s output.Success, place string) error {
	err := v.maxErrors.check(job, s, place)
	switch {
	case !v.strict || job.Retry != nil:
	case s.Drift == nil:
		err = errors.Join(err, fmt.Errorf("%w: the images could not be listed again, so nobody knows whether some were added; run it again",
			store.ErrUnavailable))
	case *s.Drift != output.Drift{}:
		err = errors.Join(err, fmt.Errorf("%w: %s (--strict-drift)", ErrDrifted, s.Drift))
	}
	return err
}
