package scorer

import (
	"errors"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

func TestThreshold(t *testing.T) {
	for _, tt := range []struct {
		name, flag     string
		images, failed int
		unlessAll      bool // the threshold is judge.UnlessAllFail
		before         bool // the job was begun before there was a default
		says           string
	}{
		{name: "nothing failed", images: 100},
		{name: "no images", images: 0},
		{name: "exactly the default", images: 20, failed: 2},
		{name: "more than the default", images: 20, failed: 3,
			says: "too many images failed: 3 of 20 (corrupt 3), at most 10% are allowed unless --max-errors says more; every image has its row"},
		{name: "99 of 100", images: 100, failed: 99, says: "99 of 100"},
		{name: "few images", images: 19, failed: 18},
		{name: "all of a few images", images: 3, failed: 3, says: "3 of 3 (corrupt 3), fewer than all are allowed"},
		{name: "one image", images: 1, failed: 1, says: "1 of 1"},
		{name: "a job of before", images: 100, failed: 99, before: true},
		{name: "a job of before where all failed", images: 100, failed: 100, before: true, says: "fewer than all are allowed"},
		{name: "a job of before with the flag", flag: "10%", images: 100, failed: 11, before: true, says: "at most 10% are allowed; every"},
		{name: "a higher share", flag: "50%", images: 100, failed: 50},
		{name: "every share", flag: "100%", images: 100, failed: 100},
		{name: "a lower share", flag: "1%", images: 100, failed: 2, says: "at most 1% are allowed"},
		{name: "a number", flag: "5", images: 10, failed: 5},
		{name: "more than a number", flag: "5", images: 10, failed: 6, says: "at most 5 are allowed"},
		{name: "unless all fail", unlessAll: true, images: 300_000_000, failed: 299_999_999},
		{name: "all of many", unlessAll: true, images: 300_000_000, failed: 300_000_000, says: "fewer than all are allowed"},
		{name: "none of no images", unlessAll: true},
		{name: "none", flag: "0", images: 10, failed: 1, says: "at most 0 are allowed"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			limit, err := judge.ParseLimits(tt.flag)
			if err != nil {
				t.Fatal(err)
			}
			if tt.unlessAll {
				limit = judge.UnlessAllFail
			}
			job := &output.Job{MaxErrors: output.DefaultMaxErrors}
			if tt.before {
				job.MaxErrors = ""
			}
			s := output.Success{Images: tt.images, Statuses: map[string]int{row.StatusOK: tt.images - tt.failed, "corrupt": tt.failed}}
			err = checkLimits(limit, job, s, "result")
			switch {
			case tt.says == "" && err != nil:
				t.Errorf("check() = %v, want nil", err)
			case tt.says != "" && (!errors.Is(err, ErrTooManyFailed) || !strings.Contains(err.Error(), tt.says)):
				t.Errorf("check() = %v, want ErrTooManyFailed with %q", err, tt.says)
			}
		})
	}
}

// TestTheDefaultThresholdIsOnRecord: whoever ends a job, or finds it complete, applies
// the default that it was begun with.
func TestTheDefaultThresholdIsOnRecord(t *testing.T) {
	out := new(mem.Store)
	images, _ := troubled(t, 20)
	o := options(t, images, out)
	o.MaxErrors = judge.Limits{}
	for range 2 {
		if s, err := Run(t.Context(), o); !errors.Is(err, ErrTooManyFailed) || s.Failed < 3 {
			t.Errorf("Run() = %d failed, %v, want ErrTooManyFailed", s.Failed, err)
		}
	}
	job, err := output.ReadJob(t.Context(), out)
	if err != nil || job.MaxErrors != "10%" {
		t.Errorf("the record says %q, %v, want 10%%", job.MaxErrors, err)
	}
	o.Retry = row.Selection{row.StatusUnreadable} // which no image has
	if _, err := Run(t.Context(), o); !errors.Is(err, ErrTooManyFailed) {
		t.Errorf("Run() with nothing to score again = %v, want ErrTooManyFailed", err)
	}
}
