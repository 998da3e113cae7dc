package scorer

import (
	"context"
	"time"

	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// commit writes scored chunks as parts, one after another.
func (p *pipeline) commit(ctx context.Context) error {
	for c := range p.scored {
		if err := p.commitChunk(ctx, c); err != nil {
			return err
		}
		p.taker.committed(c.index)
		<-p.uncommitted
		select {
		case p.spent <- c:
		default:
		}
	}
	return nil
}

func (p *pipeline) commitChunk(ctx context.Context, c *chunk) error {
	defer p.Counters.Busy(telemetry.Commit, time.Now())
	if c.dropped() {
		// Some of its rows may be of no chunk that was ever complete.
		p.Counters.Lost()
		return nil
	}
	p.at("before-commit", c.index)
	result, err := output.Commit(ctx, p.Out, &p.Job, p.Manifest, c.index, c.rows)
	p.at("after-commit", c.index)
	if err != nil {
		return err
	}
	if result.Outcome != output.Created {
		p.Counters.Lost()
		p.Log.Info().Int("chunk", c.index).Msg("another worker committed this chunk first; its part stands")
		return nil
	}
	lo, hi := p.Chunks.Share(p.World.Rank, p.World.Size)
	p.Counters.Committed(c.index < lo || c.index >= hi)
	for i := range c.rows {
		p.statuses[c.rows[i].Status]++
	}
	return nil
}
