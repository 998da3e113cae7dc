package deploy

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v4"
)

// Job is what job.yaml says: the same for every engine. It is either a scoring
// job (Images, Out and a model) or any program of the team's own (Command).
type Job struct {
	// Name is for people and for the engine: lower-case letters, digits and
	// hyphens, 1 to 40 characters, a letter first.
	Name string `yaml:"name" json:"name"`

	// Images and Out are places as 'batchscore run' takes them. The Out of a
	// scheduled job holds {run}, see RunName.
	Images string `yaml:"images,omitempty" json:"images,omitempty"`
	Out    string `yaml:"out,omitempty" json:"out,omitempty"`
	// After is the output that the job continues, or a folder of runs, of which the last
	// complete one counts: see the flag of 'batchscore run'. If it is empty, a scheduled
	// job whose runs are in one folder continues that folder. NoAfter is none.
	After string `yaml:"after,omitempty" json:"after,omitempty"`
	// Task is a task such as classification, Model an ONNX file or the name of
	// a registered model, as the ranks see it, or several with commas between them; a
	// scoring job has one of Task and Model.
	Task  string `yaml:"task,omitempty" json:"task,omitempty"`
	Model string `yaml:"model,omitempty" json:"model,omitempty"`
	// Run holds further flags of 'batchscore run' by name, without hyphens in
	// front: batch: 32, static: true.
	Run map[string]string `yaml:"run,omitempty" json:"run,omitempty"`

	// Command is the program to run instead of a scoring job, and its arguments.
	Command []string `yaml:"command,omitempty" json:"command,omitempty"`

	// Nodes is how many machines take part, RanksPerNode how many processes
	// each of them runs. Both are 1 by default.
	Nodes        int `yaml:"nodes,omitempty" json:"nodes,omitempty"`
	RanksPerNode int `yaml:"ranksPerNode,omitempty" json:"ranksPerNode,omitempty"`
	// GPUsPerNode is how many GPUs of a node the job needs; 0 is none. GPU is
	// their type as the engine calls it, such as v100. VMSize is the cloud's
	// name for a kind of machine, such as Standard_NC24ads_A100_v4.
	GPUsPerNode int    `yaml:"gpusPerNode,omitempty" json:"gpusPerNode,omitempty"`
	GPU         string `yaml:"gpu,omitempty" json:"gpu,omitempty"`
	VMSize      string `yaml:"vmSize,omitempty" json:"vmSize,omitempty"`
	// Priority is dedicated or low; low nodes cost less and can be taken away.
	Priority Priority `yaml:"priority,omitempty" json:"priority,omitempty"`

	// Image is the container image, where the engine runs containers.
	Image string `yaml:"image,omitempty" json:"image,omitempty"`
	// Environment is set for every rank. Secrets belong in
	// Secrets.
	Environment map[string]string `yaml:"environment,omitempty" json:"environment,omitempty"`
	// Secrets maps names of variables to the places that their values come from.
	Secrets map[string]Secret `yaml:"secrets,omitempty" json:"secrets,omitempty"`
	// Mounts are folders that the ranks see.
	Mounts []Mount `yaml:"mounts,omitempty" json:"mounts,omitempty"`
	// TimeLimit ends the job, which can be resumed. Zero is the engine's own
	// limit.
	TimeLimit Duration `yaml:"timeLimit,omitempty" json:"timeLimit,omitempty"`
	// Schedule is a cron expression of five fields, for engines that start jobs
	// by the clock. A job without one starts once, now.
	Schedule string `yaml:"schedule,omitempty" json:"schedule,omitempty"`
}

// RunName is replaced, in the arguments of a scheduled job, with the name of the
// run. All ranks of a run and their retries have the same name. The next run has
// another one, so that it does not find its output complete already.
const RunName = "{run}"

// NoAfter is the After of a scheduled job each run of which scores all images.
const NoAfter = "none"

// Continues returns what the job continues: an output or a folder of runs, or "" for nothing.
func (j Job) Continues() string {
	switch {
	case j.After == NoAfter:
		return ""
	case j.After != "" || j.Schedule == "":
		return j.After
	}
	folder, ok := strings.CutSuffix(j.Out, "/"+RunName)
	if !ok || folder == "" || strings.Contains(folder, RunName) || strings.HasPrefix(folder, "az://") && strings.Count(folder, "/") < 3 {
		return "" // runs that are elsewhere, or each in a container of its own
	}
	return folder
}

// Priority is the kind of nodes that a job takes.
type Priority string

// Priorities. The empty one is Dedicated.
const (
	Dedicated Priority = "dedicated"
	Low       Priority = "low"
)

// Priorities are all of them.
var Priorities = []Priority{Dedicated, Low}

