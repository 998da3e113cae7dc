package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/engines"
	"github.com/batchscore/batchscore/deploy/record"
	"github.com/batchscore/batchscore/deploy/shellquote"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// launchFlags are the flags of 'batchscore launch', those of the job included.
type launchFlags struct {
	jobFileFlags
	serviceFlags
	places placeFlags
	to     string
	dryRun bool
	format string
	detach bool
	yes    bool
	logs   bool
	// logFormat is that of what launch says, and with json of the ranks, too.
	logFormat string
	schema    bool
	example   string
	// recorded is set once the job is on record.
	recorded bool
}

func newLaunch(sig *signals) *cobra.Command {
	var f launchFlags
	cmd := &cobra.Command{
		Use:   "launch [--to ENGINE] [-f job.yaml] [flags] [-- RUN-FLAGS]",
		Short: "Start a job on this machine or a cluster, follow it, and check its result",
		Long: `launch submits a job to an engine, follows it, and checks the result. On a terminal it
shows the progress and what the ranks warn of, elsewhere all that the ranks print.
The job is described by job.yaml, by flags, or by both; flags after -- are passed to
'batchscore run' on every rank. service.yaml, which an administrator writes once, says
how to reach each engine.

The output decides whether a scoring job is done, not the engine: launch succeeds if
every image has its row, and fails if a chunk is missing, whatever the engine reports.
Launch the job again to continue it. When all is done, launch prints the time that the
job took and the line that run ends with: how many images are ok and how many failed.

With --to local, SIGTERM and Ctrl-C make the ranks commit what they are working on and
exit. On other engines launch stops following the job, and the job continues. The job
is recorded before it is submitted, so 'batchscore jobs' finds it whatever happens to
launch.

` + placesHelp + `

` + exitCodesHint,
		Example: `  batchscore launch --to local -n 4 -- --images photos --out result --model inception.onnx
  batchscore launch --example kubernetes >job.yaml
  batchscore launch --to kubernetes -f job.yaml --dry-run
  batchscore launch --to azureml -f job.yaml --nodes 8 --detach`,
		RunE: func(cmd *cobra.Command, args []string) error {
			if n := cmd.ArgsLenAtDash(); n > 0 || n < 0 && len(args) > 0 {
				return strayArgument(cmd, args[0], "flags for run come after --")
			}
			if f.schema {
				_, err := io.WriteString(cmd.OutOrStdout(), deploy.JobSchema)
				return err
			}
			if cmd.Flags().Changed("example") {
				d, known := engines.Find(f.example)
				if !known || d.Example == "" {
					return oneOf("example", f.example, exampleEngines())
				}
				_, err := io.WriteString(cmd.OutOrStdout(), d.Example)
				return err
			}
			err := f.launch(cmd, args, sig)
			if err != nil && !f.recorded && !f.dryRun {
				noteFailure(err)
			}
			return err
		},
	}
	cmd.ValidArgsFunction = completeRunFlags
	cmd.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		noteFailure(err)
		unknown := new(pflag.NotExistError)
		if !errors.As(err, &unknown) {
			return flagError(cmd, err)
		}
		if name := unknown.GetSpecifiedName(); runCommand(sig).Flags().Lookup(name) != nil {
			return usagef("launch has no flag --%s; it is a flag of 'batchscore run', whose flags come after --: batchscore launch -- --%[1]s ...", name)
		}
		return usagef("%w of launch; flags for 'batchscore run' come after --%s", err, meantFlag(cmd, unknown))
	})
	fs := cmd.Flags()
	fs.StringVar(&f.to, "to", "local", "start the job on `ENGINE`: "+strings.Join(engines.Names(), ", "))
	f.jobFileFlags.register(cmd)
	fs.BoolVar(&f.dryRun, "dry-run", false, "print what would be sent, and send nothing")
	fs.StringVar(&f.format, "format", "", "with --dry-run --to "+exporters()+": print `FORMAT` yaml, for the engine's own command-line tool")
	fs.BoolVar(&f.yes, "yes", false, yesHelp)
	fs.BoolVar(&f.detach, "detach", false, "return once the job is submitted; follow it with 'batchscore jobs'")
	fs.StringVar(&f.example, "example", "", "print a job.yaml to start from, for `ENGINE`, and the section of service.yaml that it needs")
	chooseOne(cmd, "example", exampleEngines())
	fs.BoolVar(&f.logs, "logs", false, "print all that the ranks log; by default a terminal shows the progress, warnings and errors")
	fs.StringVar(&f.logFormat, "log-format", "text", "say what happens as `FORMAT`: text, or json: lines of JSON, those of the ranks among them,"+
		" on standard error; the ranks' --log-format json means the same")
	chooseOne(cmd, "log-format", launchLogFormats)
	fs.BoolVar(&f.schema, "schema", false, "print the JSON schema of job.yaml, for editors")
	groupFlags(cmd, "Storage flags", func() {
		f.places.register(cmd)
		f.places.registerCreate(cmd)
	})
	chooseOne(cmd, "to", engines.Names())
	chooseOne(cmd, "format", exportFormats)
	groupFlags(cmd, "Engine flags", func() {
		f.serviceFlags.register(cmd)
		for _, d := range engines.All {
			for _, flag := range d.Flags {
				usage := "with --to " + d.Name + ": " + flag.Usage
				switch value := flag.Value.(type) {
				case nil:
					fs.String(flag.Name, "", usage)
				case int:
					fs.Int(flag.Name, value, usage)
				default:
					fs.Bool(flag.Name, false, usage)
				}
			}
		}
	})
	return cmd
}

