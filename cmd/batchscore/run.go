package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess/budget"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/cost"
	"github.com/batchscore/batchscore/scorer/judge"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/scorer/telemetry/otlp"
	"github.com/batchscore/batchscore/scorer/telemetry/tracing"
	"github.com/batchscore/batchscore/shard"
)

// runFlags are the flags of run: those of the job, and how this rank works on it.
type runFlags struct {
	jobFlags
	rankFlags
	logFlags
	profileFlags
	metrics metricsFlags
	runMergeFlags
	hookFlags
	moneyFlags
	afterFlags
	provider    string
	tf32        bool
	gpuMemory   int // MiB; 0 for no limit
	maxErrors   string
	strictDrift bool
	rescore     bool
	retry       string
	decoders    int
	memory      byteSize // for decoding
	bound       *memoryBound
	sessions    amount
	tuneCache   string
	numa        string
	lease       time.Duration
	static      bool
	deadline    time.Duration
	budget      int
	preempted   bool
	metadata    string
	yes         bool
}

func newRun(sig *signals) *cobra.Command {
	var f runFlags
	cmd := &cobra.Command{
		SuggestFor: []string{"score", "predict", "infer", "label", "start"},
		Use:        "run --images PLACE --out PLACE (--model FILE|NAME... | --task TASK)",
		Short:      "Score a collection, alone or as one rank of many",
		Long: `run scores every image in --images and writes one row for each to --out. Started by
a launcher (mpirun, srun, torchrun, a Kubernetes Indexed Job), it takes its rank and
the number of ranks from the environment. Started again with the same output, it
continues the job; started twice at the same time, both share the work.

With --retry failed, or --retry not_found,truncated, it completes the job, then
scores those images again, as they are now, and no others. The new rows replace the
old ones once all of those images are scored. --retry changed, and --rescore-changed
for a job that is complete, also score images again that have changed since they were
listed.

With --after PLACE, a new job keeps the rows of an earlier output: it scores the images
that are new or have changed since, and refers to the other outputs for all others.
PLACE is that output, or the folder of all outputs. With --retry failed as well, images
that failed and have not changed are scored again. An image has changed if its size or its
ETag has, which in a folder is its time of modification: other content with the same size
and time, as 'cp -p' and 'rsync -t' can make it, is not seen.

With --merge labels.csv, the rank that completes the job writes all rows to one file as
well, whole or not at all, as 'batchscore merge' does; started again, the command
writes it if it is missing.

With --provider simulate:..., it replaces ONNX Runtime with a simulated device that
computes nothing but takes as long as a real one, for planning capacity.

` + placesHelp + `

` + exitCodesHint,
		Example: `  batchscore run --images photos --out result --model inception.onnx
  batchscore run --images photos --out result --model inception.onnx --retry failed
  batchscore run --images photos --out result --model inception.onnx --merge labels.csv
  batchscore run --images photos --out runs/2026-11-30 --after runs --model inception.onnx
  mpirun -np 4 batchscore run --images photos --out result --task classification
  batchscore run --images az://acme/photos/2019 --out az://acme/labels/2019 --model inception.onnx`,
		Args: noArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			// The first signal drains the worker; only the second ends it at once.
			o, err := f.options(cmd)
			if err != nil {
				return err
			}
			o.code = func(err error) int { return exitCode(err, sig.received()) }
			o.overdue = func(code int) { endOverdue(cmd.ErrOrStderr(), cmd, code) }
			ctx := context.WithoutCancel(cmd.Context())
			o.hooks = newHooks(o.told, o.world, f.out, sig.stop)
			err = f.run(ctx, o, cmd.OutOrStdout(), cmd.ErrOrStderr(), sig.stop)
			o.hooks.end(ctx, err, exitCode(err, sig.received()))
			return err
		},
	}
	f.register(cmd)
	return cmd
}

// runCommand returns 'batchscore run' without running it.
func runCommand(sig *signals) *cobra.Command {
	for _, cmd := range newRoot(sig).Commands() {
		if cmd.Name() == "run" {
			return cmd
		}
	}
	panic("there is no command run")
}

