// Package slurm starts jobs on a Slurm cluster with its own commands.
//
//  1. Submit hands sbatch a script that runs the ranks with srun. The job's
//     name at Slurm is its ID, by which every later call finds it.
//  2. A job that is preempted goes back into the queue and resumes: its ranks
//     get a signal, commit what is in hand and end with 143; where Slurm grants
//     time for that, the script itself puts the job back.
//  3. Some time before its limit a job's ranks get SIGUSR1, for the same.
//  4. State comes from squeue; once Slurm has forgotten the job, from
//     accounting, or from the exit status that the script left beside the log.
//
// A secret from a file is read by the script on the first node, so that it is
// on a file system that the nodes see. A secret from the environment travels in
// the environment of sbatch. Slurm keeps that with the job until it has ended,
// readable by the user and by administrators, and for good where accounting
// stores the environment of jobs (AccountingStoreFlags=job_env): there files are
// the better choice.
package slurm

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// Name is how errors call this engine.
const Name = "slurm"

// Queue is where a job waits and who pays; what is empty is left to Slurm.
type Queue struct {
	Partition  string `yaml:"partition,omitempty"`
	Account    string `yaml:"account,omitempty"`
	QOS        string `yaml:"qos,omitempty"`
	Constraint string `yaml:"constraint,omitempty"`
}

// Options is the section of service.yaml.
type Options struct {
	// Queue is that of dedicated jobs, Low that of jobs with low priority, which
	// others may preempt.
	Queue `yaml:",inline"`
	Low   *Queue `yaml:"low,omitempty"`
	// Folder holds the logs of jobs. Login and compute nodes see it under the
	// same path, which is absolute.
	Folder string `yaml:"folder,omitempty"`
	// Binary is the path of batchscore on the nodes; that of this program when
	// empty.
	Binary string `yaml:"binary,omitempty"`
	// CPUsPerRank is how many CPUs Slurm gives to each rank; its default, which
	// is one, when zero. Ranks decode with as many threads as they have CPUs.
	CPUsPerRank int `yaml:"cpusPerRank,omitempty"`
	// Exclusive takes whole nodes.
	Exclusive bool `yaml:"exclusive,omitempty"`
	// Setup are lines of shell that the script runs first, such as
	// "module load cuda".
	Setup []string `yaml:"setup,omitempty"`
	// Grace is how long ranks have to commit what is in hand before the time
	// limit and when a job is canceled; a minute when zero.
	Grace deploy.Duration `yaml:"grace,omitempty"`
}

// Engine is a Slurm cluster, reached with the commands of this machine.
type Engine struct {
	o    Options
	poll time.Duration
}

var _ deploy.Launcher = (*Engine)(nil)

// poll is the time between two questions to Slurm, which many users share.
const poll = 5 * time.Second

// Words that stand in a script for sbatch as they are: sbatch would expand a
// percent sign in a path, and has quoting rules of its own.
var (
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9_@+=:,./-]*$`)
	plainWord = regexp.MustCompile(`^[]A-Za-z0-9_@+=:,.&|*()[-]*$`)
)

// New checks the options.
func New(o Options) (*Engine, error) {
	if !plainPath.MatchString(o.Folder) {
		return nil, fmt.Errorf("%s: folder %q: it takes an absolute path of letters, digits and _@+=:,.-", Name, o.Folder)
	}
	if o.Grace < 0 || o.CPUsPerRank < 0 {
		return nil, fmt.Errorf("%s: grace and cpusPerRank are not below zero", Name)
	}
	for _, q := range []Queue{o.Queue, *cmp.Or(o.Low, &Queue{})} {
		for _, word := range []string{q.Partition, q.Account, q.QOS, q.Constraint} {
			if !plainWord.MatchString(word) {
				return nil, fmt.Errorf("%s: %q is no name of a partition, an account, a QOS or a constraint", Name, word)
			}
		}
	}
	o.Grace = cmp.Or(o.Grace, deploy.Duration(time.Minute))
	return &Engine{o, poll}, nil
}

// Documents are the script for sbatch and, if secrets travel in the environment
// of sbatch, their names and sources.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	script, err := e.script(job, id)
	if err != nil {
		return nil, err
	}
	documents := []deploy.Document{{Name: deploy.ShellLine(sbatch), Body: script}}
	var environment []byte
	for _, name := range secretsFrom(job, "env") {
		environment = fmt.Appendf(environment, "%s=%s\n", name, job.Secrets[name])
	}
	if environment != nil {
		documents = append(documents, deploy.Document{Name: "environment of sbatch", Body: environment})
	}
	return documents, nil
}

// secretsFrom are the names of the secrets of one kind.
func secretsFrom(job deploy.Job, kind string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		if k, _ := job.Secrets[name].Kind(); k == kind {
			names = append(names, name)
		}
	}
	return names
}

// check finds what Slurm cannot do.
func (e *Engine) check(job deploy.Job) error {
	unsupported := func(field, what string, args ...any) error {
		return deploy.Unsupported(Name, field, what, args...)
	}
	switch {
	case job.VMSize != "":
		return unsupported("vmSize", "nodes are chosen by partition and constraint in service.yaml")
	case job.Image != "":
		return unsupported("image", "ranks run without a container: load what they need with setup in service.yaml")
	case job.Schedule != "":
		return unsupported("schedule", "have cron or scrontab run 'batchscore launch --to slurm' instead")
	case job.Priority == deploy.Low && e.o.Low == nil:
		return unsupported("priority", "service.yaml has no queue for low priority (low: {partition: NAME})")
	case job.GPU != "" && job.GPUsPerNode == 0:
		return unsupported("gpu", "%s says of which type, and gpusPerNode does not say how many", job.GPU)
	case !plainWord.MatchString(job.GPU):
		return unsupported("gpu", "%q is no type of GPU", job.GPU)
	case job.TimeLimit > 0 && job.TimeLimit <= e.o.Grace:
		return unsupported("timeLimit", "%v is no more than the %v that ranks have to stop", job.TimeLimit, e.o.Grace)
	}
	for _, m := range job.Mounts {
		if m.Source != m.Path {
			return unsupported("mounts", "%s at %s: Slurm mounts nothing; a folder that the nodes have is seen as it is", m.Source, m.Path)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		switch s := job.Secrets[name]; {
		case s.Env != "":
		case s.File == "":
			kind, _ := s.Kind()
			return unsupported("secrets", "%s comes from %s: Slurm takes env and file", name, kind)
		case !filepath.IsAbs(s.File):
			return unsupported("secrets", "%s: file %s is read on a node: it takes an absolute path", name, s.File)
		}
	}
	return nil
}

// sbatch is the command that reads the script from its standard input.
var sbatch = []string{"sbatch", "--parsable"}

// files of a job in the folder.
func (e *Engine) logFile(id string) string  { return filepath.Join(e.o.Folder, id+".log") }
func (e *Engine) exitFile(id string) string { return filepath.Join(e.o.Folder, id+".exit") }

// script is what sbatch gets.
func (e *Engine) script(job deploy.Job, id string) ([]byte, error) {
	job = job.WithDefaults()
	if err := e.check(job); err != nil {
		return nil, err
	}
	binary := e.o.Binary
	if binary == "" {
		var err error
		if binary, err = os.Executable(); err != nil {
			return nil, fmt.Errorf("find the program to run on the nodes: %w", err)
		}
	}
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("#!/bin/sh")
	for _, option := range e.options(job, id) {
		line("#SBATCH %s", option)
	}
	line("export %s=%s", deploy.JobVariable, id)
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		line("export %s=%s", name, deploy.ShellLine([]string{job.Environment[name]}))
	}
	for _, name := range secretsFrom(job, "file") {
		line("%s=$(cat %s) || exit 78", name, deploy.ShellLine([]string{job.Secrets[name].File}))
		line("export %s", name)
	}
	for _, setup := range e.o.Setup {
		line("%s", setup)
	}
	line(`echo "batchscore: start ${SLURM_RESTART_COUNT:-0} of %s on $SLURM_JOB_NODELIST"`, id)
	line("%s", deploy.ShellLine(append(e.srun(job), job.Argv(binary)...)))
	line(`code=$?
