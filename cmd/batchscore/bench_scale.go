package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/bench/compare"
	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/bench/simulator"
	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/local"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer/store/dir"
)

type benchScaleFlags struct {
	benchFlags
	fleetFlags
	rankJob
	perRank, total int
	rounds         int
	validate       bool
	work, mpirun   string
}

func newBenchScale() *cobra.Command {
	var f benchScaleFlags
	cmd := &cobra.Command{
		Use:   "scale [flags] [-- RUN-FLAGS]",
		Short: "Measure how a job scales over ranks, with real processes and simulated or real devices",
		Long: `scale starts real ranks under mpirun on this machine. They claim, steal and commit
chunks as always, but their devices are simulated, and the images are thumbnails that
cost next to nothing to decode. So it measures how the ranks divide the work. It runs
each number of ranks several times, in alternating order.

With flags for run after --, it runs that job instead, on this machine's own devices,
and each time from the start. speed-up and efficiency then compare with the fewest
ranks of --ranks in the same round. "bench read" analyses the log of a job on several
machines.

The makespan is the time from the first rank's start to the last rank's end. speed-up
says how many times as fast the ranks are as one device that always has work. Efficiency
is the share of the speed that all devices have together, each at its own rate: at 1, no
device waited. minutes/100k-images is the figure that the recipe quotes. lost-GPU-s is
the GPU time beyond the ideal, and lost/100k-images is its cost at --price. A rank
straggles by the rule of "bench read", compared with what its device should do.

A good measurement has ten chunks or more for each rank and takes ten seconds or more.
Otherwise a warning says so, and also if the ranks keep the cores of this machine busy.
With --slow 20 and the default sizes a round takes some 2.5 minutes.`,
		Example: `  batchscore bench scale --ranks 1,8,32 --slow 20
  batchscore bench scale --ranks 32 --slow 20 --straggler 0:1.33 --straggler 1:1.2 --straggler 2-3:1.37
  batchscore bench scale --ranks 32 --slow 20 --device p100+k80 --validate
  batchscore bench scale --ranks 1,2,4 --price 2 -- --images photos --model inception.onnx --provider cuda`,
		RunE: func(cmd *cobra.Command, args []string) error {
			dash := cmd.ArgsLenAtDash()
			if dash > 0 || dash < 0 && len(args) > 0 {
				return usagef("%s takes no argument %q; put flags for run after --", cmd.CommandPath(), args[0])
			}
			if dash < 0 {
				return f.run(cmd, f.measureSimulated)
			}
			return f.run(cmd, func(cmd *cobra.Command, work string) error { return f.measureOwn(cmd, work, args) })
		},
	}
	f.fleetFlags.register(cmd)
	fs := cmd.Flags()
	fs.IntVar(&f.perRank, "per-rank", 3125, "score `N` images per rank, so that all runs take about as long; 3125 on 32 ranks are the recipe's 100,000")
	fs.IntVar(&f.total, "images", 0, "score `N` images in every run, instead of --per-rank")
	fs.IntVar(&f.rounds, "rounds", 6, "run each number of ranks `N` times; a confidence interval needs six")
	fs.BoolVar(&f.validate, "validate", false, "show the time that bench simulate computes next to each run")
	fs.StringVar(&f.work, "work", "", "keep collection and outputs in `FOLDER` (default a temporary one)")
	fs.StringVar(&f.mpirun, "mpirun", "mpirun", "start ranks with this `PROGRAM`")
	f.rankJob.register(cmd)
	f.benchFlags.register(cmd)
	f.registerFigures(fs)
	return cmd
}

// run calls measure with a folder that is removed at the end.
func (f *benchScaleFlags) run(cmd *cobra.Command, measure func(cmd *cobra.Command, work string) error) (err error) {
	if err := f.check(); err != nil {
		return err
	}
	if f.rounds < 1 {
		return usagef("--rounds must be above zero")
	}
	if err := f.checkRanks(); err != nil {
		return err
	}
	if _, err := exec.LookPath(f.mpirun); err != nil {
		return fmt.Errorf("%w: %s is not on the PATH; install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin)", deploy.ErrNoEngine, f.mpirun)
	}
	work, err := os.MkdirTemp(f.work, "batchscore-scale-")
	if err != nil {
		return config(err)
	}
	defer func() { err = errors.Join(err, os.RemoveAll(work)) }()
	return measure(cmd, work)
}

// eachRound calls one for every number of ranks once per round.
func (f *benchScaleFlags) eachRound(ctx context.Context, one func(round, n int) error) error {
	for round := range f.rounds {
		for i := range f.ranks {
			if round%2 == 1 { // so that a machine that gets slower affects all numbers equally
				i = len(f.ranks) - 1 - i
			}
			err := one(round, f.ranks[i])
			if ctx.Err() != nil { // mpirun only reports that its ranks failed
				return ctx.Err()
			}
			if err != nil {
				return fmt.Errorf("%s: %w", numberOf(f.ranks[i], "rank"), err)
			}
		}
	}
	return nil
}