// exampleEngines are the values of --example.
func exampleEngines() []string {
	return engines.Names(func(d deploy.Driver) bool { return d.Example != "" })
}

// exportFormats are the values of --format.
var exportFormats = []string{"yaml"}

// exporters returns the names of the engines that support --format.
func exporters() string {
	return strings.Join(engines.Names(func(d deploy.Driver) bool { return d.Exporter }), " or ")
}

// noteFailure keeps the failure of a launch that is not on record, for jobs status.
func noteFailure(err error) {
	if book, unknown := openBook(); unknown == nil {
		_ = book.NoteFailure(record.Failure{At: time.Now().UTC(), Text: firstLine(redact(err.Error()))}) // the launch has its own error
	}
}

// testPoint is called at named moments of a launch. Tests kill the process there.
var testPoint = func(name string) {}

func (f *launchFlags) launch(cmd *cobra.Command, runArgs []string, sig *signals) error {
	if _, known := engines.Find(f.to); !known {
		return noEngine(f.to)
	}
	job, err := f.job(cmd, cmd.InOrStdin(), runArgs, runCommand(sig))
	if err != nil {
		return err
	}
	if job, err = settle(f.to, job); err != nil {
		return err
	}
	inJSON, err := f.wantsJSON(cmd, job.Run["log-format"])
	if err != nil {
		return err
	}
	if inJSON && job.Scores() && job.Run["log-format"] == "" {
		set(&job.Run, "log-format", "json")
	}
	if f.yes && job.Scores() {
		set(&job.Run, "yes", "true")
	}
	l, section, err := f.open(cmd)
	if err != nil {
		return err
	}
	if _, price, err := takePrice(section); err != nil {
		return config(err)
	} else if price != "" && job.Scores() && job.Run["price"] == "" {
		set(&job.Run, "price", price)
	}
	id := deploy.NewID(job.Name, time.Now(), rand.Uint32())
	documents, err := l.Documents(job, id)
	if f.format == "yaml" && err == nil {
		documents, err = l.(deploy.Exporter).YAML(job, id) // as open made sure
	}
	if err != nil {
		return err
	}
	if f.dryRun {
		return printDocuments(cmd.OutOrStdout(), documents)
	}

	// A missing secret is an error before anything is recorded or submitted.
	values, err := job.Resolve()
	if err != nil {
		return config(err)
	}
	hide(slices.Collect(maps.Values(values))...)
	folder, err := record.Folder()
	if err != nil {
		return config(err)
	}
	w := &watched{
		l: l, book: record.Open(folder), logs: f.logs, stdout: cmd.OutOrStdout(), stderr: cmd.ErrOrStderr(), places: f.places,
		r: record.Record{
			ID: id, Engine: f.to, Service: section, Job: job, Launched: time.Now().UTC(),
			Phase: record.Launching, Endpoint: job.Run["endpoint"],
		},
	}
	if inJSON {
		w.logJSON(cmd.Context())
	}
	if patience := job.Run["patience"]; patience != "" { // of job.yaml, or after --
		if err := overrideFlag(cmd.Flags().Lookup("patience"), patience); err != nil {
			return usagef("invalid value %q for --patience: %w", patience, err)
		}
		w.places.patience = f.places.patience
	}
	if file := job.Run["credentials"]; file != "" {
		if w.r.Credentials, err = filepath.Abs(file); err != nil {
			return err
		}
	}
	// An output that cannot be opened could not be checked later.
	if err := w.openOutput(); err != nil {
		return err
	}
	if w.out != nil {
		s, err := output.ReadSuccess(cmd.Context(), w.out)
		switch {
		case err == nil:
			w.before, w.retries = true, s.Generation()
		case errors.Is(err, store.ErrUnavailable):
			return err // ranks would wait for it as long again
		}
	}
	ask := asker(cmd.InOrStdin(), cmd.ErrOrStderr())
	if w.out != nil {
		mix := consent{given: job.Run["yes"] == "true", ask: ask}
		if err := mayMix(cmd.Context(), job.Images, job.Out, w.out, &mix); err != nil {
			return err
		}
		if mix.given {
			set(&w.r.Job.Run, "yes", "true") // the ranks have no terminal
		}
	}
	if err := w.askBefore(cmd.Context(), ask); err != nil {
		return err
	}
	if err := f.submit(cmd.Context(), w); err != nil {
		return err
	}
	if f.detach || job.Schedule != "" {
		printf(w.stdout, "launched job %s on %s\n", id, f.to)
		fmt.Fprint(w.stdout, w.howTo())
		return nil
	}
	w.say(w.stderr, event.JobLaunched, fmt.Sprintf("launched job %s on %s", id, f.to))
	testPoint("following")
	sig.patient.Store(true) // the engine ends the ranks, in its own time
	return w.follow(context.WithoutCancel(cmd.Context()), sig.stop)
}