func (f *runFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	f.jobFlags.register(cmd)
	groupFlags(cmd, "Increment flags", func() { f.afterFlags.register(cmd) })
	groupFlags(cmd, "Merge flags", func() { f.runMergeFlags.register(cmd) })
	fs.StringVar(&f.provider, "provider", "auto",
		"compute on `DEVICE`: auto (a GPU if one can be used, else the CPU), cpu, cpu-direct (every convolution as in the"+
			" model), cuda, or a simulated one: simulate:p100, simulate:k80 or simulate:rate=N, each"+
			" with more after it: ,rate=N ,slow=N ,jitter=J ,load=T ,batch=N ,seed=N")
	chooseOne(cmd, "provider", allProviders())
	tf32Flag(fs, &f.tf32)
	fs.StringVar(&f.maxErrors, "max-errors", "",
		"let at most `N` images, or N%, fail, and STATUS=N or STATUS=N% with one status, separated by commas; if more do, end with exit code 3, or stop"+
			" early with 6 (default 10%; if there are fewer than 20 images, all but one)")
	fs.BoolVar(&f.yes, "yes", false, yesHelp)
	fs.BoolVar(&f.strictDrift, "strict-drift", false, "exit with code 4 if images were added, removed or changed since the job listed them"+
		" (default a warning with their number)")
	registerJoined(fs, &f.retry, "retry", ",", "once the job is complete, score the images with this `STATUS` again, or with several, separated by commas: "+
		strings.Join(row.FailureStatuses(), ", ")+", or failed for all of them")
	chooseSome(cmd, "retry", append(row.FailureStatuses(), row.AnyFailure))
	fs.BoolVar(&f.rescore, "rescore-changed", false, "score an image that has changed since it was listed as it is now, and once the job is complete, again;"+
		" without this flag a change during the job makes a row with the status changed")
	groupFlags(cmd, "Rank flags", func() {
		f.rankFlags.register(cmd)
		fs.DurationVar(&f.lease, "lease", scorer.DefaultLease, "take over a remote worker's chunks if it has not renewed its claim for `DURATION`")
		fs.BoolVar(&f.static, "static", false, "score only this rank's share and take over nothing, to measure balance;"+
			" exit with code 75 if other ranks have not scored theirs")
	})
	groupFlags(cmd, "Tuning flags", func() {
		fs.Var(&f.sessions, "sessions", "make this many calls to the device at the same time, or auto to measure what suits it"+
			" (default one per core on a CPU, two on a GPU)")
		fs.IntVar(&f.gpuMemory, "gpu-memory", 0, "let ONNX Runtime use at most `N` MiB of the GPU's memory (default all of it)")
		fs.IntVar(&f.decoders, "decoders", 0, "decode images in `N` goroutines (default one per core of this rank)")
		fs.Var(&f.memory, "decode-memory", "take at most `SIZE`, such as 4GiB, of the machine's memory for decoding, over all ranks of this machine"+
			" (default half of what the control group or the machine has, or of --memory-limit); --max-image-memory bounds one image")
		fs.StringVar(&f.numa, "numa", numaAuto, "`MODE`: auto runs a rank on the cores near its GPU, if it may use all cores of a machine with several"+
			" NUMA nodes; off leaves it where it is")
		chooseOne(cmd, "numa", []string{numaAuto, numaOff})
		f.bound = limitMemory(cmd)
		f.bound.ranks = func() int {
			world, err := f.resolve(cmd)
			if err != nil {
				return 1 // the command says so
			}
			return world.LocalSize
		}
		fs.StringVar(&f.tuneCache, "tune-cache", "", "keep what auto has measured in `FOLDER` (default batchscore in your cache folder)")
	})
	groupFlags(cmd, "Pause flags", func() {
		fs.DurationVar(&f.deadline, "deadline", 0, "pause after `DURATION`, such as 7h30m, with exit code 75; run again to continue")
		f.registerBudget(cmd)
		fs.IntVar(&f.budget, "budget-images", 0, "pause after about `N` images over all ranks, with exit code 75; run again to continue")
		fs.BoolVar(&f.preempted, "watch-preemption", false, "on Azure, drain and exit when this machine is about to be taken away")
	})
	groupFlags(cmd, "Cost flags", func() { f.moneyFlags.register(cmd) })
	groupFlags(cmd, "Hook flags", func() { f.hookFlags.register(cmd) })
	groupFlags(cmd, "Log, metrics and profile flags", func() {
		f.logFlags.register(cmd)
		f.metrics.register(cmd)
		f.profileFlags.register(cmd)
	})
	fs.StringVar(&f.metadata, "metadata-endpoint", deploy.MetadataEndpoint, "`URL` of the service that tells a machine about itself")
	if err := fs.MarkHidden("metadata-endpoint"); err != nil {
		panic(err) // there is no such flag
	}
}

