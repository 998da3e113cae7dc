package main

import (
	"cmp"
	"fmt"
	"io"
	"maps"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/engines"
	"github.com/batchscore/batchscore/scorer/judge"
)

// jobFileFlags are job.yaml and the flags that override it.
type jobFileFlags struct {
	file string
	over deploy.Job
	// Values of flags that are not fields of a Job.
	priority     string
	environment  []string
	secrets      []string
	mounts       []string
	timeLimit    time.Duration
	ranksPerNode int
}

func (f *jobFileFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "file", "f", "", "read job.yaml from `FILE`, or from standard input if it is -; flags override what it says")
	fs.StringVar(&f.over.Name, "name", "", "call the job `NAME`")
	fs.StringVar(&f.over.Images, "images", "", "score the images in `PLACE`, as for run (required, or in job.yaml)")
	fs.StringVar(&f.over.Out, "out", "", "write the result to `PLACE`, as for run (required, or in job.yaml)")
	fs.StringVar(&f.over.Task, "task", "", "score with the model registered for `TASK`, such as classification; instead of --model; --inference is the same")
	taskFlag(cmd)
	registerJoined(fs, &f.over.Model, "model", ",", "score with `MODEL`: an ONNX file, or the name of a registered model, as the ranks see it;"+
		" given several times, all of them score each image, as for run")
	fs.DurationVar(&f.timeLimit, "time-limit", 0, "end the job after `DURATION`, such as 7h30m; launch it again to continue")
	fs.StringVar(&f.over.Schedule, "schedule", "", "start the job by this `CRON` expression, such as '0 2 * * *'; with --to "+
		strings.Join(engines.Names(func(d deploy.Driver) bool { return d.Schedules }), " or ")+"; elsewhere let cron or a systemd timer launch the job")
	groupFlags(cmd, "Machine flags", func() {
		fs.IntVar(&f.over.Nodes, "nodes", 1, "run on `N` machines")
		fs.IntVarP(&f.ranksPerNode, "ranks-per-node", "n", 1, "start `N` ranks on each machine")
		fs.IntVar(&f.over.GPUsPerNode, "gpus-per-node", 0, "request `N` GPUs on each machine")
		fs.StringVar(&f.over.GPU, "gpu", "", "request GPUs of this `TYPE`, as the engine calls it, such as v100")
		fs.StringVar(&f.over.VMSize, "vm-size", "", "run on machines of `SIZE`, the cloud's name for a kind of machine, such as Standard_NC24ads_A100_v4")
		fs.StringVar(&f.priority, "priority", "dedicated", "request machines of this `PRIORITY`: dedicated, or low: cheaper, but the cloud may take them away")
		chooseOne(cmd, "priority", asWords(deploy.Priorities))
		fs.StringVar(&f.over.Image, "image", "", "run in this container `IMAGE`")
	})
	groupFlags(cmd, "Environment flags", func() {
		fs.StringArrayVar(&f.environment, "env", nil, "set `NAME=VALUE` for every rank; may be repeated")
		fs.StringArrayVar(&f.secrets, "secret", nil, "pass a secret to every rank by reference, `NAME=REFERENCE`: "+deploy.SecretSpelling+"; may be repeated")
		fs.StringArrayVar(&f.mounts, "mount", nil, "mount a folder for the ranks: `SOURCE=PATH[:ro]`; may be repeated")
	})
}

// job returns job.yaml, overridden by the flags and those for run, and checked.
func (f *jobFileFlags) job(cmd *cobra.Command, stdin io.Reader, runArgs []string, run *cobra.Command) (deploy.Job, error) {
	job, err := f.read(stdin)
	if err != nil {
		return job, err
	}
	if err := f.overlay(cmd.Flags(), &job); err != nil {
		return job, err
	}
	var faults deploy.Faults
	faults.Add(checkRun(job.Run, run.Flags()))
	if err := addRunFlags(&job, runArgs, run); err != nil {
		return job, err
	}
	if job.Name == "" && job.Scores() {
		job.Name = nameAfter(job.Images)
	}
	job = job.WithDefaults()
	faults.Add(job.Check())
	faults.Add(checkMounts(job))
	if err := faults.Err(); err != nil {
		if f.file == "" {
			return job, usage(err) // everything comes from flags
		}
		return job, config(fmt.Errorf("%s: %w", f.file, err))
	}
	return job, refuseSecrets(job)
}

