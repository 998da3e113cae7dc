// Package deploy says what a job is and what starts it.
//
//  1. job.yaml is read into a Job: what is scored, where to, on how many nodes.
//     It holds for every engine alike and names secrets without holding any.
//  2. service.yaml, written once by an administrator, says where each engine is
//     reached; each engine's package has its own section of it.
//  3. A Launcher sends the job to its engine, which schedules it. Each engine has
//     one package, which declares a Driver; package engines lists them.
//  4. Before anything is sent the job's ID is on disk (package record), and the
//     engine is told the same ID: whatever dies, the job is found again.
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
	// ErrService means that the engine cannot be reached as service.yaml and the
	// credentials at hand say, or refuses them.
	ErrService = errors.New("the engine cannot be used as configured")
	// ErrUnreachable means that the engine gives no answer now; the job is as it
	// was.
	ErrUnreachable = errors.New("service does not answer")
	// ErrRankFailed means that a rank ended before its work was done. What it had
	// committed stands; a rerun goes on from there.
	ErrRankFailed = errors.New("rank failed")
)

// JobVariable is the variable that holds the job's ID on every rank.
const JobVariable = "BATCHSCORE_JOB"

// Launcher starts jobs on one engine and finds them again. All methods may be
// called from any process that has the same service.yaml, also after the one
// that submitted is gone; an ID that the engine does not know is ErrNoJob. None
// of them puts a secret into a command line, a document, a log or an error.
type Launcher interface {
	// Documents are what Submit would send, for a reader, with secrets as
	// references. It sends nothing, and needs neither the engine nor its
	// command. What the engine cannot do is ErrUnsupported, naming the field.
	Documents(job Job, id string) ([]Document, error)

	// Submit hands the job to the engine under the ID and returns when the
	// engine has taken it. Submitting an ID again that the engine has already
	// starts nothing twice. After an error the engine may or may not have the
	// job; Status tells.
	Submit(ctx context.Context, job Job, id string) error

	// Status is what the engine says of the job now.
	Status(ctx context.Context, id string) (Status, error)

	// Logs writes what the ranks have printed so far, and with follow goes on
	// until the job has ended.
	Logs(ctx context.Context, id string, w io.Writer, follow bool) error

	// Cancel asks the engine to end the job, with the grace that the engine
	// gives for committing what is in hand. A job that has ended stays so.
	Cancel(ctx context.Context, id string) error

	// Fetch downloads what the engine keeps of the job into a folder: logs and,
	// where the engine holds them, output files. A result in blob storage is
	// not fetched here; it is where the job says.
	Fetch(ctx context.Context, id, folder string) error
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

// State is where a job stands, in words that fit every engine.
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

// Ended reports whether the engine is done with the job.
func (s State) Ended() bool { return s == Succeeded || s == Failed || s == Canceled }

// Status is what an engine says of a job.
type Status struct {
	State State
	// Reason is the engine's own word for why, or empty.
	Reason string
	// ExitCode is that of the ranks' launcher, if the job has ended and the
	// engine tells it.
	ExitCode *int
	// Started and Ended are zero as long as they are not known.
	Started, Ended time.Time
	// Where is a place in which a person can look: a URL, a command.
	Where string
}