// runOptions are what the flags of run say, checked and parsed.
type runOptions struct {
	format    row.Format
	maxErrors judge.Limits
	retry     row.Selection // nil for none
	after     *scorer.After // nil for none
	device    simulate.Spec // if simulated
	simulated bool
	world     shard.World
	answers   models.Answers // about the model
	file      *oneFile       // that all rows are written to; nil for none
	mix       consent        // to write the result among other files
	overdue   func(code int) // ends the process
	code      func(error) int
	limit     int64        // of --memory-limit in bytes; 0 for none
	prices    cost.Prices  // of devices; nil if none is known
	money     float64      // that this rank may cost; 0 for any amount
	told      *hookChoices // of the end and the first failure
	hooks     *hooks       // which tell; nil for none
}

// options returns what the flags say, or what is wrong with them.
func (f *runFlags) options(cmd *cobra.Command) (runOptions, error) {
	var o runOptions
	var err error
	if o.format, err = f.check(cmd); err != nil {
		return o, err
	}
	if o.maxErrors, err = judge.ParseLimits(f.maxErrors); err != nil {
		return o, usagef("--max-errors: %v", err)
	}
	if o.device, o.simulated, err = simulated(f.provider); err != nil {
		return o, err
	}
	if err := checkTF32(f.tf32, f.provider); err != nil {
		return o, err
	}
	switch {
	case f.deadline < 0:
		return o, invalid("deadline", f.deadline, "a time above zero, or 0 for none")
	case f.budget < 0:
		return o, invalid("budget-images", f.budget, "a number of images above zero, or 0 for no limit")
	case f.decoders < 0:
		return o, invalid("decoders", f.decoders, "a number of goroutines above zero, or 0 for the default")
	case cmd.Flags().Changed("decode-memory") && f.memory < budget.Least:
		return o, invalid("decode-memory", int64(f.memory), fmt.Sprintf("at least %dMiB", budget.Least>>20))
	case f.gpuMemory < 0 || cmd.Flags().Changed("gpu-memory") && f.gpuMemory == 0:
		return o, invalid("gpu-memory", f.gpuMemory, "a number of MiB above zero")
	case f.gpuMemory > 0 && f.provider != ort.Auto && f.provider != ort.CUDA:
		return o, usagef("--gpu-memory and --provider %s exclude each other", f.provider)
	case f.lease < time.Second:
		return o, invalid("lease", f.lease, "at least 1s, so that a worker has time to renew its claims")
	}
	if f.numa != numaAuto && f.numa != numaOff {
		return o, invalid("numa", f.numa, numaAuto+" or "+numaOff)
	}
	if err := errors.Join(localOnly("--tune-cache", f.tuneCache), f.metrics.check()); err != nil {
		return o, err
	}
	if cmd.Flags().Changed("retry") {
		if o.retry, err = parseStatuses("retry", f.retry, row.FailureStatuses()); err != nil {
			return o, err
		}
		if f.static {
			return o, usagef("--retry and --static exclude each other: a rank that keeps to its share ends before the others are done")
		}
	}
	if f.after != "" && !(utf8.ValidString(f.out) && utf8.ValidString(f.after)) {
		return o, usagef("with --after, --out and --after must be valid UTF-8: other runs record the place; rename the folder")
	}
	if o.after, err = f.afterFlags.options(); err != nil {
		return o, err
	}
	if o.answers, err = f.answers(cmd); err != nil {
		return o, err
	}
	if o.file, err = f.runMergeFlags.file(f.out); err != nil {
		return o, err
	}
	if limit := cmd.Flag("memory-limit"); limit != nil && limit.Changed {
		var size byteSize
		if err := size.Set(limit.Value.String()); err != nil {
			return o, usagef("--memory-limit: %v", err)
		}
		o.limit = int64(size)
	}
	if o.told, err = f.hookFlags.choices(cmd); err != nil {
		return o, err
	}
	o.world, err = f.rankFlags.resolve(cmd)
	if err == nil {
		o.prices, o.money, err = f.resolved(o.world)
	}
	o.mix.given = f.yes
	if o.world.Size == 1 { // several ranks have one terminal
		o.mix.ask = asker(cmd.InOrStdin(), cmd.ErrOrStderr())
	}
	if o.file != nil {
		o.file.replace.ask = o.mix.ask
		if o.after != nil {
			o.file.after = o.after.Place
		}
	}
	return o, err
}