// unnamable are the characters that the name of a job may not have.
var unnamable = regexp.MustCompile(`[^a-z0-9]+`)

// nameAfter returns a name for a job that scores these images: that of their folder as
// far as a job's name can be like it, else "".
func nameAfter(images string) string {
	const longest = 30
	name := path.Base(filepath.ToSlash(images))
	name = strings.Trim(unnamable.ReplaceAllString(strings.ToLower(name), "-"), "-")
	name = strings.TrimRight(name[:min(len(name), longest)], "-")
	if name != "" && (name[0] < 'a' || name[0] > 'z') {
		name = "score-" + name
	}
	return name
}

func (f *jobFileFlags) read(stdin io.Reader) (deploy.Job, error) {
	switch f.file {
	case "":
		return deploy.Job{}, nil
	case "-":
		job, err := deploy.ReadJob(stdin)
		if err != nil {
			return job, config(fmt.Errorf("standard input: %w", err))
		}
		return job, nil
	}
	r, err := os.Open(f.file)
	if err != nil {
		return deploy.Job{}, config(fmt.Errorf("-f: %w", err))
	}
	defer r.Close()
	job, err := deploy.ReadJob(r)
	if err != nil {
		return job, config(fmt.Errorf("%s: %w", f.file, err))
	}
	return job, nil
}

// overlay overrides job with what the flags say.
func (f *jobFileFlags) overlay(fs *pflag.FlagSet, job *deploy.Job) error {
	for name, field := range map[string]func(){
		"name":           func() { job.Name = f.over.Name },
		"images":         func() { job.Images = f.over.Images },
		"out":            func() { job.Out = f.over.Out },
		"task":           func() { job.Task, job.Model = f.over.Task, "" },
		"model":          func() { job.Model, job.Task = f.over.Model, "" },
		"nodes":          func() { job.Nodes = f.over.Nodes },
		"ranks-per-node": func() { job.RanksPerNode = f.ranksPerNode },
		"gpus-per-node":  func() { job.GPUsPerNode = f.over.GPUsPerNode },
		"gpu":            func() { job.GPU = f.over.GPU },
		"vm-size":        func() { job.VMSize = f.over.VMSize },
		"priority":       func() { job.Priority = deploy.Priority(f.priority) },
		"image":          func() { job.Image = f.over.Image },
		"time-limit":     func() { job.TimeLimit = deploy.Duration(f.timeLimit) },
		"schedule":       func() { job.Schedule = f.over.Schedule },
	} {
		if fs.Changed(name) {
			field()
		}
	}
	for _, name := range storageFlags {
		if fs.Changed(name) {
			set(&job.Run, name, fs.Lookup(name).Value.String())
		}
	}
	switch {
	case fs.Changed("nodes") && f.over.Nodes < 1:
		return invalid("nodes", f.over.Nodes, "a number of machines above zero")
	case fs.Changed("ranks-per-node") && f.ranksPerNode < 1:
		return usagef("invalid value %d for -n: want a number of ranks above zero", f.ranksPerNode)
	case fs.Changed("priority") && !slices.Contains(deploy.Priorities, deploy.Priority(f.priority)):
		return oneOf("priority", f.priority, asWords(deploy.Priorities))
	case fs.Changed("model") && fs.Changed("task"):
		return usagef("--model and --task exclude each other")
	}
	for _, text := range f.environment {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return invalid("env", text, "NAME=VALUE")
		}
		set(&job.Environment, name, value)
	}
	for _, text := range f.secrets {
		name, secret, err := parseSecret(text)
		if err != nil {
			return err
		}
		set(&job.Secrets, name, secret)
	}
	for _, text := range f.mounts {
		m, err := parseMount(text)
		if err != nil {
			return err
		}
		job.Mounts = append(job.Mounts, m)
	}
	return nil
}

// storageFlags are the flags of run that launch has too.
var storageFlags = []string{"endpoint", "credentials", "patience", "create-container"}

// set sets one entry of a map that may be nil, without touching others' copies.
func set[V any](m *map[string]V, name string, value V) {
	c := maps.Clone(*m)
	if c == nil {
		c = map[string]V{}
	}
	c[name] = value
	*m = c
}

