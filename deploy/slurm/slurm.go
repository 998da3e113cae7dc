// Package slurm starts jobs on a Slurm cluster with its own commands.
//
//  1. Submit gives sbatch a script that runs the ranks with srun. The job's name
//     at Slurm is its ID, by which every later call finds it.
//  2. A preempted job goes back into the queue and resumes. Its ranks get a
//     signal, commit what they are working on and end with 143. If Slurm grants
//     time for that, the script itself requeues the job.
//  3. Some time before its time limit, a job's ranks get SIGUSR1 and do the same.
//  4. The state comes from squeue. Once Slurm has forgotten the job, it comes from
//     accounting, or from the exit status that the script left next to the log.
//
// The script reads a secret from a file on the first node, so the file must be on a
// file system that the nodes see. A secret from the environment is passed in the
// environment of sbatch. Slurm keeps that until the job has ended, readable by the
// user and by administrators. Where accounting stores the environment of jobs
// (AccountingStoreFlags=job_env), Slurm keeps it: use files there.
package slurm

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// Name is the name of this engine.
const Name = "slurm"

// Queue is where a job waits and who pays for it. Slurm chooses what is empty.
type Queue struct {
	Partition  string `yaml:"partition,omitempty"`
	Account    string `yaml:"account,omitempty"`
	QOS        string `yaml:"qos,omitempty"`
	Constraint string `yaml:"constraint,omitempty"`
}

// Options is the section of service.yaml.
type Options struct {
	// Queue is for dedicated jobs, Low for jobs of low priority, which others may
	// preempt.
	Queue `yaml:",inline"`
	Low   *Queue `yaml:"low,omitempty"`
	// Folder holds the logs of jobs. Login and compute nodes must see it under the
	// same absolute path.
	Folder string `yaml:"folder,omitempty"`
	// Binary is the path of batchscore on the nodes; that of this program when
	// empty.
	Binary string `yaml:"binary,omitempty"`
	// CPUsPerRank is how many CPUs Slurm gives to each rank. When zero, a rank of a
	// job with GPUs gets as many as belong to its share of a node's GPUs, and any other
	// gets Slurm's default, which is one. Ranks decode with as many threads as they
	// have CPUs.
	CPUsPerRank int `yaml:"cpusPerRank,omitempty"`
	// Exclusive takes whole nodes.
	Exclusive bool `yaml:"exclusive,omitempty"`
	// Setup are lines of shell that the script runs first, such as
	// "module load cuda".
	Setup []string `yaml:"setup,omitempty"`
	// Grace is how long ranks get to commit what they are working on before the
	// time limit and when a job is canceled; a minute when zero.
	Grace deploy.Duration `yaml:"grace,omitempty"`
}

// Engine is a Slurm cluster, reached with the commands of this machine.
type Engine struct {
	o    Options
	poll time.Duration
}

var (
	_ deploy.Launcher = (*Engine)(nil)
	_ deploy.Releaser = (*Engine)(nil)
)

// poll is the time between two requests to Slurm, which many users share.
const poll = 5 * time.Second

// Words that a script for sbatch may contain unquoted: sbatch would expand a percent
// sign in a path, and has its own quoting rules.
var (
	plainPath = regexp.MustCompile(`^/[A-Za-z0-9_@+=:,./-]*$`)
	plainWord = regexp.MustCompile(`^[]A-Za-z0-9_@+=:,.&|*()[-]*$`)
	// A colon or a comma in it would ask for another resource.
	gpuType = regexp.MustCompile(`^[A-Za-z0-9._+-]*$`)
)

//go:embed example.yaml
var example string

// Driver opens Engines that keep their logs in a folder of this user, unless
// service.yaml names another: compute nodes mostly see the home folders.
var Driver = deploy.NewDriver(deploy.Traits{Name: Name, Example: example, SharedFiles: true}, func(o Options) (*Engine, error) {
	if o.Folder == "" {
		var err error
		if o.Folder, err = deploy.StateFolder(Name); err != nil {
			return nil, err
		}
	}
	return New(o)
})

