package event

import "github.com/rs/zerolog"

// Lines about jobs with many failures.
var (
	FailuresSampled = info("failures_sampled", "Many images fail, and this rank takes the rest of its share in random order, to see how many",
		"`chunks` (how many these are)")
	JobFailing = add(Kind{Name: "job_failing", Levels: []zerolog.Level{zerolog.ErrorLevel},
		Means:  "More images fail than `--max-errors` allows, and the job stops before it is complete, with exit code 6",
		Fields: "`failed`, `done` and `images`: the numbers so far and of the job; `statuses`, the failures by status"})
	FailuresFew = info("failures_few", "New images failed, and so few are new or have changed that no percentage of `--max-errors` applies",
		"`images` (new and changed ones), `failed` (of these), `statuses`")
	FailuresUnknown = warn("failures_unknown", "What the ranks know of failures cannot be read or written, and the job continues", "`error`")
	CauseGone       = info("cause_gone", "The job was stopped because too many images failed, and some of them can be read now:"+
		" it continues, and scores them again", "")
)
