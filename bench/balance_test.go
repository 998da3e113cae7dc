package bench

import (
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

// BenchmarkBalance runs 8 ranks with simulated devices, one of which has a quarter of
// the rate of the others, with static shares and with ranks that take over chunks. It
// reports each makespan as a multiple of the ideal, that of perfectly divided work.
// With static shares all wait for the slow rank, which should take
// 8/2 * (7 + 1/4)/8 = 3.63 times the ideal.
func BenchmarkBalance(b *testing.B) {
	const (
		ranks  = 8
		images = 6000
		rate   = 50.0
	)
	path := b.TempDir()
	if err := scale.Collection(path, images); err != nil {
		b.Fatal(err)
	}
	photos := folder(b, path)
	ideal := images / (rate * (ranks - 1 + 0.25))
	for _, static := range []bool{true, false} {
		name := "taking-over"
		if static {
			name = "static"
		}
		b.Run(name, func(b *testing.B) {
			var total time.Duration
			n := 0
			for b.Loop() {
				total += makespan(b, photos, ranks, static, func(rank int) float64 {
					if rank == 3 {
						return rate / 4
					}
					return rate
				})
				n++
			}
			b.ReportMetric(total.Seconds()/float64(n), "simulated-s")
			b.ReportMetric(total.Seconds()/float64(n)/ideal, "of-ideal")
			b.ReportMetric(0, "ns/op")
		})
	}
}

// makespan scores a collection on ranks of this process.
func makespan(b *testing.B, photos store.Store, ranks int, static bool, rate func(rank int) float64) time.Duration {
	b.Helper()
	out := folder(b, b.TempDir())
	var g errgroup.Group
	began := time.Now()
	for rank := range ranks {
		g.Go(func() error {
			device := simulate.Spec{Rate: rate(rank), Batch: 8}
			_, err := scorer.Run(b.Context(), measure.SimulatedWorker(b.Context(), device, scorer.Options{
				Images: photos, Out: out, Contract: scale.Contract(),
				Job:    output.Job{TopK: 3, Batch: 8, Chunk: 8},
				World:  shard.World{Rank: rank, Size: ranks, LocalRank: rank, LocalSize: ranks},
				Static: static, Decoders: 1,
			}))
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}