// parseSecret parses NAME=KIND:REFERENCE. The error does not repeat the reference,
// which may be the secret itself.
func parseSecret(text string) (string, deploy.Secret, error) {
	const takes = "it takes " + deploy.SecretSpelling + ", never the value itself"
	name, rest, ok := strings.Cut(text, "=")
	if !ok {
		return "", deploy.Secret{}, usagef("--secret: %s", takes)
	}
	secret, ok := deploy.ParseSecret(rest)
	if !ok {
		return "", deploy.Secret{}, usagef("--secret %s: %s", name, takes)
	}
	return name, secret, nil
}

// parseMount parses SOURCE=PATH[:ro].
func parseMount(text string) (deploy.Mount, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 1 || !strings.HasPrefix(text[i+1:], "/") {
		return deploy.Mount{}, invalid("mount", text, "SOURCE=PATH or SOURCE=PATH:ro, where PATH is absolute")
	}
	at, readOnly := strings.CutSuffix(text[i+1:], ":ro")
	return deploy.Mount{Source: text[:i], Path: at, ReadOnly: readOnly}, nil
}

// checkMounts checks the sources of mounts that are places of a known storage, as
// its store would. Other sources are for the engine to check.
func checkMounts(job deploy.Job) error {
	var faults deploy.Faults
	for _, m := range job.Mounts {
		if scheme, err := storages.Scheme(m.Source); err != nil || scheme.Local() {
			continue
		}
		if _, err := spelled(m.Source); err != nil {
			faults.Say("mounts: %w", err)
		}
	}
	return faults.Err()
}

// checkRun checks the flags for run in job.yaml.
func checkRun(run map[string]string, fs *pflag.FlagSet) error {
	var faults deploy.Faults
	for _, name := range slices.Sorted(maps.Keys(run)) {
		flag := fs.Lookup(name)
		if flag == nil {
			faults.Say("run: 'batchscore run' has no flag --%s%s", name, didYouMean(name, flagNames(fs)))
			continue
		}
		if err := overrideFlag(flag, run[name]); err != nil {
			_, takes := pflag.UnquoteUsage(flag)
			faults.Say("run: %s: invalid value %q for --%s: %s", name, run[name], name, takes)
		} else if err := checkRunValue(flag, run[name]); err != nil {
			faults.Say("run: %s: %v", name, err) // not usage of this command
		}
	}
	return faults.Err()
}

// checkRunValue checks what run itself would refuse on every rank: a word that is none
// of those that its flag takes, and a threshold.
func checkRunValue(flag *pflag.Flag, value string) error {
	switch flag.Name {
	case "provider":
		_, _, err := simulated(value)
		return err
	case "max-errors":
		_, err := judge.ParseLimits(value)
		return err
	case "price":
		return checkPrice(value)
	case "budget-money":
		return checkBudget(value)
	case "on-end", "on-first-failure":
		return checkHook(flag.Name, value)
	case "task": // ranks may know other tasks than this machine
		return nil
	}
	if words := flag.Annotations[choicesKey]; len(words) > 0 && flag.Value.Type() == "string" {
		for word := range strings.SplitSeq(value, ",") {
			if err := oneOf(flag.Name, word, words); err != nil {
				return err
			}
		}
	}
	return nil
}

// parseRunFlags parses the arguments after --, as run does.
func parseRunFlags(run *cobra.Command, args []string) error {
	if err := run.ParseFlags(args); err != nil {
		return ofCommand(run, fmt.Errorf("after --: %w", explainFlag(run, err)))
	}
	if operands := run.Flags().Args(); len(operands) > 0 {
		return ofCommand(run, fmt.Errorf("after --: %w", strayArgument(run, operands[0], "")))
	}
	return nil
}

// addRunFlags adds the flags for run to the job. They override job.yaml.
func addRunFlags(job *deploy.Job, args []string, run *cobra.Command) error {
	if len(args) > 0 && len(job.Command) > 0 {
		return usagef("flags after -- are for 'batchscore run', but the job runs a command of its own")
	}
	if err := parseRunFlags(run, args); err != nil {
		return err
	}
	var faults deploy.Faults
	run.Flags().Visit(func(flag *pflag.Flag) {
		value := flag.Value.String()
		faults.Add(checkRunValue(flag, value))
		switch flag.Name {
		case "images":
			job.Images = value
		case "out":
			job.Out = value
		case "model":
			job.Model, job.Task = value, ""
		case "task":
			job.Task, job.Model = value, ""
		default:
			set(&job.Run, flag.Name, value)
		}
	})
	if err := faults.Err(); err != nil {
		return ofCommand(run, fmt.Errorf("after --: %w", err))
	}
	for _, name := range []string{"rank", "world"} {
		if _, ok := job.Run[name]; ok {
			return usagef("--%s: the engine sets it for the ranks of a launched job", name)
		}
	}
	return nil
}

