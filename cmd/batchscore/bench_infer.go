package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models"
	cpu "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

func newBenchInfer() *cobra.Command {
	var f benchFlags
	var model contractFlags
	var provider string
	var tf32, nhwc bool
	var sessions, threads, batches []int
	var rounds int
	var least time.Duration
	cmd := &cobra.Command{
		Use:   "infer FILE.onnx|NAME",
		Short: "Measure a model on ready tensors: sessions x threads x batch, with the best marked",
		Long: `infer scores noise with several calls at the same time (sessions), on several threads of
ONNX Runtime each, in batches of several sizes. Every round measures every combination.
It prints images/s, multiply-adds/s, and their share of what ONNX Runtime reaches here
in a large float32 matrix product (of-peak). Multiply-adds are counted in the model as
written: the device cpu/winograd does fewer, so of-peak may exceed 1. On a GPU there are
no threads, and the first calls of each batch size are not measured.`,
		Example: `  batchscore bench infer inception.onnx
  batchscore bench infer inception.onnx --sessions 1,2,4 --threads 1 --batches 1,4,16`,
		Args: oneArg("FILE"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := f.check(); err != nil {
				return err
			}
			for name, list := range map[string][]int{"sessions": sessions, "threads": threads, "batches": batches} {
				if cmd.Flags().Changed(name) && (len(list) == 0 || slices.Min(list) < 1) {
					return usagef("--%s must be numbers above zero", name)
				}
			}
			if rounds < 1 || least <= 0 {
				return usagef("--rounds and --least must be above zero")
			}
			if provider == ort.CUDA && cmd.Flags().Changed("threads") {
				return usagef("--threads and --provider cuda exclude each other: they are threads of ONNX Runtime on the CPU")
			}
			if err := realProvider(provider); err != nil {
				return err
			}
			if err := checkTF32(tf32, provider); err != nil {
				return err
			}
			if nhwc && provider != ort.Auto && provider != ort.CUDA {
				return usagef("--nhwc and --provider %s exclude each other: it is an order of activations on NVIDIA GPUs", provider)
			}
			m, err := model.locate(cmd, args[0], "")
			if err != nil {
				return err
			}
			inspection, err := models.Inspect(m.Path, models.OpenOptions{Contract: &m.Contract})
			if err != nil {
				return config(err)
			}
			opt := ort.Options{Provider: provider, TF32: tf32, NHWC: nhwc, Logger: warningLog(cmd.ErrOrStderr())}
			o := measure.InferOptions{Model: m, Engine: opt, Sessions: sessions, Threads: threads, Batches: batches,
				Cores: cpu.CPUs(1).Usable, Rounds: rounds, Least: least}
			var g *gpu.GPU
			versions := map[string]string{"onnxruntime": ortVersion()}
			o.GPU = func(e *ort.Engine) (telemetry.Meter, string) {
				if g = gpuOf(e, opt.Logger); g != nil {
					facts := g.Facts()
					facts.Versions(versions)
				}
				return meterOf(g), gpuName(g)
			}
			if inspection.MultiplyAdds != nil {
				o.MultiplyAdds = *inspection.MultiplyAdds
			}
			samples, err := measure.Infer(cmd.Context(), o)
			if err != nil {
				return fits(err, "--batches")
			}
			run := result.Run{Provenance: provenance(0, versions), Samples: samples}
			run.Provenance.GPU = gpuName(g)
			return errors.Join(f.tell(cmd, run, result.TableOptions{Best: "images/s", Notes: []string{
				fmt.Sprintf("%.3g G multiply-adds per image; Peak is a matrix product of 384x3072 with 3072x3072 on every core.",
					float64(o.MultiplyAdds)/1e9),
			}}), f.draw(cmd.Context(), run, "device"))
		},
	}
	fs := cmd.Flags()
	fs.StringVar(&provider, "provider", ort.Auto, "compute on `DEVICE`: auto, cpu, cpu-direct or cuda")
	chooseOne(cmd, "provider", providers)
	tf32Flag(fs, &tf32)
	fs.BoolVar(&nhwc, "nhwc", false, "let a GPU order activations by pixel and fuse the biases of convolutions, which run does not do,"+
		" to measure what it would gain")
	fs.IntSliceVar(&sessions, "sessions", nil, "make these numbers of calls (`N,...`) at the same time (default 1 and the number of cores; on a GPU 1,2)")
	fs.IntSliceVar(&threads, "threads", nil,
		"use these numbers of threads (`N,...`) of ONNX Runtime for each call, on the CPU (default 1 and the number of cores)")
	fs.IntSliceVar(&batches, "batches", nil, "pass these numbers of images (`N,...`) in a call (default 1,4,16; on a GPU 8,32,128)")
	fs.IntVar(&rounds, "rounds", 6, "measure `N` rounds, each a sample of every combination")
	fs.DurationVar(&least, "least", time.Second, "measure each sample for `DURATION` or longer")
	f.register(cmd)
	f.registerFigures(fs)
	groupFlags(cmd, "Model flags", func() { model.register(cmd) })
	limitMemory(cmd)
	return cmd
}

// ortVersion returns the version of the ONNX Runtime that would be used, or "".
func ortVersion() string {
	info, _ := ort.Probe("") // without a library there is no version
	return info.Version
}