// open opens the engine, and checks the flags that only some engines support.
func (f *launchFlags) open(cmd *cobra.Command) (deploy.Launcher, yaml.Node, error) {
	section, err := f.settings(cmd.Flags())
	if err != nil {
		return nil, section, err
	}
	l, section, err := f.launcher(f.to, section)
	if err != nil {
		return nil, section, err
	}
	switch {
	case f.format == "":
	case !slices.Contains(exportFormats, f.format):
		return nil, section, oneOf("format", f.format, exportFormats)
	case !f.dryRun:
		return nil, section, usagef("--format needs --dry-run")
	default:
		if _, ok := l.(deploy.Exporter); !ok {
			return nil, section, usagef("--format yaml needs --to %s", exporters())
		}
	}
	return l, section, nil
}

// settings returns what the engine's own flags say, which override service.yaml.
func (f *launchFlags) settings(fs *pflag.FlagSet) (yaml.Node, error) {
	over := map[string]any{}
	for _, d := range engines.All {
		for _, flag := range d.Flags {
			given := fs.Lookup(flag.Name)
			if !given.Changed || given.Value.String() == "" || given.Value.String() == "false" {
				continue
			}
			if d.Name != f.to {
				return yaml.Node{}, usagef("--%s needs --to %s", flag.Name, d.Name)
			}
			over[flag.Setting] = flag.Value
			switch flag.Value.(type) {
			case nil:
				over[flag.Setting] = given.Value.String()
			case int:
				n, err := fs.GetInt(flag.Name)
				if err != nil {
					return yaml.Node{}, err
				}
				over[flag.Setting] = n
			}
		}
	}
	var node yaml.Node
	if len(over) == 0 {
		return node, nil
	}
	err := node.Encode(over)
	return node, err
}

// submit records the job and submits it to the engine.
func (f *launchFlags) submit(ctx context.Context, w *watched) error {
	testPoint("before record")
	if err := w.book.Create(w.r); err != nil {
		return config(err)
	}
	f.recorded = true
	testPoint("after record")
	err := w.l.Submit(ctx, w.r.Job, w.r.ID)
	testPoint("after submit")
	switch {
	case err == nil:
		return w.update(record.Submitted, "")
	case errors.Is(err, deploy.ErrNoEngine), errors.Is(err, deploy.ErrService), errors.Is(err, deploy.ErrUnsupported):
		return errors.Join(err, w.update(record.Refused, ""))
	}
	return fmt.Errorf("%w\nit is not known whether %s has the job: batchscore jobs status %s", err, w.r.Engine, shellquote.Quote(w.r.ID))
}
