package main

import (
	"bytes"
	"context"
	"fmt"
	"testing"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/mem"
)

// TestNews: each thing is said once, and again only after another.
func TestNews(t *testing.T) {
	var out bytes.Buffer
	n := &news{engine: "slurm", out: &out}
	silent := fmt.Errorf("slurm: %w: squeue: no route", deploy.ErrUnreachable)
	waits := func(why string) deploy.Status { return deploy.Status{State: deploy.Queued, Reason: why} }
	for _, look := range []struct {
		status deploy.Status
		err    error
		says   string
	}{
		{status: deploy.Status{State: deploy.Queued}, err: nil, says: ""},
		{status: waits("Resources"), err: nil, says: "batchscore: the job waits on slurm: Resources\n"},
		{status: waits("Resources"), err: nil, says: ""},
		{status: waits("nodes are\x1b[2J down"), err: nil, says: "batchscore: the job waits on slurm: nodes are\\u001b[2J down\n"},
		{status: deploy.Status{}, err: silent, says: "batchscore: slurm: service does not answer: squeue: no route; trying again\n"},
		{status: deploy.Status{}, err: silent, says: ""},
		{status: deploy.Status{}, err: deploy.ErrNoJob, says: ""},
		{status: deploy.Status{State: deploy.Running, Reason: "X"}, err: nil, says: "batchscore: slurm answers again\nbatchscore: the job is running on slurm: X\n"},
		{status: deploy.Status{State: deploy.Stopping, Reason: "l exited with 64"}, err: nil, says: "batchscore: the job is stopping on slurm: l exited with 64\n"},
		{status: deploy.Status{State: deploy.Failed, Reason: "said at the end"}, err: nil, says: ""},
		{status: waits("Resources"), err: nil, says: "batchscore: the job waits on slurm: Resources\n"},
	} {
		out.Reset()
		n.tell(look.status, look.err)
		if out.String() != look.says {
			t.Errorf("%+v, %v: said %q, want %q", look.status, look.err, out.String(), look.says)
		}
	}
}

// queued is an engine on which jobs wait. It counts how often it is asked.
type queued struct {
	deploy.Launcher
	asked int
}

func (q *queued) Status(context.Context, string) (deploy.Status, error) {
	q.asked++
	return deploy.Status{State: deploy.Queued, Reason: fmt.Sprintf("answer %d", q.asked)}, nil
}

// TestWaitingAsksSeldom: a terminal shows what a job waits for, and the engine is not asked each
// time that it is drawn.
func TestWaitingAsksSeldom(t *testing.T) {
	q := &queued{}
	w := &watched{l: q, out: new(mem.Store), r: record.Record{ID: "waits", Engine: "kubernetes"}}
	observer := output.Observe(w.out)
	for range 5 {
		if line := w.progress(t.Context(), observer)(80); line != "queued on kubernetes: answer 1" {
			t.Errorf("it shows %q", line)
		}
	}
	w.asked = w.asked.Add(-newsEvery)
	if line := w.progress(t.Context(), observer)(80); line != "queued on kubernetes: answer 2" || q.asked != 2 {
		t.Errorf("later it shows %q after %d questions, want the second answer", line, q.asked)
	}
}
