package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/mem"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

// keeping is an engine that keeps a job in a state until it is canceled, as Slurm keeps one that
// it holds.
type keeping struct {
	deploy.Launcher
	status   deploy.Status
	refused  error // of the first Cancel
	canceled chan struct{}
	looks    atomic.Int32
	often    func() // called at the tenth look
}

func (k *keeping) Logs(ctx context.Context, _ string, _ io.Writer, _ bool) error {
	select {
	case <-k.canceled:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

func (k *keeping) Status(context.Context, string) (deploy.Status, error) {
	select {
	case <-k.canceled:
		return deploy.Status{State: deploy.Canceled}, nil
	default:
		if k.looks.Add(1) == 10 && k.often != nil {
			k.often()
		}
		return k.status, nil
	}
}

func (k *keeping) Cancel(context.Context, string) error {
	if err := k.refused; err != nil {
		k.refused = nil
		return err
	}
	close(k.canceled)
	return nil
}

// TestJobThatWaitsForNothing: launch cancels a job that waits on its engine although its output is
// complete, and ends with the result. It does not cancel one that has something left to do.
func TestJobThatWaitsForNothing(t *testing.T) {
	defer func(every, after time.Duration) { newsEvery, spareAfter = every, after }(newsEvery, spareAfter)
	newsEvery, spareAfter = time.Millisecond, 0
	whole, images := filepath.Join(t.TempDir(), "out"), pictures(t, 3)
	must(t, 0, "run", "--images", images, "--out", whole, "--model", tiny(t, graphtest.Options{}))
	complete, err := dir.New(whole, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	held := deploy.Status{State: deploy.Queued, Reason: "launch failed requeued held: scontrol release 7"}
	for _, c := range []struct {
		name    string
		status  deploy.Status
		change  func(w *watched)
		refused error
		ends    bool
		says    string
	}{
		{name: "held", status: held, ends: true, says: "the result is complete, and the job waited on slurm (" + held.Reason + "): it is canceled"},
		{name: "queued", status: deploy.Status{State: deploy.Queued}, ends: true, says: "the job waited on slurm: it is canceled"},
		{name: "refused once", status: held, refused: deploy.ErrService, ends: true, says: "cannot be canceled: " + deploy.ErrService.Error()},
		{name: "a part waits", status: deploy.Status{State: deploy.Running, Reason: "pod-2: ErrImagePull"}, ends: true, says: "(pod-2: ErrImagePull)"},
		{name: "a part waits, and another merges", status: deploy.Status{State: deploy.Running, Reason: "pod-2: ErrImagePull"},
			change: func(w *watched) { w.r.Job.Run = map[string]string{"merge": "x.csv"} }},
		{name: "it is to write a file", status: held, says: "the job waits on slurm", change: func(w *watched) {
			w.r.Job.Run = map[string]string{"merge": filepath.Join(t.TempDir(), "x.csv")}
		}},
		{name: "it is to write a file that this machine does not see", status: held, says: "the job waits on kubernetes", change: func(w *watched) {
			w.r.Engine, w.r.Job.Run = "kubernetes", map[string]string{"merge": "/mnt/elsewhere/x.csv"}
		}},
		{name: "the file is written", status: held, ends: true, says: "it is canceled", change: func(w *watched) {
			file := filepath.Join(t.TempDir(), "x.csv")
			must(t, 0, "merge", whole, "--output", file)
			w.r.Job.Run = map[string]string{"merge": file}
		}},
		{name: "running", status: deploy.Status{State: deploy.Running}},
		{name: "stopping", status: deploy.Status{State: deploy.Stopping}},
		{name: "not complete", status: held, change: func(w *watched) { w.out = new(mem.Store) }, says: "the job waits on slurm: " + held.Reason},
		{name: "complete before", status: held, change: func(w *watched) { w.before = true }},
		{name: "a retry", status: held, change: func(w *watched) { w.r.Job.Run = map[string]string{"retry": "failed"} }},
	} {
		t.Run(c.name, func(t *testing.T) {
			var printed storetest.Buffer
			k := &keeping{status: c.status, refused: c.refused, canceled: make(chan struct{})}
			w := &watched{
				l: k, out: complete, book: record.Open(t.TempDir()), stdout: &printed, stderr: &printed,
				r: record.Record{ID: "kept", Engine: "slurm", Phase: record.Submitted, Job: deploy.Job{Images: images, Out: whole, Model: "m"}},
			}
			if c.change != nil {
				c.change(w)
			}
			stop := make(chan struct{})
			if !c.ends {
				k.often = func() { close(stop) }
			}
			err := w.follow(t.Context(), stop)
			if text := printed.String(); !strings.Contains(text, c.says) || strings.Contains(text, "but the result is complete") {
				t.Errorf("it printed\n%s\nwant %q", text, c.says)
			}
			if c.ends && (err != nil || !strings.Contains(printed.String(), "Processed 3 images")) {
				t.Errorf("follow: %v, and printed\n%s", err, printed.String())
			}
			if !c.ends && !strings.Contains(fmt.Sprint(err), "the job continues") {
				t.Errorf("follow: %v, want that the job continues", err)
			}
		})
	}
}

// TestPartWaitsAgain: a part that waits again is given its two minutes again.
func TestPartWaitsAgain(t *testing.T) {
	defer func(after time.Duration) { spareAfter = after }(spareAfter)
	spareAfter = time.Hour
	whole := filepath.Join(t.TempDir(), "out")
	must(t, 0, "run", "--images", pictures(t, 2), "--out", whole, "--model", tiny(t, graphtest.Options{}))
	complete, err := dir.New(whole, dir.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var printed storetest.Buffer
	k := &keeping{canceled: make(chan struct{})}
	w := &watched{l: k, out: complete, stdout: &printed, stderr: &printed, r: record.Record{ID: "kept", Engine: "slurm", Job: deploy.Job{Out: whole}}}
	n := &news{engine: "slurm", out: &printed}
	waits := deploy.Status{State: deploy.Running, Reason: "pod-2: ErrImagePull"}
	w.cancelUnneeded(t.Context(), waits, n)
	w.unneeded.since = w.unneeded.since.Add(-2 * time.Hour)
	w.cancelUnneeded(t.Context(), deploy.Status{State: deploy.Running}, n)
	w.cancelUnneeded(t.Context(), waits, n)
	if w.unneeded.canceled {
		t.Error("it is canceled at once")
	}
	w.unneeded.since = w.unneeded.since.Add(-2 * time.Hour)
	if w.cancelUnneeded(t.Context(), waits, n); !w.unneeded.canceled {
		t.Error("it is not canceled")
	}
}
