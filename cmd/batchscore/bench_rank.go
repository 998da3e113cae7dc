package main

import (
	"fmt"
	"io"
	"strconv"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

// rankJob is what a rank of bench scale is told besides its device.
type rankJob struct {
	batch, chunk int
	static       bool
}

func (j *rankJob) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVar(&j.batch, "batch", 32, "images per batch")
	fs.IntVar(&j.chunk, "chunk", 0, "images per chunk; by default that of the worker")
	fs.BoolVar(&j.static, "static", false, "ranks do their own share only")
}

func (j *rankJob) args() []string {
	return []string{"--batch", strconv.Itoa(j.batch), "--chunk", strconv.Itoa(j.chunk), fmt.Sprintf("--static=%t", j.static)}
}

// newBenchRank is what bench scale starts, once a rank.
func newBenchRank() *cobra.Command {
	var f fleetFlags
	var j rankJob
	var world rankFlags
	var images, out string
	cmd := &cobra.Command{
		Use: "rank", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fl, err := f.fleet(j.batch)
			if err != nil {
				return err
			}
			w, err := world.resolve(cmd)
			if err != nil {
				return err
			}
			if w.Rank >= len(fl.specs) {
				return usagef("--ranks %v names no device for rank %d", f.ranks, w.Rank)
			}
			from, err := dir.New(images, dir.Options{})
			if err != nil {
				return err
			}
			to, err := dir.New(out, dir.Options{})
			if err != nil {
				return err
			}
			contract := scale.Contract()
			_, err = scorer.Run(cmd.Context(), scorer.Options{
				Images: from, Out: to,
				Job: output.Job{
					Images: from.String(), PreprocessDigest: contract.PreprocessDigest(), LabelsDigest: contract.LabelsDigest(),
					Precision: output.Simulated, TopK: 1, Format: output.JSONL, Batch: j.batch, Chunk: j.chunk,
				},
				Contract: contract,
				OpenEngine: func() (scorer.Engine, error) {
					return simulate.Open(cmd.Context(), fl.specs[w.Rank], contract, w.Rank)
				},
				World: w, Static: j.static, Decoders: 1,
				Counters: new(telemetry.Counters),
				Progress: &telemetry.Progress{Lines: &telemetry.Lines{W: io.Discard, Rank: w.Rank}},
				Log:      zerolog.New(cmd.ErrOrStderr()).Level(zerolog.WarnLevel),
			})
			return err
		},
	}
	f.register(cmd)
	j.register(cmd)
	world.register(cmd)
	cmd.Flags().StringVar(&images, "images-at", "", "folder of the images")
	cmd.Flags().StringVar(&out, "out", "", "folder for the result")
	return cmd
}