// New checks the options.
func New(o Options) (*Engine, error) {
	if !plainPath.MatchString(o.Folder) {
		return nil, fmt.Errorf("%s: folder %s: want an absolute path of letters, digits and _@+=:,.-", Name, deploy.Shown(o.Folder))
	}
	if o.Grace < 0 || o.CPUsPerRank < 0 {
		return nil, fmt.Errorf("%s: grace and cpusPerRank must not be negative", Name)
	}
	for _, q := range []Queue{o.Queue, *cmp.Or(o.Low, &Queue{})} {
		for _, word := range []struct{ field, value string }{
			{"partition", q.Partition}, {"account", q.Account}, {"qos", q.QOS}, {"constraint", q.Constraint},
		} {
			if !plainWord.MatchString(word.value) {
				return nil, fmt.Errorf("%s: %s %s: want letters, digits and _@+=:,.&|*()[]-", Name, word.field, deploy.Shown(word.value))
			}
		}
	}
	o.Grace = cmp.Or(o.Grace, deploy.Duration(time.Minute))
	return &Engine{o, poll}, nil
}

// Documents implements deploy.Launcher. It returns the script for sbatch and, if
// secrets are passed in the environment of sbatch, their names and sources.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	script, err := e.script(job, id)
	if err != nil {
		return nil, err
	}
	documents := []deploy.Document{{Name: shellquote.Join(sbatch), Body: script}}
	var environment []byte
	for _, name := range secretsFrom(job, "env") {
		environment = fmt.Appendf(environment, "%s=%s\n", name, job.Secrets[name])
	}
	if environment != nil {
		documents = append(documents, deploy.Document{Name: "environment of sbatch", Body: environment})
	}
	return documents, nil
}

// secretsFrom returns the names of the secrets of one kind.
func secretsFrom(job deploy.Job, kind string) []string {
	var names []string
	for _, name := range slices.Sorted(maps.Keys(job.Secrets)) {
		if k, _ := job.Secrets[name].Kind(); k == kind {
			names = append(names, name)
		}
	}
	return names
}

// check returns an error for what Slurm cannot do.
func (e *Engine) check(job deploy.Job) error {
	var faults deploy.Faults
	unsupported := func(field, what string, args ...any) {
		faults.Add(deploy.Unsupported(Name, field, what, args...))
	}
	if job.VMSize != "" {
		unsupported("vmSize", "nodes are chosen by partition and constraint in service.yaml")
	}
	if job.Image != "" {
		unsupported("image", "ranks run without a container: load what they need with setup in service.yaml")
	}
	if job.Schedule != "" {
		unsupported("schedule", "let cron or scrontab run 'batchscore launch --to slurm' instead")
	}
	if job.Priority == deploy.Low && e.o.Low == nil {
		faults.Add(deploy.Lacking(Name, "priority", "service.yaml has no queue for low priority: add low: {partition: NAME} to its section slurm"))
	}
	if job.GPU != "" && job.GPUsPerNode == 0 {
		faults.Add(deploy.Lacking(Name, "gpu", "%s is a type of GPU, and gpusPerNode does not say how many of them", job.GPU))
	}
	if !gpuType.MatchString(job.GPU) {
		unsupported("gpu", "%s is not a type of GPU: want letters, digits and ._+-", deploy.Shown(job.GPU))
	}
	if job.TimeLimit > 0 && job.TimeLimit <= e.o.Grace {
		unsupported("timeLimit", "%v is not more than the %v that ranks get to stop", job.TimeLimit, e.o.Grace)
	}
	faults.Add(deploy.CheckMounts(Name, job))
	faults.Add(deploy.CheckSecrets(Name, job, "env", "file"))
	for _, name := range secretsFrom(job, "file") {
		if s := job.Secrets[name]; !filepath.IsAbs(s.File) {
			unsupported("secrets", "%s: file %s is read on a node: want an absolute path", name, s.File)
		}
	}
	return faults.Err()
}