// Mount is a folder that the ranks see.
type Mount struct {
	// Source is az://ACCOUNT/CONTAINER[/PREFIX], azurefile://ACCOUNT/SHARE,
	// pvc://CLAIM (a persistent volume claim), or a path on the nodes.
	Source string `yaml:"source" json:"source"`
	// Path is where the ranks see it, an absolute path.
	Path     string `yaml:"path" json:"path"`
	ReadOnly bool   `yaml:"readOnly,omitempty" json:"readOnly,omitempty"`
}

// Duration is a time.Duration written as 7h30m.
type Duration time.Duration

func (d Duration) String() string { return time.Duration(d).String() }

// MarshalText implements encoding.TextMarshaler.
func (d Duration) MarshalText() ([]byte, error) { return []byte(d.String()), nil }

// UnmarshalText implements encoding.TextUnmarshaler.
func (d *Duration) UnmarshalText(text []byte) error {
	v, err := time.ParseDuration(string(text))
	if err != nil {
		return fmt.Errorf("%q is not a duration such as 7h30m", text)
	}
	*d = Duration(v)
	return nil
}

// ReadJob reads job.yaml. Unknown fields are errors, so that a misspelt one does
// not silently get its default. The job is not checked yet: flags may change it.
func ReadJob(r io.Reader) (Job, error) {
	var job Job
	body, err := readSmall(r)
	if err == nil {
		err = CheckYAML(body)
	}
	if err != nil {
		return job, err
	}
	d := yaml.NewDecoder(bytes.NewReader(body))
	d.KnownFields(true)
	if err := d.Decode(&job); err != nil && !errors.Is(err, io.EOF) {
		return job, YAMLError(err)
	}
	if err := d.Decode(new(any)); !errors.Is(err, io.EOF) {
		return job, errors.New("there is a second document: one file describes one job")
	}
	return job, refuseZeros(body)
}

// refuseZeros returns an error for a field of job.yaml that is zero and must not be:
// in a Job, zero is what was left out.
func refuseZeros(body []byte) error {
	var given struct {
		Nodes        *int      `yaml:"nodes"`
		RanksPerNode *int      `yaml:"ranksPerNode"`
		TimeLimit    *Duration `yaml:"timeLimit"`
	}
	if err := yaml.NewDecoder(bytes.NewReader(body)).Decode(&given); err != nil && !errors.Is(err, io.EOF) {
		return YAMLError(err)
	}
	var faults Faults
	if n := given.Nodes; n != nil && *n == 0 {
		faults.Say("nodes: 0: want a number above zero, or leave it out")
	}
	if n := given.RanksPerNode; n != nil && *n == 0 {
		faults.Say("ranksPerNode: 0: want a number above zero, or leave it out")
	}
	if d := given.TimeLimit; d != nil && *d == 0 {
		faults.Say("timeLimit: 0s: want more than zero, or leave it out")
	}
	return faults.Err()
}

var (
	jobName      = regexp.MustCompile(`^[a-z]([-a-z0-9]{0,38}[a-z0-9])?$`)
	variableName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)
)

// WithDefaults returns the job with defaults for what was left out.
func (j Job) WithDefaults() Job {
	j.Nodes = cmp.Or(j.Nodes, 1)
	j.RanksPerNode = cmp.Or(j.RanksPerNode, 1)
	if j.Priority == "" {
		j.Priority = Dedicated
	}
	if j.Name == "" {
		j.Name = "score"
		if len(j.Command) > 0 {
			j.Name = "command"
		}
	}
	return j
}

// Check returns an error for everything that is wrong with the job on every engine.
// It names the fields.
func (j Job) Check() error {
	var faults Faults
	if !jobName.MatchString(j.Name) {
		faults.Say("name %s: want 1 to 40 lower-case letters, digits and hyphens, a letter first", Shown(j.Name))
	}
	for _, number := range []struct {
		field string
		n     int
	}{
		{field: "nodes", n: j.Nodes},
		{field: "ranksPerNode", n: j.RanksPerNode},
		{field: "gpusPerNode", n: j.GPUsPerNode},
	} {
		if number.n < 0 {
			faults.Say("%s: %d: want a number above zero, or leave it out", number.field, number.n)
		}
	}
	if j.Priority != "" && j.Priority != Dedicated && j.Priority != Low {
		faults.Say("priority %s: want dedicated or low", Shown(string(j.Priority)))
	}
	if j.TimeLimit < 0 {
		faults.Say("timeLimit %v: want more than zero, or leave it out", j.TimeLimit)
	}
	if j.Schedule != "" {
		faults.Add(checkSchedule(j.Schedule))
	}
	j.checkValues(&faults)
	j.checkWork(&faults)
	for _, name := range slices.Sorted(maps.Keys(j.Environment)) {
		if !variableName.MatchString(name) {
			faults.Say("environment: %s is not a valid name of a variable", Shown(name))
		}
		if _, both := j.Secrets[name]; both {
			faults.Say("%s is both in environment and in secrets", name)
		}
	}
	if _, ours := j.Environment[JobVariable]; ours {
		faults.Say("environment: %s is set for every job: leave it out", JobVariable)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Secrets)) {
		faults.Add(j.Secrets[name].check(name))
	}
	if _, ours := j.Secrets[JobVariable]; ours {
		faults.Say("secrets: %s is set for every job: leave it out", JobVariable)
	}
	for _, m := range j.Mounts {
		if m.Source == "" || !strings.HasPrefix(m.Path, "/") {
			faults.Say("mounts: source %s, path %s: want a source, and the absolute path under which the ranks see it", Shown(m.Source), Shown(m.Path))
		}
	}
	return faults.Err()
}

