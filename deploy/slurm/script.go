package slurm

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// sbatch is the command that reads the script from its standard input.
var sbatch = []string{"sbatch", "--parsable"}

// Files of a job in the folder.
func (e *Engine) logFile(id string) string  { return filepath.Join(e.o.Folder, id+".log") }
func (e *Engine) exitFile(id string) string { return filepath.Join(e.o.Folder, id+".exit") }

// script returns the script for sbatch.
func (e *Engine) script(job deploy.Job, id string) ([]byte, error) {
	job = job.WithDefaults()
	if err := e.check(job); err != nil {
		return nil, err
	}
	binary, err := deploy.Program(e.o.Binary)
	if err != nil {
		return nil, err
	}
	cpus := e.cpusPerRank(job)
	var b strings.Builder
	line := func(format string, args ...any) { fmt.Fprintf(&b, format+"\n", args...) }
	line("#!/bin/sh")
	for _, option := range e.options(job, id, cpus) {
		line("#SBATCH %s", option)
	}
	line("export %s=%s", deploy.JobVariable, id)
	line("rm -f %s # of an earlier start", e.exitFile(id))
	for _, name := range slices.Sorted(maps.Keys(job.Environment)) {
		line("export %s=%s", name, quote(job.Environment[name]))
	}
	for _, name := range secretsFrom(job, "file") {
		line("%s=$(cat %s) || exit 78", name, quote(job.Secrets[name].File))
		line("export %s", name)
	}
	for _, setup := range e.o.Setup {
		line("%s", setup)
	}
	line(`echo "batchscore: start ${SLURM_RESTART_COUNT:-0} of %s on $SLURM_JOB_NODELIST"`, id)
	line("%s", join(append(e.srun(job, cpus), deploy.RankArgv(job.Argv(binary))...)))
	line(`code=$?
# Ranks that made room for another job continue when it is their turn again. Slurm
# itself requeues a job that does not end within the time granted.
if [ $code = 143 ] && scontrol show job "$SLURM_JOB_ID" | grep -q 'PreemptTime=[0-9]'; then
	scontrol requeue "$SLURM_JOB_ID" && exit $code
fi
echo $code >%s
exit $code`, e.exitFile(id))
	return []byte(b.String()), nil
}

// quote returns a word as a shell reads it. sbatch refuses a script with line ends of DOS,
// so the quotes end and begin again within one.
func quote(word string) string { return strings.ReplaceAll(shellquote.Quote(word), "\r\n", "\r''\n") }

// join returns argv as a command line.
func join(argv []string) string {
	words := make([]string, len(argv))
	for i, a := range argv {
		words[i] = quote(a)
	}
	return strings.Join(words, " ")
}

// options returns the options of sbatch. cpus is how many each rank gets; 0 is not said.
func (e *Engine) options(job deploy.Job, id string, cpus int) []string {
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
	if cpus > 0 {
		add("--cpus-per-task", fmt.Sprint(cpus))
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
	queue := e.queue(job)
	add("--partition", queue.Partition)
	add("--account", queue.Account)
	add("--qos", queue.QOS)
	add("--constraint", queue.Constraint)
	if job.TimeLimit > 0 {
		add("--time", fmt.Sprint(int64((time.Duration(job.TimeLimit)+time.Minute-1)/time.Minute)))
	}
	add("--signal", fmt.Sprintf("USR1@%d", int64((time.Duration(e.o.Grace)+time.Second-1)/time.Second)))
	// The other ranks take over the work of a rank whose node is lost. A command
	// of the user's own may not be able to do that, nor to be started again.
	if job.Scores() {
		options = append(options, "--no-kill")
	}
	if job.Scores() || job.Priority == deploy.Low {
		options = append(options, "--requeue")
	} else {
		options = append(options, "--no-requeue")
	}
	// Only what is named: a login environment has secrets that the job must not see.
	export := "NONE"
	if names := secretsFrom(job, "env"); len(names) > 0 {
		export = strings.Join(names, ",")
	}
	return append(options, "--export="+export)
}

// srun returns the command line up to the program of the ranks.
func (e *Engine) srun(job deploy.Job, cpus int) []string {
	argv := []string{"srun", "--label", "--export=ALL"}
	if cpus > 0 {
		argv = append(argv, fmt.Sprintf("--cpus-per-task=%d", cpus)) // srun does not take it from sbatch
	}
	if job.Scores() {
		// A rank that dies must not end the others.
		return append(argv, "--kill-on-bad-exit=0", "--wait=0", "--no-kill")
	}
	return append(argv, "--kill-on-bad-exit=1")
}
