package main

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/batchscore/batchscore/deploy"
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
		{deploy.Status{State: deploy.Queued}, nil, ""},
		{waits("Resources"), nil, "batchscore: the job waits on slurm: Resources\n"},
		{waits("Resources"), nil, ""},
		{waits("nodes are\x1b[2J down"), nil, "batchscore: the job waits on slurm: nodes are\\u001b[2J down\n"},
		{deploy.Status{}, silent, "batchscore: slurm: service does not answer: squeue: no route; trying again\n"},
		{deploy.Status{}, silent, ""},
		{deploy.Status{}, deploy.ErrNoJob, ""},
		{deploy.Status{State: deploy.Running, Reason: "X"}, nil, "batchscore: slurm answers again\nbatchscore: the job is running on slurm: X\n"},
		{deploy.Status{State: deploy.Stopping, Reason: "l exited with 64"}, nil, "batchscore: the job is stopping on slurm: l exited with 64\n"},
		{deploy.Status{State: deploy.Failed, Reason: "said at the end"}, nil, ""},
		{waits("Resources"), nil, "batchscore: the job waits on slurm: Resources\n"},
	} {
		out.Reset()
		n.tell(look.status, look.err)
		if out.String() != look.says {
			t.Errorf("%+v, %v: said %q, want %q", look.status, look.err, out.String(), look.says)
		}
	}
}
