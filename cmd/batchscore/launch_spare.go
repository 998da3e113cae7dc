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

// spared is what is known of a job that nothing is left for.
type spared struct {
	since    time.Time // when launch first saw the output complete
	canceled bool
	refused  string // why the engine did not cancel it, if that was said
}

// spare cancels the job if it waits on its engine, for nodes or for somebody who releases it, and
// other ranks have completed the output: it would start, perhaps never, only to end. An output
// that was complete before is another matter, and so is a retry, which begins after that.
func (w *watched) spare(ctx context.Context, status deploy.Status, n *news) {
	if w.out == nil || w.before || w.r.Job.Schedule != "" || w.r.Job.Run["retry"] != "" || w.spared.canceled {
		return
	}
	partly := status.State == deploy.Running && status.Reason != "" && w.r.Job.Run["merge"] == ""
	if status.State != deploy.Queued && !partly {
		return
	}
	if _, err := output.ReadSuccess(ctx, w.out); err != nil {
		w.spared.since = time.Time{}
		return
	}
	if w.spared.since.IsZero() {
		w.spared.since = time.Now()
	}
	if partly && time.Since(w.spared.since) < spareAfter {
		return
	}
	err := w.l.Cancel(ctx, w.r.ID)
	switch {
	case ctx.Err() != nil:
	case err != nil:
		if text := printable.Line(err.Error()); text != w.spared.refused {
			w.spared.refused = text
			n.say(event.JobNotNeeded, fmt.Sprintf("the result is complete, but the job waits on %s and cannot be canceled: %s", n.engine, text))
		}
	default:
		w.spared.canceled = true
		why := ""
		if status.Reason != "" {
			why = " (" + printable.Line(status.Reason) + ")"
		}
		n.say(event.JobNotNeeded, fmt.Sprintf("the result is complete, and the job waited on %s%s: it is canceled", n.engine, why))
	}
}
