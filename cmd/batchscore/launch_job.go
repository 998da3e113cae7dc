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
	"github.com/batchscore/batchscore/scorer/store/place"
)

// jobFileFlags are job.yaml and the flags that stand over it.
type jobFileFlags struct {
	file string
	over deploy.Job
	// What a flag cannot put into a Job as it stands.
	priority     string
	environment  []string
	secrets      []string
	mounts       []string
	timeLimit    time.Duration
	ranksPerNode int
}

func (f *jobFileFlags) register(cmd *cobra.Command) {
	fs := cmd.Flags()
	fs.StringVarP(&f.file, "file", "f", "", "job.yaml, or - for standard input; the flags below stand over what it says")
	fs.StringVar(&f.over.Name, "name", "", "name of the job, for people and for the engine")
	fs.StringVar(&f.over.Images, "images", "", "place of the images, as for run")
	fs.StringVar(&f.over.Out, "out", "", "place for the result, as for run")
	fs.StringVar(&f.over.Task, "task", "", "task, such as classification; in place of --model")
	fs.StringVar(&f.over.Model, "model", "", "ONNX file, or name of a registered model, as the ranks see it")
	fs.IntVar(&f.over.Nodes, "nodes", 1, "number of machines")
	fs.IntVarP(&f.ranksPerNode, "ranks-per-node", "n", 1, "number of ranks on each of them")
	fs.IntVar(&f.over.GPUsPerNode, "gpus-per-node", 0, "number of GPUs that the job needs on each of them")
	fs.StringVar(&f.over.GPU, "gpu", "", "type of GPU in the engine's own word, such as v100")
	fs.StringVar(&f.over.VMSize, "vm-size", "", "the cloud's name for a kind of machine, such as Standard_NC6s_v3")
	fs.StringVar(&f.priority, "priority", "dedicated", "dedicated, or low: cheaper, and can be taken away")
	fs.StringVar(&f.over.Image, "image", "", "container image")
	fs.StringArrayVar(&f.environment, "env", nil, "NAME=VALUE, set for every rank; may be given several times")
	fs.StringArrayVar(&f.secrets, "secret", nil, deploy.SecretSpelling+"; may be given several times")
	fs.StringArrayVar(&f.mounts, "mount", nil, "SOURCE=PATH[:ro], a folder that the ranks see at PATH; may be given several times")
	fs.DurationVar(&f.timeLimit, "time-limit", 0, "end the job after this long, such as 7h30m; it can be resumed")
	fs.StringVar(&f.over.Schedule, "schedule", "", "cron expression, such as '0 2 * * *', for engines that start jobs by the clock")
}