// privateKey matches the first line of a private key.
var privateKey = regexp.MustCompile(`(?i)-----BEGIN [A-Z ]*PRIVATE KEY`)

// refuseSecrets returns an error if a job contains a secret instead of naming it: the
// job is written to disk, sent in documents and shown. The error does not repeat the
// secret.
func refuseSecrets(job deploy.Job) error {
	for _, name := range secretVariables() {
		if _, ok := job.Environment[name]; ok {
			return config(fmt.Errorf("environment: %s is a secret: name it under secrets, or with --secret %s=env:%s", name, name, name))
		}
	}
	body, err := yaml.Marshal(job)
	if err != nil {
		return err
	}
	for line := range strings.Lines(string(body)) {
		if privateKey.MatchString(line) || storages.HoldsSecret(line) {
			field, _, _ := strings.Cut(strings.TrimSpace(line), ":")
			return config(fmt.Errorf("the value near %q in the job looks like a secret, which does not belong there:"+
				" name it under secrets, or with --secret NAME=env:VARIABLE",
				strings.TrimLeft(cmp.Or(field, "?"), "- ")))
		}
	}
	return nil
}

// settle makes the paths of a scoring job absolute, starting from the working
// directory, except on engines whose ranks do not see the files of this machine.
func settle(engine string, job deploy.Job) (deploy.Job, error) {
	if !job.Scores() {
		return job, nil
	}
	for flag, p := range map[string]*string{"images": &job.Images, "out": &job.Out} {
		// A place that contains a token is refused before anything is sent.
		settled, err := spelled(*p)
		switch {
		case err != nil:
			return job, usagef("--%s: %w", flag, err)
		case !isLocal(*p) || mounted(job, *p) != nil:
		case !sharesFiles(engine): // it checks its paths itself
		default:
			*p = settled
		}
	}
	if err := settleMerge(engine, &job); err != nil {
		return job, err
	}
	if job.Model == "" || !sharesFiles(engine) {
		return job, nil
	}
	// A comma is between models, unless a file has it in its name.
	models := []string{job.Model}
	if _, err := os.Stat(job.Model); err != nil {
		models = strings.Split(job.Model, ",")
	}
	for i, model := range models {
		if _, err := os.Stat(model); err != nil {
			continue // a registered name
		}
		abs, err := filepath.Abs(model)
		if err != nil {
			return job, err
		}
		models[i] = abs
	}
	job.Model = strings.Join(models, ",")
	return job, nil
}

// sharesFiles reports whether the ranks of an engine see this machine's files.
func sharesFiles(engine string) bool {
	d, _ := engines.Find(engine)
	return d.SharedFiles
}

// mounted returns the innermost mount that contains an absolute path, or nil.
func mounted(job deploy.Job, p string) *deploy.Mount {
	var found *deploy.Mount
	for i, m := range job.Mounts {
		inside := path.Clean(p) == path.Clean(m.Path) || strings.HasPrefix(path.Clean(p), path.Clean(m.Path)+"/")
		if inside && (found == nil || len(m.Path) > len(found.Path)) {
			found = &job.Mounts[i]
		}
	}
	return found
}

// seenFromHere returns the place where this machine finds what the ranks call spec,
// the Images or Out of a job. It is "" if there is none: for a share or a volume of the
// engine, and for a scheduled job, whose runs have a place each.
func seenFromHere(engine string, job deploy.Job, spec string) string {
	if job.Schedule != "" {
		return ""
	}
	if !isLocal(spec) {
		return spec
	}
	if m := mounted(job, spec); m != nil {
		rest := strings.TrimPrefix(path.Clean(spec), path.Clean(m.Path))
		switch scheme, err := storages.Scheme(m.Source); {
		case err != nil: // the engine's own, such as pvc://
			return ""
		case !scheme.Local():
			return strings.TrimSuffix(m.Source, "/") + rest
		case !sharesFiles(engine):
			return ""
		}
		return m.Source + rest
	}
	return spec
}
