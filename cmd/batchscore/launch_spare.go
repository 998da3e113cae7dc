package main

import (
	"context"
	"fmt"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// spareAfter is how long the output has been complete when launch cancels a job of which a
// part still waits. Ranks that are at work need far less time to end, unless they merge.
var spareAfter = 2 * time.Minute

// unneeded is what is known of a job that nothing is left for.
type unneeded struct {
	since    time.Time // since when launch has seen the output complete and something wait
	canceled bool
	refused  string // why the engine did not cancel it, if that was said
}

// cancelUnneeded cancels the job if it waits on its engine, for nodes or for somebody who releases
// it, and other ranks have completed the output and its --merge file: it would start, perhaps
// never, only to end. An output that was complete before is another matter, and so is a retry,
// which begins after that.
func (w *watched) cancelUnneeded(ctx context.Context, status deploy.Status, n *news) {
	if w.out == nil || w.before || w.r.Job.Schedule != "" || w.r.Job.Run["retry"] != "" || w.unneeded.canceled {
		return
	}
	partly := status.State == deploy.Running && status.Reason != "" && w.r.Job.Run["merge"] == ""
	if status.State != deploy.Queued && !partly {
		w.unneeded.since = time.Time{}
		return
	}
	done, err := output.ReadSuccess(ctx, w.out)
	if err != nil || !w.delivered(ctx, &done) {
		w.unneeded.since = time.Time{}
		return
	}
	if w.unneeded.since.IsZero() {
		w.unneeded.since = time.Now()
	}
	if partly && time.Since(w.unneeded.since) < spareAfter {
		return
	}
	err = w.l.Cancel(ctx, w.r.ID)
	switch {
	case err == nil: // also if launch has heard of the end since, which ends ctx
		w.unneeded.canceled = true
		why := ""
		if status.Reason != "" {
			why = " (" + printable.Line(status.Reason) + ")"
		}
		n.say(event.JobNotNeeded, fmt.Sprintf("the result is complete, and the job waited on %s%s: it is canceled", n.engine, why))
	case ctx.Err() == nil:
		if text := printable.Line(err.Error()); text != w.unneeded.refused {
			w.unneeded.refused = text
			n.say(event.JobNotNeeded, fmt.Sprintf("the result is complete, but the job waits on %s and cannot be canceled: %s", n.engine, text))
		}
	}
}

// delivered reports whether a complete job has no --merge file to write any more. One that this
// machine cannot see may be missing.
func (w *watched) delivered(ctx context.Context, s *output.Success) bool {
	if w.r.Job.Run["merge"] == "" {
		return true
	}
	o, _, err := w.mergeFile()
	return err == nil && o != nil && w.unmerged(ctx, s, nil) == nil
}