// measureSimulated measures with simulated devices.
func (f *benchScaleFlags) measureSimulated(cmd *cobra.Command, work string) error {
	ctx := cmd.Context()
	fleets, err := f.fleets(f.batch)
	if err != nil {
		return err
	}
	if f.perRank < 1 || f.total < 0 || f.chunk < 0 {
		return usagef("--per-rank, --images and --chunk must be above zero")
	}
	collections := map[int]string{}
	for _, n := range f.ranks {
		images := f.images(n)
		if collections[images] != "" {
			continue
		}
		collections[images] = filepath.Join(work, fmt.Sprintf("images-%d", images))
		if err := errors.Join(os.Mkdir(collections[images], 0o777), scale.Collection(collections[images], images)); err != nil {
			return err
		}
	}
	given := givenKeys(cmd, "precision", "jitter", "ranks-per-node", "batch", "chunk")
	run := result.Run{Provenance: provenance(f.seed, nil)}
	var stragglers []string
	var small warnings
	f.announce(cmd.ErrOrStderr(), fleets)
	err = f.eachRound(ctx, func(round, n int) error {
		for _, fl := range fleets {
			args := []string{"bench", "rank", "--images-at", collections[f.images(n)]}
			args = append(append(args, f.fleetFlags.args(fl, n)...), f.rankJob.args()...)
			o, err := f.one(ctx, cmd.ErrOrStderr(), work, round, n, args)
			if err != nil {
				return err
			}
			if o.Scored != f.images(n) {
				return fmt.Errorf("%d of %d images were scored", o.Scored, f.images(n))
			}
			sample, slow, err := f.sample(ctx, fl, given, n, o)
			if err != nil {
				return err
			}
			run.Samples = append(run.Samples, sample)
			small.add(n, o)
			if len(slow) > 0 && round == f.rounds-1 {
				stragglers = append(stragglers, fmt.Sprintf("of %d %s, %s", n, fl.names, ranks.Runs(slow)))
			}
		}
		return nil
	})
	if err != nil {
		return err
	}
	notes := append(f.mixture(fleets, f.batch), f.priced()...)
	for _, s := range stragglers {
		notes = append(notes, "in the last round, straggling "+s)
	}
	small.judge(run.Samples)
	notes = append(notes, small.notes()...)
	if f.validate {
		notes = append(notes, "model-makespan-s is computed by bench simulate from the start of each rank; model-error is its deviation")
	}
	return errors.Join(f.tell(cmd, run, result.TableOptions{Notes: notes}), f.draw(cmd.Context(), run, "device"))
}

// priced returns the note on the price.
func (f *benchScaleFlags) priced() []string {
	if len(f.price) == 0 {
		return nil
	}
	return []string{fmt.Sprintf("lost/100k-images is in the currency of --price, %s per GPU and hour", &f.price)}
}

// images returns how many images a run on n ranks scores.
func (f *benchScaleFlags) images(n int) int {
	if f.total > 0 {
		return f.total
	}
	return n * f.perRank
}

// one runs this program with args on n ranks, and returns what their output says.
func (f *benchScaleFlags) one(ctx context.Context, stderr io.Writer, work string, round, n int, args []string) (scale.Outcome, error) {
	out := filepath.Join(work, fmt.Sprintf("out-%d-%d", n, round))
	self, err := os.Executable()
	if err != nil {
		return scale.Outcome{}, err
	}
	argv := []string{"-np", strconv.Itoa(n), "--bind-to", "none", "--oversubscribe"}
	if os.Geteuid() == 0 {
		argv = append(argv, "--allow-run-as-root")
	}
	argv = append(append(append(argv, self), args...), "--out", out)
	mpirun := exec.CommandContext(ctx, f.mpirun, argv...)
	said := &lastError{w: stderr}
	quiet := local.Quiet(said)
	mpirun.Stderr = quiet
	// mpirun ends its ranks when it is asked to end, but leaves them if it gets a second
	// signal. So it runs in a process group that gets no signal from the terminal.
	mpirun.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	mpirun.Cancel = func() error { return mpirun.Process.Signal(syscall.SIGTERM) }
	mpirun.WaitDelay = 10 * time.Second
	cores := measure.CoresBusy()
	err = mpirun.Run()
	share := cores()
	if err := errors.Join(err, quiet.Close()); err != nil {
		return scale.Outcome{}, f.failed(err, said.last)
	}
	st, err := dir.New(out, dir.Options{})
	if err != nil {
		return scale.Outcome{}, err
	}
	o, err := scale.Read(ctx, st, n)
	if err != nil {
		return o, err
	}
	o.Cores = share
	return o, os.RemoveAll(out)
}