# Ranks that made room for another job go on when it is their turn again. Slurm
# puts a job back by itself unless it ends within the time granted.
if [ $code = 143 ] && scontrol show job "$SLURM_JOB_ID" | grep -q 'PreemptTime=[0-9]'; then
	scontrol requeue "$SLURM_JOB_ID"
fi
echo $code >%s
exit $code`, e.exitFile(id))
	return []byte(b.String()), nil
}

// options are those of sbatch.
func (e *Engine) options(job deploy.Job, id string) []string {
	options := []string{
		"--job-name=" + id,
		"--output=" + e.logFile(id),
		"--open-mode=append",
		fmt.Sprintf("--nodes=%d", job.Nodes),
		fmt.Sprintf("--ntasks-per-node=%d", job.RanksPerNode),
	}
	add := func(name, value string) {
		if value != "" {
			options = append(options, name+"="+value)
		}
	}
	if e.o.CPUsPerRank > 0 {
		add("--cpus-per-task", fmt.Sprint(e.o.CPUsPerRank))
	}
	if e.o.Exclusive {
		options = append(options, "--exclusive")
	}
	if job.GPUsPerNode > 0 {
		gres := "gpu:"
		if job.GPU != "" {
			gres += job.GPU + ":"
		}
		add("--gres", fmt.Sprint(gres, job.GPUsPerNode))
	}
	queue := e.o.Queue
	if job.Priority == deploy.Low {
		queue = *e.o.Low
	}
	add("--partition", queue.Partition)
	add("--account", queue.Account)
	add("--qos", queue.QOS)
	add("--constraint", queue.Constraint)
	if job.TimeLimit > 0 {
		add("--time", fmt.Sprint(int64((time.Duration(job.TimeLimit)+time.Minute-1)/time.Minute)))
	}
	add("--signal", fmt.Sprintf("USR1@%d", int64((time.Duration(e.o.Grace)+time.Second-1)/time.Second)))
	// What a rank loses with its node the others do. A program of the team's
	// own is not known to bear that, nor to be started again.
	if job.Scores() {
		options = append(options, "--no-kill")
	}
	if job.Scores() || job.Priority == deploy.Low {
		options = append(options, "--requeue")
	} else {
		options = append(options, "--no-requeue")
	}
	// Only what is named: a login has secrets that are no business of the job.
	export := "NONE"
	if names := secretsFrom(job, "env"); len(names) > 0 {
		export = strings.Join(names, ",")
	}
	return append(options, "--export="+export)
}

// srun is the command line up to the program of the ranks.
func (e *Engine) srun(job deploy.Job) []string {
	argv := []string{"srun", "--label", "--export=ALL"}
	if e.o.CPUsPerRank > 0 {
		argv = append(argv, fmt.Sprintf("--cpus-per-task=%d", e.o.CPUsPerRank)) // which it does not take from sbatch
	}
	if job.Scores() {
		// A rank that is gone takes no other with it.
		return append(argv, "--kill-on-bad-exit=0", "--wait=0", "--no-kill")
	}
	return append(argv, "--kill-on-bad-exit=1")
}
