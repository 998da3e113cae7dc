// Package local starts jobs with Open MPI's mpirun, on this machine or on hosts
// that are reached through ssh.
//
//  1. Each job has a folder. Submit writes the job's script there and starts it
//     in a session of its own. The script claims the job by creating the file
//     started. It runs mpirun, with its output in the file log, and writes
//     mpirun's exit status to the file exit. If a rank was lost, it first starts
//     all of them again, a few times.
//  2. So a job does not depend on the process that launched it. A job without an
//     exit status is still running if there are processes with its ID in their
//     environment.
//  3. Ranks are asked to stop with SIGUSR1, which mpirun passes on. On SIGTERM
//     mpirun would kill them before they have committed what they are working on.
//
// Values of secrets are in the environment of mpirun, which sends the named ones to
// the hosts over its own connections. These are not encrypted, so the hosts must be
// in a trusted network.
package local

import (
	"cmp"
	_ "embed"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
	"github.com/batchscore/batchscore/deploy/shellquote"
)

// Name is the name of this engine.
const Name = "local"

// Options is the section of service.yaml. Its zero value means this machine, with
// the mpirun on the PATH.
type Options struct {
	// Mpirun is the program to use; "mpirun" from the PATH when empty.
	Mpirun string `yaml:"mpirun,omitempty"`
	// Hosts are the machines that ranks run on, by the names that ssh knows.
	// HostFile is a host file of Open MPI instead, with their slots. Without
	// both, ranks run on this machine.
	Hosts    []string `yaml:"hosts,omitempty"`
	HostFile string   `yaml:"hostFile,omitempty"`
	// Agent is the command that reaches a host; "ssh -x" when empty. Ports and keys
	// belong in its configuration, as in "ssh -F /etc/batchscore/ssh_config".
	Agent string `yaml:"agent,omitempty"`
	// Binary is the path of batchscore on the hosts; that of this program when
	// empty.
	Binary string `yaml:"binary,omitempty"`
	// Bind is what mpirun binds a rank to, such as core or numa. When empty it is
	// none, and the ranks divide the cores themselves.
	Bind string `yaml:"bind,omitempty"`
	// MCA are further settings of Open MPI, such as btl_tcp_if_exclude. They
	// appear on command lines, so secrets do not belong here.
	MCA map[string]string `yaml:"mca,omitempty"`
	// Grace is how long ranks get to commit what they are working on when a job is
	// canceled or reaches its time limit; 30 s when zero.
	Grace deploy.Duration `yaml:"grace,omitempty"`
	// Restarts is how often the ranks of a scoring job are started again after one
	// was killed or lacked something for a while; DefaultRestarts when nil.
	Restarts *int `yaml:"restarts,omitempty"`

	// Folder holds a folder for each job, named by its ID. It is not a setting of
	// service.yaml.
	Folder string `yaml:"-"`
}

// Engine is mpirun on this machine.
type Engine struct{ o Options }

var (
	_ deploy.Launcher = (*Engine)(nil)
	_ deploy.Waiter   = (*Engine)(nil)
)

// What service.yaml may contain. Shells on other hosts read these values, and mpirun has
// its own rules for them.
var (
	parameterName = regexp.MustCompile(`^[A-Za-z0-9_]+$`)
	binding       = regexp.MustCompile(`^[a-z0-9][a-z0-9:,-]*$`)
	plainPath     = regexp.MustCompile(`^([A-Za-z0-9_./][A-Za-z0-9_@+=:,./-]*)?$`)
)

//go:embed example.yaml
var example string

// Driver opens Engines that keep their jobs in a folder of this user.
var Driver = deploy.NewDriver(deploy.Traits{
	Name: Name, Example: example, SharedFiles: true,
	Flags: []deploy.Flag{
		{Name: "mpirun", Setting: "mpirun", Usage: "start ranks with this `PROGRAM`"},
		{
			Name: "restarts", Setting: "restarts", Value: DefaultRestarts,
			Usage: "start the ranks again up to `N` times after one was killed, or lacked storage for a while",
		},
	},
}, func(o Options) (*Engine, error) {
	var err error
	if o.Folder, err = deploy.StateFolder(Name); err != nil {
		return nil, err
	}
	return New(o)
})

