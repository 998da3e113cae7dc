// Package deploy starts the ranks of a job on an engine that schedules them,
// and judges by the output, not by the engine, whether the job is done.
package deploy

import (
	"context"
	"errors"
)

// ErrNoEngine says that an engine's own command is not installed here.
var ErrNoEngine = errors.New("launcher not installed")

// ErrRankFailed says that a rank ended before its work was done. What it had
// committed stands; a rerun goes on from there.
var ErrRankFailed = errors.New("rank failed")

// Job is what every engine needs to know to start a scoring job.
type Job struct {
	// Ranks is how many workers to start.
	Ranks int
	// Command is the worker's argument vector, program first. Secrets do not
	// belong here but into the environment.
	Command []string
}

// Launcher starts a job on one engine.
//
// Launch starts all ranks, returns when all of them have ended, and may be
// called once per job at a time. When stop is closed it asks the ranks to
// drain: they commit what they have in hand and end. When ctx ends it kills
// them. A nil error means that the engine saw no rank fail, which is not
// evidence that the job is done: the caller looks at the output.
type Launcher interface {
	Launch(ctx context.Context, job Job, stop <-chan struct{}) error
}
