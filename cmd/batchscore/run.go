package main

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	cpu "github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/telemetry"
)

type runFlags struct {
	jobFlags
	rankFlags
	logFlags
	profileFlags
	provider  string
	maxErrors string
	rescore   bool
	retry     string
	decoders  int
	sessions  amount
	tuneCache string
	lease     time.Duration
	static    bool
	deadline  time.Duration
	budget    int
	preempted bool
	metadata  string
}

func newRun(sig *signals) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		Use:   "run --images PLACE --out PLACE (--model FILE|NAME | --inference TASK)",
		Short: "Score a collection, alone or as one rank of many",
		Long: `run scores every image under --images and leaves one row for each in --out.
Started by a launcher (mpirun, srun, torchrun, a Kubernetes Indexed Job), it
takes rank and world size from its environment. Started again on the same
output, it goes on where the job was; started twice at once, both share the work.

With --retry failed, or --retry not_found,truncated, it completes the job and then
scores those images again, as they are now, and no others. Their rows take the
place of the old ones when all of them are scored.

` + placesHelp + `
` + exitCodesHelp,
		Example: `  batchscore run --images photos --out result --model inception.onnx
  batchscore run --images photos --out result --model inception.onnx --retry failed
  mpirun -np 4 batchscore run --images photos --out result --inference classification
  batchscore run --images az://acme/photos/2019 --out az://acme/labels/2019 --model inception.onnx`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// A signal drains the worker; only a second one ends it at once.
			return f.run(context.WithoutCancel(cmd.Context()), cmd, sig.stop)
		},
	}
	f.jobFlags.register(cmd)
	f.rankFlags.register(cmd)
	f.logFlags.register(cmd)
	f.profileFlags.register(cmd)
	fs := cmd.Flags()
	fs.StringVar(&f.provider, "provider", "auto", "auto, cpu, cpu-direct (every convolution as the model has it), cuda, tensorrt, or simulate:DEVICE|rate=N[,rate=N,slow=N,jitter=J,load=T,batch=N] with DEVICE p100 or k80; auto takes a GPU where one can be used")
	fs.StringVar(&f.maxErrors, "max-errors", "", "N or P%: exit with 3 when more images fail; by default only when all do")
	fs.StringVar(&f.retry, "retry", "", "once the job is complete, score the images again whose status this is, with commas between several: "+strings.Join(scorer.Failures(), ", ")+", or failed for all of them")
	fs.BoolVar(&f.rescore, "rescore-changed", false, "score images that changed after the listing as they are now; by default their row says so")
	fs.IntVar(&f.decoders, "decoders", 0, "goroutines that decode; by default one per core of this rank")
	fs.Var(&f.sessions, "sessions", "calls of the device at a time, or auto to measure what suits it; by default one a core on the CPU and two on a GPU")
	fs.StringVar(&f.tuneCache, "tune-cache", "", "folder that keeps what auto measured; by default batchscore in your cache folder")
	fs.DurationVar(&f.lease, "lease", 60*time.Second, "take over chunks of workers on other machines after this long without a sign of life")
	fs.BoolVar(&f.static, "static", false, "do the own share only and take nothing over, to measure balance; ends with 75 when no rank does the others' shares")
	fs.DurationVar(&f.deadline, "deadline", 0, "pause after this long, such as 7h30m, with exit code 75; running again goes on")
	fs.IntVar(&f.budget, "budget-images", 0, "pause after about this many images over all ranks, with exit code 75; running again goes on")
	fs.BoolVar(&f.preempted, "watch-preemption", false, "on Azure: drain when the machine is told that it will be taken away")
	fs.StringVar(&f.metadata, "metadata-endpoint", deploy.MetadataEndpoint, "where the machine asks about itself")
	if err := fs.MarkHidden("metadata-endpoint"); err != nil {
		panic(err) // the flag above
	}
	return cmd
}