// checkWork checks that the job says what to do, and only once.
func (j Job) checkWork(faults *Faults) {
	if len(j.Command) > 0 {
		for _, other := range []struct {
			field string
			set   bool
		}{
			{field: "images", set: j.Images != ""},
			{field: "after", set: j.After != ""},
			{field: "task", set: j.Task != ""},
			{field: "model", set: j.Model != ""},
			{field: "run", set: len(j.Run) > 0},
		} {
			if other.set {
				faults.Say("command and %s exclude each other: a job either runs a program of your own or scores images", other.field)
			}
		}
		return
	}
	if j.Images == "" {
		faults.Say("images is missing: want the place of the images (or command, for a program of your own)")
	}
	switch {
	case j.Out == "":
		faults.Say("out is missing: want the place for the result")
	case j.Schedule != "" && !strings.Contains(j.Out, RunName):
		faults.Say("out: a scheduled job needs a place of its own for every run: put %s into it, such as labels/%s", RunName, RunName)
	case j.Schedule == "" && strings.Contains(j.Out, RunName):
		faults.Say("out: %s is for scheduled jobs, and this one has no schedule", RunName)
	}
	if (j.Task == "") == (j.Model == "") {
		faults.Say("a scoring job needs either a model (a file, or the name of a registered one) or a task")
	}
	if strings.Contains(j.After, RunName) {
		faults.Say("after: %s: want an output or the folder of the runs, without %s, or %s", Shown(j.After), RunName, NoAfter)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Run)) {
		if slices.Contains([]string{"images", "out", "after", "model", "inference"}, name) || !flagName.MatchString(name) {
			faults.Say("run: %s: want further flags of 'batchscore run' by name, without hyphens in front", Shown(name))
		}
	}
}

// Ranks returns how many processes take part.
func (j Job) Ranks() int { return max(j.Nodes, 1) * max(j.RanksPerNode, 1) }

// Scores reports whether the job scores images, so that its output can be
// verified.
func (j Job) Scores() bool { return len(j.Command) == 0 }

// Bounded reports whether each start of the job has a limit of its own, which starting it
// again would exceed.
func (j Job) Bounded() bool {
	return j.Run["deadline"] != "" || j.Run["budget-images"] != "" || j.Run["budget-money"] != ""
}

// Argv returns what every rank runs: the worker with its flags in a fixed order,
// or the job's own command. The worker is the program binary on the nodes.
func (j Job) Argv(binary string) []string {
	if !j.Scores() {
		return slices.Clone(j.Command)
	}
	argv := []string{binary, "run", "--images", j.Images, "--out", j.Out}
	if j.Model != "" {
		argv = append(argv, "--model", j.Model)
	} else {
		argv = append(argv, "--inference", j.Task)
	}
	if after := j.Continues(); after != "" {
		argv = append(argv, "--after", after)
	}
	for _, name := range slices.Sorted(maps.Keys(j.Run)) {
		argv = append(argv, "--"+name+"="+j.Run[name])
	}
	return argv
}

// Program returns the path of the worker on the nodes: the one that service.yaml
// gives, or that of this program.
func Program(given string) (string, error) {
	if given != "" {
		return given, nil
	}
	path, err := os.Executable()
	if err != nil {
		return "", fmt.Errorf("find the program to run on the nodes: %w", err)
	}
	return path, nil
}

// NewID returns a job's ID: its name, the time in UTC, and a few random letters.
// It has at most 63 characters, which are lower-case letters, digits and hyphens,
// so that every engine takes it as a name.
func NewID(name string, now time.Time, random uint32) string {
	return fmt.Sprintf("%s-%s-%s", name, now.UTC().Format("060102-150405"), strconv.FormatUint(uint64(random)%(36*36*36*36)+36*36*36*36, 36)[1:])
}

// isID is what an ID may be, in all engines' names, paths and lists.
var isID = regexp.MustCompile(`^[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?$`)

// IsID reports whether the text can be the ID of a job: 1 to 63 lower-case letters, digits
// and hyphens, no hyphen first or last.
func IsID(id string) bool { return isID.MatchString(id) }
