// Package local starts jobs with Open MPI's mpirun, on this machine or on hosts
// that are reached through ssh.
//
//  1. Each job has a folder. Submit writes the script of the job there and
//     starts it in a session of its own; the script claims the job by creating
//     the file started, runs mpirun with its output going into the file log,
//     and keeps mpirun's exit status in the file exit.
//  2. So nothing of a job hangs on the process that launched it. Whether a job
//     without an exit status still runs is told by the processes that have its
//     ID in their environment.
//  3. Ranks are asked to stop with SIGUSR1, which mpirun passes on; on SIGTERM
//     it would kill them before they had committed what is in hand.
//
// Values of secrets travel in the environment of mpirun, which hands the named
// ones to the hosts through its own connections. These are not encrypted: hosts
// belong into a network that is trusted.
package local

import (
	"cmp"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// Name is how errors call this engine.
const Name = "local"

// Options is the section of service.yaml. Its zero value is this machine, with
// the mpirun on the path.
type Options struct {
	// Mpirun is the program to use; "mpirun" from the path when empty.
	Mpirun string `yaml:"mpirun,omitempty"`
	// Hosts are the machines that ranks run on, by the names that ssh knows.
	// HostFile names a host file of Open MPI instead, with their slots. With
	// neither it is this machine.
	Hosts    []string `yaml:"hosts,omitempty"`
	HostFile string   `yaml:"hostFile,omitempty"`
	// Agent is the command that reaches a host; "ssh -x" when empty. Ports and keys
	// belong into its configuration, as in "ssh -F /etc/batchscore/ssh_config".
	Agent string `yaml:"agent,omitempty"`
	// Binary is the path of batchscore on the hosts; that of this program when
	// empty.
	Binary string `yaml:"binary,omitempty"`
	// Bind is what mpirun binds a rank to, such as core or numa; none when
	// empty, which leaves the division of the cores to the ranks.
	Bind string `yaml:"bind,omitempty"`
	// MCA are further settings of Open MPI, such as btl_tcp_if_exclude. They
	// stand on command lines: they are no place for secrets.
	MCA map[string]string `yaml:"mca,omitempty"`
	// Grace is how long ranks have to commit what is in hand when a job is
	// canceled or meets its time limit; 30 s when zero.
	Grace deploy.Duration `yaml:"grace,omitempty"`

	// Folder holds a folder for each job, named by its ID. It is not for
	// service.yaml.
	Folder string `yaml:"-"`
}

// Engine is mpirun on this machine.
type Engine struct{ o Options }

var _ deploy.Launcher = (*Engine)(nil)

// Driver opens Engines that keep their jobs in a folder of this user.
var Driver = deploy.NewDriver(deploy.Traits{
	Name: Name, SharedFiles: true,
	Flags: []deploy.Flag{{Name: "mpirun", Setting: "mpirun", Usage: "the mpirun program"}},
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
		return nil, fmt.Errorf("%s: grace %v: it is above zero, or left out", Name, o.Grace)
	}
	if (len(o.Hosts) > 0 || o.HostFile != "") && strings.ContainsAny(o.Folder, " \t") {
		return nil, fmt.Errorf("%s: mpirun cannot take an agent in %q, for the space in it: set XDG_STATE_HOME to another folder", Name, o.Folder)
	}
	if o.HostFile != "" && !filepath.IsAbs(o.HostFile) {
		return nil, fmt.Errorf("%s: hostFile %s: it takes an absolute path", Name, o.HostFile)
	}
	o.Mpirun = cmp.Or(o.Mpirun, "mpirun")
	o.Bind = cmp.Or(o.Bind, "none")
	o.Agent = cmp.Or(o.Agent, "ssh -x")
	o.Grace = cmp.Or(o.Grace, deploy.Duration(30*time.Second))
	return &Engine{o}, nil
}

// Documents are the scripts and the environment that is set for the ranks.
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

// environment is what is set for the ranks, for a reader.
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
		fmt.Fprintf(&b, "%s=%s\n", name, value)
	}
	return []byte(b.String())
}

// exported are the names of the variables that every rank gets.
func exported(job deploy.Job) []string {
	names := append(slices.Collect(maps.Keys(job.Environment)), deploy.JobVariable)
	names = slices.AppendSeq(names, maps.Keys(job.Secrets))
	slices.Sort(names)
	return slices.Compact(names)
}

// check finds what mpirun cannot do.
func (e *Engine) check(job deploy.Job, hosts []host) error {
	unsupported := func(field, what string, args ...any) error {
		return deploy.Unsupported(Name, field, what, args...)
	}
	switch {
	case len(hosts) == 0 && job.Nodes > 1:
		return unsupported("nodes", "%d nodes, and this machine is one: name the others in hosts or hostFile in service.yaml", job.Nodes)
	case len(hosts) > 0 && job.Nodes > len(hosts):
		return unsupported("nodes", "%d nodes, and service.yaml names %d hosts", job.Nodes, len(hosts))
	case job.GPU != "":
		return unsupported("gpu", "the ranks take the GPUs that their machine has; leave the type out")
	case job.VMSize != "":
		return unsupported("vmSize", "the machines are there already")
	case job.Priority == deploy.Low:
		return unsupported("priority", "there is one kind of nodes")
	case job.Image != "":
		return unsupported("image", "ranks run without a container")
	case job.Schedule != "":
		return unsupported("schedule", "mpirun knows no clock: have a systemd timer launch the job")
	}
	for _, h := range hosts[:min(len(hosts), job.Nodes)] {
		if h.slots > 0 && h.slots < job.RanksPerNode {
			return unsupported("ranksPerNode", "%d ranks, and host %s has %d slots", job.RanksPerNode, h.name, h.slots)
		}
	}
	if err := deploy.CheckMounts(Name, job); err != nil {
		return err
	}
	return deploy.CheckSecrets(Name, job, "env", "file")
}

// argv is the command line of mpirun.
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
		// By default mpirun ties each of two or fewer ranks to one core; the
		// worker divides the node's cores among its ranks by itself.
		"--bind-to", e.o.Bind,
		// Whether there are more ranks than cores is the user's choice.
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
		// The agent is a file of this machine, so no host may start others; and
		// it is to live as long as what it started.
		argv = append(argv, "--mca", "plm_rsh_agent", e.file(id, agentFile), "--mca", "plm_rsh_no_tree_spawn", "1", "--leave-session-attached")
	}
	for _, name := range slices.Sorted(maps.Keys(e.o.MCA)) {
		argv = append(argv, "--mca", name, e.o.MCA[name])
	}
	for _, name := range exported(job) {
		argv = append(argv, "-x", name)
	}
	return append(argv, job.Argv(binary)...), nil
}

// installed reports whether mpirun is there.
func (e *Engine) installed() error {
	if _, err := exec.LookPath(e.o.Mpirun); err != nil {
		return fmt.Errorf("%w: %s is not on the PATH; install Open MPI (Debian, Ubuntu: apt-get install openmpi-bin)",
			deploy.ErrNoEngine, e.o.Mpirun)
	}
	return nil
}