func (f *runFlags) run(ctx context.Context, cmd *cobra.Command, stop <-chan struct{}) error {
	format, err := f.check(cmd)
	if err != nil {
		return err
	}
	maxErrors, err := scorer.ParseThreshold(f.maxErrors)
	if err != nil {
		return usagef("--max-errors: %v", err)
	}
	device, simulating, err := simulated(f.provider)
	if err != nil {
		return err
	}
	if f.deadline < 0 || f.budget < 0 {
		return usagef("--deadline and --budget-images are above zero, or left out for no bound")
	}
	if f.decoders < 0 {
		return usagef("--decoders %d: at least one goroutine decodes", f.decoders)
	}
	if err := localOnly("--tune-cache", f.tuneCache); err != nil {
		return err
	}
	var retry output.Selection // nil is none
	if cmd.Flags().Changed("retry") {
		if retry, err = scorer.ParseSelection(f.retry, scorer.Failures()); err != nil {
			return usagef("--retry: %v", err)
		}
		if f.static {
			return usagef("--retry and --static exclude each other: a rank that keeps to its share ends before others are done")
		}
	}
	if f.lease < time.Second {
		return usagef("--lease %v: less than a second leaves no time for a sign of life", f.lease)
	}
	world, err := f.rankFlags.resolve(cmd)
	if err != nil {
		return err
	}
	cores := cpu.CPUs(world.LocalSize).Usable
	tuning := f.tuning(cores)
	if f.decoders == 0 && tuning == nil {
		f.decoders = cores
	}
	terminal := isTerminal(cmd.ErrOrStderr())
	progress := &telemetry.Progress{}
	if world.Size == 1 {
		progress.Bar = newBar(cmd.ErrOrStderr(), "scoring")
	}
	stdout := progress.Bar.Above(cmd.OutOrStdout())
	progress.Lines = &telemetry.Lines{W: stdout, Rank: world.Rank}
	log, err := f.logger(progress.Bar.Above(cmd.ErrOrStderr()), terminal)
	if err != nil {
		return err
	}
	log = log.With().Int("rank", world.Rank).Logger()

	m, job, err := f.job(cmd, format)
	if err != nil {
		return err
	}
	if m.LabelsForm != "" {
		log.Info().Msg("labels: " + m.LabelsForm)
	}
	for _, c := range m.Conflicts {
		log.Warn().Str("model", m.Path).Msg("contract: " + c)
	}
	if text := warnOfRandomWeights(&m.Contract); text != "" {
		log.Warn().Str("model", m.Path).Msg(text)
	}
	f.beFor(f.deadline, log)
	images, err := f.open("--images", f.images)
	if err != nil {
		return err
	}
	out, err := f.open("--out", f.out)
	if err != nil {
		return err
	}
	job.Precision = m.Contract.Precision
	if m.Int8 {
		job.Int8 = output.ExactInt8
	}
	if simulating {
		job.Precision = output.Simulated
	}
	if f.preempted {
		stop = orPreempted(ctx, stop, f.metadata, log)
	}
	defer tell("the store of the images", images, log)
	defer tell("the store of the result", out, log)
	versions := map[string]string{"batchscore": version, "jpeg": logDecoder(log)}
	profiled, err := f.start(world.Rank)
	if err != nil {
		return err
	}
	var real *ort.Engine
	done, err := scorer.Run(ctx, scorer.Options{
		Images: images, Out: out, Job: job, Contract: m.Contract,
		OpenEngine: func() (scorer.Engine, error) {
			if simulating {
				return openSimulated(ctx, device, m, world, log)
			}
			saturate, err := begunSaturating(ctx, out, m, log)
			if err != nil {
				return nil, err
			}
			real, err = openReal(ort.Options{
				Provider: f.provider, Lanes: f.lanes(), Batch: f.batch.n, LocalRank: world.LocalRank, LocalSize: world.LocalSize,
				Saturate: saturate, Logger: log,
			}, m, versions)
			if err != nil {
				return nil, err
			}
			if tuning != nil {
				tuning.Shared = ort.OnCPU(real.Device())
			}
			return real, nil
		},
		TryOut: func(ctx context.Context, batch int) error {
			if simulating {
				return nil // it computes nothing
			}
			return tryOut(ctx, real, m, batch, f.dependentRows, log)
		},
		Sessions: f.sessions.n, Tune: tuning,
		World:     world,
		MaxErrors: maxErrors, Retry: retry, Rescore: f.rescore, Decode: f.boundFlags.options(), Decoders: f.decoders,
		Lease: f.lease, Stop: stop,
		Static: f.static, Deadline: f.deadline, Budget: (f.budget + world.Size - 1) / world.Size,
		Counters: new(telemetry.Counters), Progress: progress, Log: log, Versions: versions,
	})
	if complete := err == nil || errors.Is(err, scorer.ErrTooManyFailed); complete && done.Job != "" {
		logResult(log, f.out, &done)
		if world.Rank == 0 {
			sayResult(stdout, f.out, &done)
		}
	}
	if unwritten := profiled(); unwritten != nil && err == nil {
		err = fmt.Errorf("the job is done, but not its profile: %w", unwritten)
	}
	return err
}