// run scores the job, as one rank of it, until it is complete or stop is closed.
func (f *runFlags) run(ctx context.Context, o runOptions, stdout, stderr io.Writer, stop <-chan struct{}) (err error) {
	world := o.world
	start := time.Now()
	near, isNear, nearErr := f.bind(&o)
	tuning := f.tuning()
	progress := &telemetry.Progress{}
	if world.Size == 1 {
		progress.Bar = newBar(stderr, "scoring"+markOf(o.simulated))
	}
	log, err := f.logger(progress.Bar.Above(styled(stderr)), isTerminal(stderr))
	if err != nil {
		return err
	}
	progress.Lines = &telemetry.Lines{W: progress.Bar.Above(stdout), Rank: world.Rank, Shared: world.Size > 1, Quiet: log.GetLevel() > zerolog.InfoLevel}
	commanded := commandLogOf(ctx)
	log = commanded.begin(log.With().Int("rank", world.Rank).Logger(), f.json(isTerminal(stderr)))
	o.hooks.logs(log)
	sayNear(log, near, isNear, nearErr)

	m, job, err := f.job(o.answers, o.format)
	if err != nil {
		return err
	}
	for _, one := range m.all {
		logModel(log, one.Model)
	}
	if o.simulated {
		job.Precision = row.Simulated
	}
	if f.tf32 {
		job.Precision = output.TF32
	}
	f.setPatience(f.deadline, log)
	images, out, err := f.openPlaces(ctx, &o)
	if err != nil {
		return err
	}
	o.hooks.opened(ctx, out)
	if o.retry, err = f.changedToo(ctx, o.retry, out); err != nil {
		return err
	}
	delivery, err := o.file.delivery(ctx, &f.placeFlags, out, world, log)
	if err != nil {
		return err
	}
	counted, shown, err := f.startMetrics(ctx, start, world, map[string]store.Store{"images": images, "out": out}, log)
	if err != nil {
		return err
	}
	var sent *otlp.Telemetry
	defer func() {
		code := o.code(err)
		shown.end(code)
		endTelemetry(ctx, sent, code, log)
	}()
	if sent, ctx, err = sendTelemetry(ctx, shown.set, world, log); err != nil {
		return err
	}
	commanded.SetSpans(tracing.IDs)
	if f.preempted {
		stop = orPreempted(ctx, stop, f.metadata, log)
	}
	if err := f.settle(ctx, out); err != nil {
		return err
	}
	if err := f.refuse(m.contract.Preprocess.ScaledDecode); err != nil {
		return err
	}
	decoder, err := f.openDecoder(rankOnMachine(world), log)
	if err != nil {
		return err
	}
	job.JPEGDecoder = decoder.kind
	bounds := f.boundFlags.options()
	bounds.JPEG = decoder.device
	versions := map[string]string{"batchscore": version, "jpeg": decoder.name}
	endProfile, err := f.start(world.Rank)
	if err != nil {
		return err
	}
	decodeMemory := f.decodeMemory(o.limit, world)
	f.bound.decoding.Store(budget.LimitsOf(decodeMemory, world.LocalSize).Memory)
	engine := &runEngine{f: f, o: &o, models: m.all, contract: &m.contract, out: out, tuning: tuning, decoder: decoder, versions: versions, log: log}
	defer endLate(stop, f.deadline, o.overdue)()
	done, err := scorer.Run(ctx, scorer.Options{
		Images: images, Out: out, Job: job, Contract: m.contract,
		OpenEngine: func() (scorer.Engine, error) { return engine.open(ctx) }, TryOut: engine.tryOut, GPU: engine.device,
		Sessions: f.sessions.n, Tune: tuning,
		World:     world,
		Failed:    o.hooks.failed(ctx),
		MaxErrors: o.maxErrors, StrictDrift: f.strictDrift, Retry: o.retry, After: o.after, Rescore: f.rescore, Decode: bounds, Decoders: f.decoders,
		CountDecoders: engine.decoders, Delivery: delivery, Lease: f.lease, Stop: stop, Leave: &f.bound.leave,
		DecodeMemory: decodeMemory,
		Static:       f.static, Deadline: f.deadline, Budget: (f.budget + world.Size - 1) / world.Size,
		Price: priceOf(o.prices), Money: o.money,
		Counters: counted.Counters, State: counted.State, Progress: progress, Log: log, Joined: commanded.SetJob, Versions: versions, Traces: sent.Spans(),
	})
	o.hooks.completed(&done)
	if code := exitCode(err, nil); code != 64 && code != 78 {
		logStorage("the store of the images", images, log)
		logStorage("the store of the result", out, log)
	}
	if hasResult(&done, err) {
		if !isTerminal(stdout) || !isTerminal(stderr) { // else it would be there twice
			logResult(log, f.out, &done)
		}
		merged := f.merge
		if errors.Is(err, scorer.ErrNotDelivered) {
			merged = ""
		}
		f.sayEnd(stdout, world, merged, &done)
	}
	if profileErr := endProfile(); profileErr != nil && err == nil {
		err = fmt.Errorf("the job is done, but its profile could not be written: %w", profileErr)
	}
	return err
}