// failed returns the error of mpirun, with the last message of its ranks, if they wrote
// one, and with their exit code.
func (f *benchScaleFlags) failed(err error, message string) error {
	var exit *exec.ExitError
	if message == "" || !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w; see the messages of its ranks above", f.mpirun, err)
	}
	const most = 100
	if len(message) > most {
		message = strings.ToValidUTF8(message[:most], "") + "..."
	}
	return marked{fmt.Errorf("the job failed: %s (exit code %d; see the messages of its ranks above)", message, exit.ExitCode()),
		&deploy.ExitStatus{By: f.mpirun, Code: exit.ExitCode()}}
}

// lastError passes lines on, and keeps the last error message of batchscore.
type lastError struct {
	w    io.Writer
	last string
}

func (l *lastError) Write(p []byte) (int, error) {
	for line := range strings.Lines(string(p)) {
		if text, ok := strings.CutPrefix(strings.TrimSpace(line), "batchscore: "); ok {
			l.last = text
		}
	}
	return l.w.Write(p)
}

// sample returns the sample of one run on n ranks, and the ranks that straggled.
func (f *benchScaleFlags) sample(ctx context.Context, fl *fleet, given []result.Key, n int, o scale.Outcome) (result.Sample, []int, error) {
	rate, all := func(s simulate.Spec) float64 { return s.At(f.batch) }, 0.0
	var should []float64
	for i, s := range fl.specs[:n] {
		all += rate(s)
		should = append(should, rate(fl.given[i]))
	}
	ideal := float64(o.Images) / all
	judged := ranks.Analyse(o.Ranks, ranks.Options{Rates: should})
	policy := "stealing"
	if f.static {
		policy = "static"
	}
	s := result.Sample{
		Name: "Scale", Simulated: true, Iterations: o.Images,
		Keys: append([]result.Key{
			result.K("ranks", n), result.K("device", fl.names), result.K("model", f.model), result.K("policy", policy),
			result.K("straggling", f.straggling()), result.K("slow", f.slow),
		}, given...),
	}
	s.Values = f.values(fl.names, n, o, ideal, float64(o.Images)/o.Makespan/rate(fl.given[0]), judged.Stragglers)
	if f.validate {
		model, err := f.computed(ctx, fl, n, o)
		if err != nil {
			return s, nil, err
		}
		s.Values = append(s.Values, result.Value{Value: model, Unit: "model-makespan-s"},
			result.Value{Value: math.Abs(model/o.Makespan - 1), Unit: "model-error"})
	}
	return s, judged.Stragglers, nil
}

// values returns the figures of a run on n ranks of a device, which would ideally take ideal
// seconds.
func (f *benchScaleFlags) values(device string, n int, o scale.Outcome, ideal, speedUp float64, stragglers []int) []result.Value {
	perImages := 100_000 / float64(o.Images) / f.slow // a time, for 100,000 images at full speed
	lost := (o.Makespan - ideal) * float64(n)
	values := []result.Value{
		{Value: o.Makespan, Unit: "makespan-s"},
		{Value: 100_000 / (o.Makespan * perImages), Unit: compare.Rate},
		{Value: o.Makespan * perImages / 60, Unit: "minutes/100k-images"},
		{Value: speedUp, Unit: "speed-up"},
		{Value: ideal / o.Makespan, Unit: "efficiency"},
		{Value: float64(len(stragglers)), Unit: "stragglers"},
		{Value: lost, Unit: "lost-GPU-s"},
	}
	if o.Cores > 0 {
		values = append(values, result.Value{Value: o.Cores, Unit: "cores-busy"})
	}
	if g := o.GPU; g != nil && g.Busy != nil {
		values = append(values, result.Value{Value: *g.Busy, Unit: "gpu-busy"}, result.Value{Value: g.ThrottledSeconds, Unit: "gpu-throttled-s"})
	}
	if g := o.GPU; g != nil && g.ImagesPerJoule > 0 {
		values = append(values, result.Value{Value: g.ImagesPerJoule, Unit: "images/J"})
	}
	if price := f.price.of(device); price > 0 {
		values = append(values, result.Value{Value: lost * perImages / 3600 * price, Unit: "lost/100k-images"})
	}
	return values
}

// computed returns the makespan of a run by the model.
func (f *benchScaleFlags) computed(ctx context.Context, fl *fleet, n int, o scale.Outcome) (float64, error) {
	c := simulator.Config{Images: o.Images, PerNode: f.perNode, Chunk: f.chunk, Batch: f.batch, Static: f.static, Seed: f.seed,
		Start: o.Starts, Store: simulator.Store{Latency: diskLatency, ListPage: diskLatency}}
	for _, s := range fl.specs[:n] {
		c.Devices = append(c.Devices, simulator.Simulated(s))
	}
	r, err := simulator.Run(ctx, c)
	return r.Makespan, err
}

// diskLatency is about how long a request to a folder on a local disk takes.
const diskLatency = time.Millisecond
