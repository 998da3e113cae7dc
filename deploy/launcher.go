// Package deploy defines jobs and the interface of what launches them.
//
//  1. A Job is read from job.yaml: what to score, where to write the result, on
//     how many nodes. It is the same for every engine. It names secrets and
//     contains none.
//  2. An administrator writes service.yaml once. It says where each engine is
//     reached; each engine's package defines its own section.
//  3. A Launcher sends the job to its engine, which schedules it. Each engine has
//     one package, which declares a Driver; package engines lists them.
//  4. Before anything is sent, the job's ID is written to disk (package record).
//     The engine gets the same ID. So the job can be found again, whichever
//     process dies.
//  5. Whether the job is done is read from its output, never from the engine.
package deploy

import (
	"context"
	"errors"
	"io"
	"time"
)

var (
	// ErrNoEngine means that an engine's own command is not installed here.
	ErrNoEngine = errors.New("launcher not installed")
	// ErrUnsupported means that the job asks for what the engine cannot do.
	ErrUnsupported = errors.New("not supported by this engine")
	// ErrNoJob means that the engine knows no job of that ID.
	ErrNoJob = errors.New("the engine knows no such job")
	// ErrNoCluster means that the engine has no cluster of that name.
	ErrNoCluster = errors.New("the engine has no such cluster")
	// ErrService means that service.yaml or the credentials are wrong: the engine
	// cannot be reached with them, or refuses them.
	ErrService = errors.New("the engine cannot be used as configured")
	// ErrUnreachable means that the engine does not answer now. Nothing has
	// changed for the job.
	ErrUnreachable = errors.New("service does not answer")
	// ErrRankFailed means that a rank ended before its work was done. What it had
	// committed is kept, and a rerun continues from there.
	ErrRankFailed = errors.New("rank failed")
)

// JobVariable is the variable that holds the job's ID on every rank.
const JobVariable = "BATCHSCORE_JOB"

// Launcher starts jobs on one engine and finds them again. Every method may be
// called from any process that has the same service.yaml, even after the process
// that submitted the job is gone. For an ID that the engine does not know,
// methods return ErrNoJob. No method puts a secret into a command line, a
// document, a log or an error.
type Launcher interface {
	// Documents returns what Submit would send, for a person to read, with
	// references in place of secrets. It sends nothing, and needs neither the
	// engine nor its command. For a job that the engine cannot run it returns
	// ErrUnsupported, in an error that names the field.
	Documents(job Job, id string) ([]Document, error)

	// Submit gives the job to the engine under the ID and returns when the
	// engine has accepted it. Submitting an ID that the engine already has
	// starts nothing. After an error the engine may or may not have the job;
	// Status finds out.
	Submit(ctx context.Context, job Job, id string) error

	// Status returns what the engine says about the job now, and changes nothing.
	Status(ctx context.Context, id string) (Status, error)

	// Logs writes what the ranks have printed so far. With follow it continues
	// until the job has ended.
	Logs(ctx context.Context, id string, w io.Writer, follow bool) error

	// Cancel asks the engine to end the job. Ranks get the engine's grace period
	// to commit what they are working on. For a job that has ended, Cancel
	// changes nothing, unless the engine is a Releaser.
	Cancel(ctx context.Context, id string) error

	// Fetch downloads what the engine keeps about the job into a folder: logs
	// and, where the engine stores them, output files. It does not fetch a result
	// in blob storage, which is where the job says.
	Fetch(ctx context.Context, id, folder string) error
}

// Waiter is an engine that can follow a job to its end by itself.
type Waiter interface {
	// Wait passes on what the ranks print until the job has ended. Once stop is
	// closed it cancels the job, and continues until that has ended. The error
	// wraps ErrRankFailed for a job that failed. No error means that the engine
	// saw no rank fail, which does not prove that the job is done. If Wait
	// returns early, with ctx or with an error, the job continues.
	Wait(ctx context.Context, id string, stdout, stderr io.Writer, stop <-chan struct{}) error
}

// Releaser is an engine on which a job that has ended may still hold nodes. Cancel releases
// them, too. Status changes nothing.
type Releaser interface {
	// Release has the engine take back what a job that has ended holds, and returns the status
	// of the job. For any other job it changes nothing.
	Release(ctx context.Context, id string) (Status, error)
}

// Exporter is an engine that can also write a job for its own command-line tool.
type Exporter interface {
	// YAML returns the job as files for that tool. Like Documents it sends
	// nothing.
	YAML(job Job, id string) ([]Document, error)
}

// Document is one thing that is sent to an engine: a file, or a request.
type Document struct {
	// Name is a file name, a command line, or a method and URL.
	Name string
	Body []byte
}

// State is the state of a job, in words that fit every engine.
type State string

// The states of a job on its engine.
const (
	Queued    State = "queued" // waiting for nodes, or being prepared
	Running   State = "running"
	Stopping  State = "stopping"
	Succeeded State = "succeeded" // the engine saw no rank fail; the output is the evidence
	Failed    State = "failed"
	Canceled  State = "canceled"
)

// Ended reports whether the engine has finished with the job.
func (s State) Ended() bool { return s == Succeeded || s == Failed || s == Canceled }

// Status is what an engine says about a job.
type Status struct {
	State State
	// Reason is the engine's own explanation, or empty.
	Reason string
	// ExitCode is that of the ranks' launcher; nil while the job runs, or if the
	// engine does not know it.
	ExitCode *int
	// Started and Ended are zero while they are not known.
	Started, Ended time.Time
	// Where tells a person where to look: a URL, or a command.
	Where string
}