// decodeMemory returns how much memory all ranks of this machine may take for decoding if
// each of them may use limit bytes in all; 0 is the default.
func (f *runFlags) decodeMemory(limit int64, world shard.World) int64 {
	if f.memory > 0 || limit == 0 {
		return int64(f.memory)
	}
	return min(limit/2*int64(max(world.LocalSize, 1)), budget.LimitsOf(0, 1).Memory)
}

// changedToo returns the statuses to score again. With --rescore-changed they include
// images that have changed since a job that is complete listed them; while it is not,
// they are scored as they are anyway.
func (f *runFlags) changedToo(ctx context.Context, retry row.Selection, out store.Store) (row.Selection, error) {
	if !f.rescore || f.static {
		return retry, nil
	}
	if retry == nil {
		_, err := output.ReadSuccess(ctx, out)
		if errors.Is(err, store.ErrNotExist) {
			return nil, nil
		}
		if err != nil {
			return nil, err
		}
	}
	return retry.WithDrifted(), nil
}

// openPlaces opens the stores of the images and of the result.
func (f *runFlags) openPlaces(ctx context.Context, o *runOptions) (images, out store.Store, err error) {
	if images, err = f.open("--images", f.images); err != nil {
		return nil, nil, err
	}
	if out, err = f.openToWrite(ctx, "--out", f.out); err != nil {
		return nil, nil, err
	}
	return images, out, mayMix(ctx, f.images, f.out, out, &o.mix)
}

// hasResult reports whether a job that ended with err is complete.
func hasResult(done *output.Success, err error) bool {
	return done.Job != "" && (err == nil || errors.Is(err, scorer.ErrTooManyFailed) || errors.Is(err, scorer.ErrDrifted) ||
		errors.Is(err, scorer.ErrNotDelivered))
}

// sayEnd says what came of the job that is complete, on one of its ranks, and on the
// others that it is. If the job was started twice, each start that has no other ranks says it. Where a launcher of ours follows the ranks, it says the rest.
func (f *runFlags) sayEnd(w io.Writer, world shard.World, merged string, done *output.Success) {
	switch {
	case !done.Mine && world.Size > 1:
		printf(w, "Worker %d is done; another worker has finished the job\n", world.Rank)
	case os.Getenv(deploy.JobVariable) != "":
		p := &page{}
		p.ending(f.out, done)
		p.print(w)
	default:
		sayResult(w, f.out, merged, done)
	}
}

// logModel logs what a user should know about a model before it is used.
func logModel(log zerolog.Logger, m *models.Model) {
	if m.LabelsForm != "" {
		event.LabelsForm.On(log).Msg("labels: " + m.LabelsForm)
	}
	for _, c := range m.Conflicts {
		event.ContractConflict.On(log).Str("model", m.Path).Msg("contract: " + c)
	}
	if c := &m.Contract; c.Classifies() && c.Classes > 1 && c.Numbered() {
		text := "there are no labels: rows name classes by number, from 0; --labels FILE names them, and cannot be given later"
		if c.Classes == networks.ImageNetClasses {
			text += "; if its classes are ImageNet's, say --labels imagenet"
		}
		event.LabelsMissing.On(log).Str("model", m.Path).Msg(text)
	}
	if text := warnOfRandomWeights(&m.Contract); text != "" {
		event.WeightsRandom.On(log).Str("model", m.Path).Msg(text)
	}
}
