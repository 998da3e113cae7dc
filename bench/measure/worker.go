package measure

import (
	"cmp"
	"context"
	"io"

	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// Worker fills in what the workers of all benchmarks have in common: the fields
// of the job that follow from the images and the contract, a world of one rank,
// new counters, and progress that nobody sees. What the caller has set stays.
// The caller gives both stores, the contract, the engine and the job's TopK. A
// worker without a Log is silent.
func Worker(o scorer.Options) scorer.Options {
	o.Job.Images = o.Images.String()
	o.Job.PreprocessDigest, o.Job.LabelsDigest = o.Contract.PreprocessDigest(), o.Contract.LabelsDigest()
	o.Job.Precision = cmp.Or(o.Job.Precision, o.Contract.Precision)
	o.Job.Format = cmp.Or(o.Job.Format, row.JSONL)
	o.MaxErrors = judge.UnlessAllFail
	if o.World.Size == 0 {
		o.World = shard.World{Size: 1, LocalSize: 1}
	}
	o.Counters = cmp.Or(o.Counters, new(telemetry.Counters))
	o.Progress = &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard, Rank: o.World.Rank}}
	return o
}

// SimulatedWorker is Worker on a simulated device of the contract's model.
func SimulatedWorker(ctx context.Context, device simulate.Spec, o scorer.Options) scorer.Options {
	o.Job.Precision = row.Simulated
	o = Worker(o)
	o.OpenEngine = func() (scorer.Engine, error) { return simulate.Open(ctx, device, o.Contract, o.World.Rank) }
	return o
}