// job is job.yaml with the flags over it and the flags for run, checked.
func (f *jobFileFlags) job(cmd *cobra.Command, stdin io.Reader, runArgs []string, runFlags *pflag.FlagSet) (deploy.Job, error) {
	job, err := f.read(stdin)
	if err != nil {
		return job, err
	}
	if err := f.overlay(cmd.Flags(), &job); err != nil {
		return job, err
	}
	if err := checkRun(job.Run, runFlags); err != nil {
		return job, config(fmt.Errorf("%s: %w", f.file, err))
	}
	if err := addRunFlags(&job, runArgs, runFlags); err != nil {
		return job, err
	}
	job = job.WithDefaults()
	if err := job.Check(); err != nil {
		if f.file == "" {
			return job, usage(err) // nothing but flags
		}
		return job, config(fmt.Errorf("%s: %w", f.file, err))
	}
	return job, refuseSecrets(job)
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

// overlay puts what flags say over what the file says.
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
	switch {
	case fs.Changed("nodes") && f.over.Nodes < 1:
		return usagef("--nodes %d: at least one machine takes part", f.over.Nodes)
	case fs.Changed("ranks-per-node") && f.ranksPerNode < 1:
		return usagef("-n %d: at least one rank is started", f.ranksPerNode)
	case fs.Changed("model") && fs.Changed("task"):
		return usagef("--model and --task exclude each other")
	}
	for _, text := range f.environment {
		name, value, ok := strings.Cut(text, "=")
		if !ok {
			return usagef("--env %q: it takes NAME=VALUE", text)
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

// set sets one entry of a map that may be nil, without touching others' copies.
func set[V any](m *map[string]V, name string, value V) {
	c := maps.Clone(*m)
	if c == nil {
		c = map[string]V{}
	}
	c[name] = value
	*m = c
}

// parseSecret reads NAME=KIND:REFERENCE. A value in the place of a reference is
// not repeated in the error.
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

// parseMount reads SOURCE=PATH[:ro].
func parseMount(text string) (deploy.Mount, error) {
	i := strings.LastIndexByte(text, '=')
	if i < 1 || !strings.HasPrefix(text[i+1:], "/") {
		return deploy.Mount{}, usagef("--mount %q: it takes SOURCE=PATH or SOURCE=PATH:ro, where PATH is absolute", text)
	}
	at, readOnly := strings.CutSuffix(text[i+1:], ":ro")
	return deploy.Mount{Source: text[:i], Path: at, ReadOnly: readOnly}, nil
}

// checkRun holds the flags for run in job.yaml against those that run has.
func checkRun(run map[string]string, fs *pflag.FlagSet) error {
	for _, name := range slices.Sorted(maps.Keys(run)) {
		flag := fs.Lookup(name)
		if flag == nil {
			return fmt.Errorf("run: 'batchscore run' has no flag --%s", name)
		}
		if err := flag.Value.Set(run[name]); err != nil {
			return fmt.Errorf("run: %s: %q does not do for --%s, %s", name, run[name], name, flag.Usage)
		}
	}
	return nil
}

// parseRunFlags reads what stands after -- as run does.
func parseRunFlags(run *pflag.FlagSet, args []string) error {
	if err := run.Parse(args); err != nil {
		return usagef("after --: %w", err)
	}
	if run.NArg() > 0 {
		return usagef("after --: run takes no argument %q", run.Arg(0))
	}
	return nil
}

// addRunFlags takes the flags for run, which stand over those of job.yaml.
func addRunFlags(job *deploy.Job, args []string, fs *pflag.FlagSet) error {
	if len(args) > 0 && len(job.Command) > 0 {
		return usagef("flags after -- are for 'batchscore run', and the job runs a command of its own")
	}
	if err := parseRunFlags(fs, args); err != nil {
		return err
	}
	fs.Visit(func(flag *pflag.Flag) {
		value := flag.Value.String()
		switch flag.Name {
		case "images":
			job.Images = value
		case "out":
			job.Out = value
		case "model":
			job.Model, job.Task = value, ""
		case "inference":
			job.Task, job.Model = value, ""
		default:
			set(&job.Run, flag.Name, value)
		}
	})
	for _, name := range []string{"rank", "world"} {
		if _, ok := job.Run[name]; ok {
			return usagef("--%s: the ranks of a launched job are told theirs by the engine", name)
		}
	}
	return nil
}

// privateKey matches the first line of a private key.
var privateKey = regexp.MustCompile(`(?i)-----BEGIN [A-Z ]*PRIVATE KEY`)

// refuseSecrets holds that a job names secrets and contains none: it is written
// to disk, sent in documents and shown. The error does not repeat the secret.
func refuseSecrets(job deploy.Job) error {
	for _, name := range storages.Secrets() {
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
			return config(fmt.Errorf("the value near %q in the job looks like a secret, which does not belong there: name it under secrets, or with --secret NAME=env:VARIABLE",
				strings.TrimLeft(cmp.Or(field, "?"), "- ")))
		}
	}
	return nil
}

// settle gives the paths of a scoring job the meaning that they have here: what
// is relative starts from the working directory, except on engines whose ranks do
// not see the files of this machine.
func settle(engine string, job deploy.Job) (deploy.Job, error) {
	if !job.Scores() {
		return job, nil
	}
	for flag, p := range map[string]*string{"images": &job.Images, "out": &job.Out} {
		// A token in a place is refused before anything is sent with it.
		settled, err := spelled(*p)
		switch {
		case err != nil:
			return job, usagef("--%s: %w", flag, err)
		case !place.IsLocal(*p) || mounted(job, *p) != nil:
		case !sharesFiles(engine): // it judges its paths itself
		default:
			*p = settled
		}
	}
	if _, err := os.Stat(job.Model); job.Model != "" && err == nil && sharesFiles(engine) {
		abs, err := filepath.Abs(job.Model)
		if err != nil {
			return job, err
		}
		job.Model = abs
	}
	return job, nil
}

// sharesFiles reports whether the ranks of an engine see this machine's files.
func sharesFiles(engine string) bool {
	d, _ := engines.Find(engine)
	return d.SharedFiles
}

// mounted is the mount that an absolute path lies under, the innermost, or nil.
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

// seenFromHere is where this machine finds what the ranks write to job.Out. It
// is empty where it cannot: on a share or a volume of the engine's, and for a
// scheduled job, each of whose runs has a place of its own.
func seenFromHere(engine string, job deploy.Job) string {
	if job.Schedule != "" {
		return ""
	}
	if !place.IsLocal(job.Out) {
		return job.Out
	}
	if m := mounted(job, job.Out); m != nil {
		rest := strings.TrimPrefix(path.Clean(job.Out), path.Clean(m.Path))
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
	return job.Out
}
