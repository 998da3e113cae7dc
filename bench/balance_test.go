package bench

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

// BenchmarkBalance runs 8 ranks with simulated devices, one of which runs at a
// quarter of the rate of the others, with shares that stay and with ranks that
// take over. It reports each makespan as a multiple of the ideal, that of work
// which could be divided without rest. Static shares wait for the slow rank:
// arithmetic says 8/2 * (7 + 1/4)/8 = 3.63 times the ideal.
func BenchmarkBalance(b *testing.B) {
	const (
		ranks  = 8
		images = 6000
		rate   = 50.0
	)
	photos := b.TempDir()
	fillFolder(b, photos, images)
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
				total += simulated(b, photos, ranks, static, func(rank int) float64 {
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

// simulated scores a folder on ranks of this process and returns the makespan.
func simulated(b *testing.B, photos string, ranks int, static bool, rate func(rank int) float64) time.Duration {
	b.Helper()
	contract := models.Contract{
		Name: "simulated", Output: models.Probabilities, Classes: 10,
		Preprocess: preprocess.Spec{Width: 32, Height: 32, Layout: preprocess.HWC, DType: preprocess.Uint8,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
	}
	out := b.TempDir()
	var g errgroup.Group
	began := time.Now()
	for rank := range ranks {
		images, err := dir.New(photos, dir.Options{})
		if err != nil {
			b.Fatal(err)
		}
		results, err := dir.New(out, dir.Options{})
		if err != nil {
			b.Fatal(err)
		}
		world := shard.World{Rank: rank, Size: ranks, LocalRank: rank, LocalSize: ranks}
		g.Go(func() error {
			_, err := scorer.Run(context.Background(), scorer.Options{
				Images: images, Out: results,
				Job: output.Job{
					Images: images.String(), PreprocessDigest: contract.PreprocessDigest(), LabelsDigest: contract.LabelsDigest(),
					Precision: output.Simulated, TopK: 3, Format: output.JSONL, Batch: 8, Chunk: 8,
				},
				Contract: contract,
				OpenEngine: func() (scorer.Engine, error) {
					return simulate.Open(context.Background(), simulate.Spec{Rate: rate(rank), Batch: 8}, contract, rank)
				},
				World: world, Static: static, Decoders: 1,
				Counters: new(telemetry.Counters),
				Progress: &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard}},
				Log:      zerolog.Nop(),
			})
			return err
		})
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
	return time.Since(began)
}

// fillFolder makes n small JPEGs.
func fillFolder(b *testing.B, folder string, n int) {
	b.Helper()
	st, err := dir.New(folder, dir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	img := image.NewRGBA(image.Rect(0, 0, 48, 48))
	for i := range n {
		for p := range 48 * 48 {
			img.Set(p%48, p/48, color.RGBA{uint8(p + i), uint8(i * 7), uint8(p * i), 255})
		}
		var body bytes.Buffer
		if err := jpeg.Encode(&body, img, nil); err != nil {
			b.Fatal(err)
		}
		if _, err := st.Create(context.Background(), fmt.Sprintf("%05d.jpg", i), body.Bytes()); err != nil {
			b.Fatal(err)
		}
	}
}