// New checks the options.
func New(o Options) (*Engine, error) {
	switch {
	case o.Folder == "":
		return nil, fmt.Errorf("%s: the folder of the jobs is not named", Name)
	case len(o.Hosts) > 0 && o.HostFile != "":
		return nil, fmt.Errorf("%s: hosts and hostFile exclude each other", Name)
	case o.Grace < 0:
		return nil, fmt.Errorf("%s: grace %v: want more than zero, or leave it out", Name, o.Grace)
	case o.Restarts != nil && *o.Restarts < 0:
		return nil, fmt.Errorf("%s: restarts %d: want a number of restarts, or 0 for none", Name, *o.Restarts)
	}
	if _, err := listed(o.Hosts); err != nil {
		return nil, fmt.Errorf("%s: hosts: %w", Name, err)
	}
	for _, name := range slices.Sorted(maps.Keys(o.MCA)) {
		if !parameterName.MatchString(name) || !deploy.MPISafe(o.MCA[name]) || strings.ContainsRune(o.MCA[name], 0) {
			return nil, fmt.Errorf("%s: mca: %s=%s: want a name of letters, digits and underscores, and a value without \", $, `, \\, ! and line ends,"+
				" which shells on other hosts would change", Name, deploy.Shown(name), deploy.Shown(o.MCA[name]))
		}
	}
	if o.Bind != "" && !binding.MatchString(o.Bind) {
		return nil, fmt.Errorf("%s: bind %s: want a word such as core or numa", Name, deploy.Shown(o.Bind))
	}
	if len(o.Hosts) > 0 || o.HostFile != "" {
		if strings.ContainsAny(o.Folder, " \t:") || !deploy.MPISafe(o.Folder) {
			return nil, fmt.Errorf("%s: mpirun cannot start an agent in %q because of a space, or one of : \" $ ` \\ !, in the path:"+
				" set XDG_STATE_HOME to another folder", Name, o.Folder)
		}
		// mpirun writes its own folder into the command lines for other hosts.
		if !plainPath.MatchString(o.Mpirun) {
			return nil, fmt.Errorf("%s: mpirun %s: want a path of letters, digits and _@+=:,./- if there are hosts", Name, deploy.Shown(o.Mpirun))
		}
	}
	if o.HostFile != "" && !filepath.IsAbs(o.HostFile) {
		return nil, fmt.Errorf("%s: hostFile %s: want an absolute path", Name, o.HostFile)
	}
	o.Mpirun = cmp.Or(o.Mpirun, "mpirun")
	o.Bind = cmp.Or(o.Bind, "none")
	o.Agent = cmp.Or(o.Agent, "ssh -x")
	o.Grace = cmp.Or(o.Grace, deploy.Duration(30*time.Second))
	return &Engine{o}, nil
}

// Documents implements deploy.Launcher. It returns the scripts, and the environment
// that is set for the ranks.
func (e *Engine) Documents(job deploy.Job, id string) ([]deploy.Document, error) {
	hosts, err := e.hosts()
	if err != nil {
		return nil, err
	}
	script, err := e.script(job, id, hosts)
	if err != nil {
		return nil, err
	}
	documents := []deploy.Document{{Name: e.file(id, scriptFile), Body: script}}
	if len(hosts) > 0 {
		documents = append(documents, deploy.Document{Name: e.file(id, agentFile), Body: e.agent()})
	}
	return append(documents, deploy.Document{Name: "environment", Body: environment(job, id)}), nil
}

// environment returns what is set for the ranks, for a person to read.
func environment(job deploy.Job, id string) []byte {
	var b strings.Builder
	for _, name := range exported(job) {
		value := job.Environment[name]
		if s, secret := job.Secrets[name]; secret {
			value = s.String()
		}
		if name == deploy.JobVariable {
			value = id
		}
		if _, secret := job.Secrets[name]; !secret {
			value = shellquote.Quote(value) // which may have several lines
		}
		fmt.Fprintf(&b, "%s=%s\n", name, value)
	}
	return []byte(b.String())
}

// exported returns the names of the variables that every rank gets.
func exported(job deploy.Job) []string {
	names := append(slices.Collect(maps.Keys(job.Environment)), deploy.JobVariable)
	names = slices.AppendSeq(names, maps.Keys(job.Secrets))
	slices.Sort(names)
	return slices.Compact(names)
}

