package scorer

import (
	"context"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/increment"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// committer writes the rows of scored chunks as parts, one after another.
type committer struct {
	in       <-chan *chunk
	out      store.Store
	job      *output.Job
	manifest *shard.Manifest
	holds    *holds
	gate     *gate
	chunks   *chunkPool
	counters *telemetry.Counters
	log      zerolog.Logger
	hook     testHook

	shareStart, shareEnd int            // chunks of the own share
	statuses             map[string]int // of the rows that this worker committed
	failed               func([]row.Row)
	failures             *judge.Counter
	rescored             *increment.Rescored
}

func (c *committer) run(ctx context.Context) error {
	for done := range c.in {
		if err := c.commit(ctx, done); err != nil {
			return err
		}
		c.holds.remove(done.index)
		c.gate.leave()
		c.chunks.recycle(done)
	}
	return nil
}

func (c *committer) commit(ctx context.Context, done *chunk) (err error) {
	begun, outcome := time.Now(), "dropped"
	ctx = done.trace.Context(ctx)
	defer c.counters.Busy(telemetry.Commit, begun)
	defer func() {
		done.trace.Note(telemetry.Commit, begun)
		done.trace.End(outcome, countFailed(scoredRows(done)), err)
	}()
	if done.dropped() {
		// Its rows may be incomplete, and another worker has committed it.
		c.counters.Add(telemetry.Lost, 1)
		c.failures.Lose(done.index)
		return nil
	}
	c.hook.at("before-commit", done.index)
	if err := c.rescored.Mark(ctx, c.out, done.entries); err != nil {
		outcome = "failed"
		return err
	}
	result, err := output.Commit(ctx, c.out, c.job, c.manifest, done.index, done.rows)
	c.hook.at("after-commit", done.index)
	if err != nil {
		outcome = "failed"
		return err
	}
	outcome = string(result.Outcome)
	if result.Outcome != output.Created {
		c.counters.Add(telemetry.Lost, 1)
		c.failures.Lose(done.index)
		event.ChunkLost.In(ctx, c.log).Int("chunk", done.index).Msg("another worker committed this chunk first; its part is kept")
		return nil
	}
	c.counters.Add(telemetry.Chunks, 1)
	if done.index < c.shareStart || done.index >= c.shareEnd {
		c.counters.Add(telemetry.Stolen, 1)
	}
	for i := range done.rows {
		c.statuses[done.rows[i].Status]++
	}
	scored, statuses := scoredRows(done), map[string]int{}
	for i := range scored {
		statuses[scored[i].Status]++
	}
	c.counters.Committed(statuses)
	if e := event.ChunkCommitted.In(ctx, c.log); e.Enabled() {
		if n := len(done.rows) - len(scored); n > 0 {
			e = e.Int("copied", n)
		}
		ofRows(e.Int("chunk", done.index), statuses).Msg("committed a chunk")
	}
	c.tellFailed(scored)
	c.failures.Commit(done.index, c.judged(done))
	return nil
}

// scoredRows returns the rows of a chunk without those that were copied.
func scoredRows(done *chunk) []row.Row {
	var rows []row.Row
	for i := range done.rows {
		if done.entries[i].Copied() {
			if rows == nil {
				rows = append(make([]row.Row, 0, len(done.rows)), done.rows[:i]...)
			}
		} else if rows != nil {
			rows = append(rows, done.rows[i])
		}
	}
	if rows == nil {
		return done.rows
	}
	return rows
}

// ofRows adds how many rows there are, and how many of images that failed, to a line of the log.
func ofRows(e *zerolog.Event, statuses map[string]int) *zerolog.Event {
	failed, images := row.Failed(statuses), 0
	for _, n := range statuses {
		images += n
	}
	e = e.Int("images", images)
	if failed > 0 {
		e = e.Int("failed", failed).Interface("statuses", statuses)
	}
	return e
}

// tellFailed calls failed with those of the rows that are of failed images, if there are any.
func (c *committer) tellFailed(rows []row.Row) {
	if c.failed == nil {
		return
	}
	var failed []row.Row
	for i := range rows {
		if rows[i].Status != row.StatusOK {
			failed = append(failed, rows[i])
		}
	}
	if len(failed) > 0 {
		c.failed(failed)
	}
}

// countFailed returns how many rows say that their image failed.
func countFailed(rows []row.Row) int {
	n := 0
	for i := range rows {
		if rows[i].Status != row.StatusOK {
			n++
		}
	}
	return n
}

// judged returns the rows that count for --max-errors: of an increment those of new and changed
// images, and not what is copied or scored again.
func (c *committer) judged(done *chunk) []row.Row {
	if !c.job.Increments() {
		return done.rows
	}
	var rows []row.Row
	for i := range done.rows {
		if done.entries[i].Counts() {
			rows = append(rows, done.rows[i])
		}
	}
	return rows
}
