package local

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"sync"

	"github.com/batchscore/batchscore/deploy"
)

// tag is what mpirun --tag-output puts in front of a rank's line.
var tag = regexp.MustCompile(`^\[[^\]\s]*,(\d+)\]<(std[a-z]+)>: ?`)

// line is a line of the log.
type line struct {
	text   []byte // with its end, and without mpirun's tag
	rank   int    // -1 for a line of mpirun itself
	stderr bool
}

func parseLine(text []byte) line {
	m := tag.FindSubmatch(text)
	if m == nil {
		return line{text, -1, true}
	}
	rank, err := strconv.Atoi(string(m[1]))
	if err != nil {
		return line{text, -1, true}
	}
	return line{text[len(m[0]):], rank, string(m[2]) != "stdout"}
}

// String returns the line for a person to read.
func (l line) String() string {
	if l.rank < 0 {
		return string(l.text)
	}
	return fmt.Sprintf("rank %d | %s", l.rank, l.text)
}

// lines calls each for every line of the job's log. With follow it continues until
// the job has ended.
func (e *Engine) lines(ctx context.Context, id string, follow bool, each func(line) error) error {
	if !exists(e.file(id, logFile)) {
		return fmt.Errorf("%s: %s: %w", Name, id, deploy.ErrNoJob)
	}
	ended := func(context.Context) (bool, error) { return true, nil }
	if follow {
		w := watch{e: e, id: id}
		ended = w.ended
	}
	return deploy.FollowLog(ctx, e.file(id, logFile), poll, ended, func(text []byte) error { return each(parseLine(text)) })
}

// Logs writes the lines of mpirun and of the ranks, each with its rank in front.
func (e *Engine) Logs(ctx context.Context, id string, w io.Writer, follow bool) error {
	return e.lines(ctx, id, follow, func(l line) error {
		_, err := io.WriteString(w, l.String())
		return err
	})
}

// Wait implements deploy.Waiter. A job whose exit status is not zero is a
// *deploy.ExitStatus. A nil error means that mpirun saw no rank fail.
func (e *Engine) Wait(ctx context.Context, id string, stdout, stderr io.Writer, stop <-chan struct{}) error {
	ctx, cancel := context.WithCancel(ctx)
	var stopper sync.WaitGroup
	defer stopper.Wait()
	defer cancel()
	var stopped error
	stopper.Go(func() {
		select {
		case <-stop:
			stopped = e.Cancel(ctx, id)
		case <-ctx.Done():
		}
	})
	quiet := Quiet(stderr)
	failed := failures{placement: e.placement(id)}
	err := e.lines(ctx, id, true, func(l line) error {
		w := stdout
		switch {
		case l.rank < 0:
			w = quiet
			if cause := failed.add(l.text); cause != "" {
				fmt.Fprintf(w, "batchscore: %s\n", cause)
			}
		case l.stderr:
			w = stderr
		}
		_, err := io.WriteString(w, l.String())
		return err
	})
	if err := errors.Join(err, quiet.Close()); err != nil {
		return err
	}
	cancel()
	stopper.Wait()
	if stopped != nil && !errors.Is(stopped, context.Canceled) {
		return stopped
	}
	status, err := e.Status(context.WithoutCancel(ctx), id)
	switch {
	case err != nil:
		return err
	case status.ExitCode == nil:
		return fmt.Errorf("%s: job %s: %s: %w", Name, id, status.Reason, deploy.ErrRankFailed)
	case *status.ExitCode == 0:
		return nil
	}
	exit, err := e.failure(id, *status.ExitCode)
	if err != nil {
		return err
	}
	return exit
}

var (
	// Open MPI 4 reports a killed rank as "process rank 1 with PID 77 on node h
	// exited on signal 9", and one with an exit status other than zero as
	// "Process name: [[61,1],3]".
	failedRank = regexp.MustCompile(`process rank (\d+) with PID|Process name: \[\[\d+,\d+\],(\d+)\]`)
	// It reports a lost host as "Remote daemon: [[61,0],2] on node h", unless the
	// agent notices first.
	lostHost = regexp.MustCompile(`Remote daemon: \[\[\d+,\d+\],\d+\] on node (\S+)|^` + connectionEnded + `(\S+): the connection ended`)
)

// failures collects what mpirun reports as failed since it was last started.
type failures struct {
	placement []byte // see placement
	ranks     []int
	lost      string // the first host that was lost
}

// add takes in a line that is not a rank's. If the ranks are started again after it,
// it returns which of them failed before, as far as that is known, and forgets them.
func (f *failures) add(text []byte) (cause string) {
	if bytes.HasPrefix(text, []byte(restarting)) {
		if len(f.ranks) > 0 {
			cause = (&deploy.ExitStatus{Ranks: f.ranks, Host: hostOf(f.ranks, f.placement)}).Cause()
		}
		*f = failures{placement: f.placement}
		return cause
	}
	if m := failedRank.FindSubmatch(text); m != nil {
		if n, err := strconv.Atoi(string(bytes.Join(m[1:], nil))); err == nil {
			f.ranks = append(f.ranks, n)
		}
	}
	if m := lostHost.FindSubmatch(text); m != nil && f.lost == "" {
		f.lost = string(bytes.Join(m[1:], nil))
	}
	return ""
}

// failure returns what failed according to the log: the ranks that mpirun named or,
// without any, those of the first host that was lost.
func (e *Engine) failure(id string, code int) (*deploy.ExitStatus, error) {
	var failed failures
	err := e.lines(context.Background(), id, false, func(l line) error {
		if l.rank < 0 {
			failed.add(l.text)
		}
		return nil
	})
	exit := &deploy.ExitStatus{By: "mpirun", Code: code, Ranks: failed.ranks, Lost: failed.lost}
	switch {
	case errors.Is(err, deploy.ErrNoJob):
		return exit, nil // its log was removed
	case err != nil:
		return nil, err
	case len(exit.Ranks) > 0:
		exit.Lost = "" // mpirun leaves the hosts once the job has failed
		exit.Host = hostOf(exit.Ranks, e.placement(id))
	case exit.Lost != "":
		exit.Ranks = ranksOn(exit.Lost, e.placement(id))
	}
	return exit, nil
}

// placement returns which ranks of a job run where, or nothing if that is not known.
func (e *Engine) placement(id string) []byte {
	body, err := deploy.ReadSmall(e.file(id, placementFile))
	if err != nil {
		return nil // messages then name the ranks only
	}
	return body
}

// Fetch writes the log of the job into the folder.
func (e *Engine) Fetch(ctx context.Context, id, folder string) error {
	return deploy.SaveLog(ctx, e, id, folder)
}