// check returns an error for what mpirun cannot do.
func (e *Engine) check(job deploy.Job, hosts []host) error {
	var faults deploy.Faults
	unsupported := func(field, what string, args ...any) {
		faults.Add(deploy.Unsupported(Name, field, what, args...))
	}
	if len(hosts) == 0 && job.Nodes > 1 {
		faults.Add(deploy.Lacking(Name, "nodes", "%d nodes, and this machine is one: name others with hosts or hostFile in service.yaml", job.Nodes))
	}
	if len(hosts) > 0 && job.Nodes > len(hosts) {
		faults.Add(deploy.Lacking(Name, "nodes", "%d nodes, and service.yaml names %d different hosts", job.Nodes, len(hosts)))
	}
	if job.GPU != "" {
		unsupported("gpu", "ranks use the GPUs that their machine has: leave the type out")
	}
	if job.VMSize != "" {
		unsupported("vmSize", "the machines exist already")
	}
	if job.Priority == deploy.Low {
		unsupported("priority", "there is only one kind of node")
	}
	if job.Image != "" {
		unsupported("image", "ranks run without a container")
	}
	if job.Schedule != "" {
		unsupported("schedule", "mpirun has no schedules: let a systemd timer launch the job")
	}
	for _, h := range hosts[:min(len(hosts), job.Nodes)] {
		if h.slots > 0 && h.slots < job.RanksPerNode {
			unsupported("ranksPerNode", "%d ranks, and host %s has %d slots", job.RanksPerNode, h.name, h.slots)
		}
	}
	faults.Add(deploy.CheckMounts(Name, job))
	faults.Add(deploy.CheckSecrets(Name, job, "env", "file"))
	faults.Add(deploy.CheckMPI(Name, job))
	return faults.Err()
}

// argv returns the command line of mpirun.
func (e *Engine) argv(job deploy.Job, id string, hosts []host) ([]string, error) {
	job = job.WithDefaults()
	if err := e.check(job, hosts); err != nil {
		return nil, err
	}
	binary, err := deploy.Program(e.o.Binary)
	if err != nil {
		return nil, err
	}
	argv := []string{e.o.Mpirun, "-np", strconv.Itoa(job.Ranks()),
		"--map-by", fmt.Sprintf("ppr:%d:node", job.RanksPerNode), "--rank-by", "slot",
		// By default mpirun binds each of two or fewer ranks to one core. The
		// worker divides the node's cores among its ranks instead.
		"--bind-to", e.o.Bind,
		// The user may choose more ranks than there are cores.
		"--oversubscribe",
		"--tag-output"}
	if os.Geteuid() == 0 {
		argv = append(argv, "--allow-run-as-root")
	}
	switch {
	case e.o.HostFile != "":
		argv = append(argv, "--hostfile", e.o.HostFile)
	case len(e.o.Hosts) > 0:
		argv = append(argv, "--host", strings.Join(e.o.Hosts, ","))
	}
	if len(hosts) > 0 {
		// The agent is a file of this machine, so no host may start others. It
		// must live as long as what it started. mpirun hands its name on to all
		// hosts, which look for the first word, so that is a program they have.
		argv = append(argv, "--mca", "plm_rsh_agent", "sh "+e.file(id, agentFile), "--mca", "plm_rsh_no_tree_spawn", "1", "--leave-session-attached")
	}
	for _, name := range slices.Sorted(maps.Keys(e.o.MCA)) {
		argv = append(argv, "--mca", name, e.o.MCA[name])
	}
	if len(hosts) > 0 {
		argv = append(argv, deploy.MPISilence(job, e.o.MCA)...)
	}
	for _, name := range exported(job) {
		argv = append(argv, "-x", name)
	}
	return append(argv, deploy.RankArgv(job.Argv(binary))...), nil
}

// installed returns deploy.ErrNoEngine if there is no mpirun.
func (e *Engine) installed() error {
	if _, err := exec.LookPath(e.o.Mpirun); err != nil {
		return fmt.Errorf("%w: %s is not on the PATH; install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin)",
			deploy.ErrNoEngine, e.o.Mpirun)
	}
	return nil
}
