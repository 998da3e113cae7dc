package main

import (
	"fmt"
	"strconv"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

// rankJob is what bench scale tells a rank besides its device.
type rankJob struct {
	batch, chunk int
	static       bool
}

func (j *rankJob) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.IntVar(&j.batch, "batch", 32, "score batches of `N` images")
	fs.IntVar(&j.chunk, "chunk", 0, "put `N` images into a chunk (default that of run)")
	fs.BoolVar(&j.static, "static", false, "let ranks score only their own share")
}

func (j *rankJob) args() []string {
	return []string{"--batch", strconv.Itoa(j.batch), "--chunk", strconv.Itoa(j.chunk), fmt.Sprintf("--static=%t", j.static)}
}

// newBenchRank returns the hidden command that bench scale starts for each rank.
func newBenchRank() *cobra.Command {
	var f fleetFlags
	var j rankJob
	var world rankFlags
	var images, out string
	cmd := &cobra.Command{
		Use: "rank", Hidden: true, Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			fleets, err := f.fleets(j.batch)
			if err != nil {
				return err
			}
			fl := fleets[0]
			w, err := world.resolve(cmd)
			if err != nil {
				return err
			}
			if w.Rank >= len(fl.specs) {
				return usagef("--ranks %v has no device for rank %d", f.ranks, w.Rank)
			}
			from, err := dir.New(images, dir.Options{})
			if err != nil {
				return err
			}
			to, err := dir.New(out, dir.Options{})
			if err != nil {
				return err
			}
			_, err = scorer.Run(cmd.Context(), measure.SimulatedWorker(cmd.Context(), fl.specs[w.Rank], scorer.Options{
				Images: from, Out: to, Contract: scale.Contract(),
				Job:   output.Job{TopK: 1, Batch: j.batch, Chunk: j.chunk},
				World: w, Static: j.static, Decoders: 1,
				Log: zerolog.New(redacting(cmd.ErrOrStderr())).Level(zerolog.WarnLevel),
			}))
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
