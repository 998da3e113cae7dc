package main

import (
	"errors"
	"fmt"
	"maps"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	cpu "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/shard"
)

func newBenchRun() *cobra.Command {
	var f benchFlags
	var places placeFlags
	var model contractFlags
	var images, file, provider string
	var limit, batch, chunk, decoders, lanes, rounds int
	var scaled, tf32 bool
	var decode decodeFlag
	var least time.Duration
	cmd := &cobra.Command{
		Use:   "run --images PLACE --model FILE|NAME",
		Short: "Measure whole runs, what device and decoders allow, and which stage limits them",
		Long: `run scores a collection several times, each time to a new folder on the local disk.
Before each run it measures the stages alone: the device on ready tensors, the decoders
on bytes in memory, and reading from the place of the images. It prints the run's share
of the device's rate (of-session) and of what all stages together allow (of-limit). On
the CPU the times of device and decoders add up. Otherwise the slowest of the device,
the decoders and the cores that read and decode (cores-images/s) is the limit. Blob
storage may be a lower one. A simulated device shows whether this machine and this
storage would keep a GPU busy.

` + placesHelp,
		Example: `  batchscore bench run --images photos --model inception.onnx
  batchscore bench run --images photos --model vgg16.onnx --provider simulate:p100`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := errors.Join(f.check(), decode.check(withoutAuto())); err != nil {
				return err
			}
			switch {
			case images == "":
				return usagef("--images is missing: the place of the images")
			case file == "":
				return usagef("--model is missing: an ONNX file, or the name of a registered model")
			case limit < 0, batch < 0, chunk < 0, decoders < 0, lanes < 0, rounds < 1, least <= 0:
				return usagef("--max, --batch, --chunk, --decoders, --sessions, --rounds and --least must be above zero")
			}
			device, simulating, err := simulated(provider)
			if err != nil {
				return err
			}
			if err := checkTF32(tf32, provider); err != nil {
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
			if err := decode.refuse(m.Contract.Preprocess.ScaledDecode); err != nil {
				return err
			}
			jpeg, err := decode.openDecoder(0, log)
			if err != nil {
				return err
			}
			versions := map[string]string{"jpeg": jpeg.name}
			var engine scorer.Engine
			var real *ort.Engine
			var g *gpu.GPU
			if simulating {
				engine, err = openSimulated(cmd.Context(), device, m, shard.World{Size: 1, LocalSize: 1}, log)
			} else {
				real, g, err = openReal(ort.Options{Provider: provider, Lanes: lanes, TF32: tf32, Logger: log}, m, versions)
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
				if err := tryOut(cmd.Context(), real, m, batch, true, jpeg, log); err != nil {
					return err
				}
			}
			if decoders == 0 {
				decoders = decode.decodersFor(cpu.CPUs(1).Usable)
			}
			samples, binds, err := measure.Run(cmd.Context(), measure.RunOptions{
				Images: st, Remote: !isLocal(images), Max: limit, Chunk: chunk, Model: m, Engine: engine,
				Shared: ort.OnCPU(engine.Device()), Simulated: simulating,
				Batch: batch, Decode: preprocess.Options{JPEG: jpeg.device}, Decoders: decoders, Rounds: rounds, Least: least, Log: log,
				Meter: meterOf(g), GPU: gpuName(g),
			})
			if err != nil {
				return fits(err, "--batch")
			}
			run := result.Run{Provenance: provenance(0, maps.Clone(versions)), Samples: samples}
			run.Provenance.GPU = gpuName(g)
			notes := advice(samples)
			if binds != telemetry.NoStage {
				notes = append(notes, fmt.Sprintf("The stage that was busiest in the last round: %s.%s", binds, idleGPU(binds, samples)))
			}
			notes = append(notes, "docs/glossary.md explains the words.")
			return errors.Join(f.tell(cmd, run, result.TableOptions{Notes: notes}), f.drawStages(cmd.Context(), run))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&images, "images", "", "score the images in `PLACE`: "+placeKinds+" (required)")
	fs.StringVar(&file, "model", "", "score with `MODEL`: an ONNX file, or the name of a registered model (required)")
	fs.StringVar(&provider, "provider", "auto", "compute on `DEVICE`, as for batchscore run")
	chooseOne(cmd, "provider", allProviders())
	tf32Flag(fs, &tf32)
	fs.IntVar(&limit, "max", 0, "score at most `N` images (default all)")
	fs.IntVar(&batch, "batch", 0, "score batches of `N` images (default what suits the device)")
	fs.IntVar(&chunk, "chunk", 0, "put `N` images into a chunk (default depending on the size of the collection)")
	fs.IntVar(&lanes, "sessions", 0, "make `N` calls to the device at the same time (default one per core on a CPU, two on a GPU)")
	fs.IntVar(&decoders, "decoders", 0, "decode images in `N` goroutines (default one per core)")
	fs.BoolVar(&scaled, "scaled-decode", false, "let the JPEG decoder shrink large photographs while decoding")
	decode.register(cmd, withoutAuto(), "decode JPEG on `DEVICE`, as for batchscore run")
	fs.IntVar(&rounds, "rounds", 6, "measure `N` rounds, each a sample")
	fs.DurationVar(&least, "least", 2*time.Second, "measure each stage alone for `DURATION` or longer in each round")
	f.register(cmd)
	f.registerFigures(fs)
	groupFlags(cmd, "Model flags", func() { model.register(cmd) })
	groupFlags(cmd, "Storage flags", func() { places.register(cmd) })
	limitMemory(cmd)
	return cmd
}
