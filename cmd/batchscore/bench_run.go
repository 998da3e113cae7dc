package main

import (
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	cpu "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/store/place"
	"github.com/batchscore/batchscore/shard"
)

func newBenchRun() *cobra.Command {
	var f benchFlags
	var places placeFlags
	var model contractFlags
	var images, file, provider string
	var limit, batch, chunk, decoders, lanes, rounds int
	var scaled bool
	var least time.Duration
	cmd := &cobra.Command{
		Use:   "run --images PLACE --model FILE|NAME",
		Short: "Measure whole runs against what device and decoder allow, and say which stage binds",
		Long: `run scores a collection several times over, each time to a new folder on the local
disk, and before each run measures its parts alone: the device on ready tensors,
the decoders on bytes in memory, and reading from the place of the images. It
tells the run's share of the device's rate (of-session) and of what all parts
allow together (of-limit): on the CPU the times of device and decoders add up,
else the slowest counts, of device, decoders and the cores that read and decode
(cores-images/s); and never more than blob storage gives. A simulated device
answers whether this machine and this storage would feed a GPU.

` + placesHelp,
		Example: `  batchscore bench run --images photos --model inception.onnx
  batchscore bench run --images photos --model vgg16.onnx --provider simulate:p100`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := f.check(); err != nil {
				return err
			}
			switch {
			case images == "":
				return usagef("--images is missing: the place of the images")
			case file == "":
				return usagef("--model is missing: an ONNX file, or the name of a registered model")
			case limit < 0, batch < 0, chunk < 0, decoders < 0, lanes < 0, rounds < 1, least <= 0:
				return usagef("--max, --batch, --chunk, --decoders, --sessions, --rounds and --least are above zero")
			}
			device, simulating, err := simulated(provider)
			if err != nil {
				return err
			}
			m, err := model.locate(cmd, file, "")
			if err != nil {
				return err
			}
			m.Contract.Preprocess.ScaledDecode = m.Contract.Preprocess.ScaledDecode || scaled
			st, err := places.open("--images", images)
			if err != nil {
				return err
			}
			log := warningLog(cmd.ErrOrStderr())
			versions := map[string]string{"jpeg": jpegName()}
			var engine scorer.Engine
			var real *ort.Engine
			if simulating {
				engine, err = openSimulated(cmd.Context(), device, m, shard.World{Size: 1, LocalSize: 1}, log)
			} else {
				real, err = openReal(ort.Options{Provider: provider, Lanes: lanes, Logger: log}, m, versions)
				engine = real
			}
			if err != nil {
				return err
			}
			defer engine.Close()
			if batch == 0 {
				batch = engine.DefaultBatch()
			}
			if real != nil {
				if err := tryOut(cmd.Context(), real, m, batch, true, log); err != nil {
					return err
				}
			}
			if decoders == 0 {
				decoders = cpu.CPUs(1).Usable
			}
			samples, binds, err := measure.Run(cmd.Context(), measure.RunOptions{
				Images: st, Remote: !place.IsLocal(images), Max: limit, Chunk: chunk, Model: m, Engine: engine,
				Shared: ort.OnCPU(engine.Device()), Simulated: simulating,
				Batch: batch, Decoders: decoders, Rounds: rounds, Least: least, Log: log,
			})
			if err != nil {
				return fits(err, "--batch")
			}
			run := result.Run{Provenance: provenance(0, maps.Clone(versions)), Samples: samples}
			return f.tell(cmd, run, result.TableOptions{Notes: []string{
				fmt.Sprintf("What binds in the last round: %s.", binds),
			}})
		},
	}
	fs := cmd.Flags()
	f.register(cmd)
	places.register(cmd)
	model.register(cmd)
	fs.StringVar(&images, "images", "", "place of the images: a folder, or blob storage (required)")
	fs.StringVar(&file, "model", "", "ONNX file, or name of a registered model (required)")
	fs.StringVar(&provider, "provider", "auto", "as for batchscore run")
	fs.IntVar(&limit, "max", 0, "score at most this many images; 0 is all")
	fs.IntVar(&batch, "batch", 0, "images per batch; by default what suits the device")
	fs.IntVar(&chunk, "chunk", 0, "images per chunk; by default from the size of the collection")
	fs.IntVar(&lanes, "sessions", 0, "calls of the device at a time; by default one a core on the CPU and two on a GPU")
	fs.IntVar(&decoders, "decoders", 0, "goroutines that decode; by default one per core")
	fs.BoolVar(&scaled, "scaled-decode", false, "let the JPEG decoder shrink large photographs while it decodes")
	fs.IntVar(&rounds, "rounds", 6, "rounds, each a sample")
	fs.DurationVar(&least, "least", 2*time.Second, "how long each limit is measured in each round")
	return cmd
}
