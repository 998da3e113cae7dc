package slurmtest

import (
	"context"
	"crypto/rand"
	_ "embed"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/batchscore/batchscore/deploy/hosttest"
)

// Tight is a partition of Nodes in which Slurm ends a job that takes more memory than it
// gets by default.
const Tight = "tight"

// NodeTimeout is how long a node may be silent until Slurm marks it as down.
const NodeTimeout = 20 * time.Second

// Nodes is a Slurm on several hosts, with accounting: slurmctld, slurmdbd and MariaDB on
// one, slurmd on others.
type Nodes struct {
	t          *testing.T
	hosts      *hosttest.Hosts
	controller string
	nodes      []string
}

// NodePrograms are what Nodes needs of the machine.
var NodePrograms = []string{"munged", "slurmctld", "slurmd", "slurmdbd", "mariadbd", "mariadb-install-db", "sbatch", "sacct"}

//go:embed nodes.sh
var nodesScript string

// StartNodes starts a Slurm on hosts that run. The hosts in clients have its commands, and
// no daemon of it but munged.
func StartNodes(t *testing.T, hosts *hosttest.Hosts, controller string, nodes, clients []string) *Nodes {
	t.Helper()
	n := &Nodes{t, hosts, controller, nodes}
	key := make([]byte, 64)
	_, _ = rand.Read(key) // it never fails
	config := n.config()
	for _, name := range append(append([]string{controller}, nodes...), clients...) {
		host := hosts.Host(name)
		host.Write(t.Context(), "/etc/munge/munge.key", key, 0o400)
		host.Write(t.Context(), "/etc/slurm/slurm.conf", []byte(config), 0o644)
		n.on(name, "munge")
	}
	hosts.Host(controller).Write(t.Context(), "/etc/slurm/slurmdbd.conf", fmt.Appendf(nil, `DbdHost=%s
SlurmUser=root
AuthType=auth/munge
StorageType=accounting_storage/mysql
StorageUser=slurm
LogFile=/var/log/slurmdbd.log
PidFile=/run/slurmdbd.pid
`, controller), 0o600)
	n.on(controller, "database")
	n.StartAccounting()
	n.eventually("the accounts of the cluster", func() bool {
		_, err := n.try(controller, "sacctmgr", "--immediate", "add", "cluster", "test")
		return err == nil || strings.Contains(n.Say("sacctmgr", "--noheader", "--parsable2", "list", "cluster", "format=cluster"), "test")
	})
	n.StartController()
	for _, name := range nodes {
		n.on(name, "node")
	}
	n.Idle()
	return n
}

func (n *Nodes) config() string {
	// Without cred_expire a job that was requeued would wait for two minutes.
	return fmt.Sprintf(`ClusterName=test
SlurmctldHost=%[1]s
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10
StateSaveLocation=/var/spool/slurmctld
SlurmdSpoolDir=/var/spool/slurmd
SlurmctldPidFile=/run/slurmctld.pid
SlurmdPidFile=/run/slurmd.pid
SlurmctldLogFile=/var/log/slurmctld.log
SlurmdLogFile=/var/log/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU_Memory
JobAcctGatherType=jobacct_gather/linux
JobAcctGatherFrequency=1
JobAcctGatherParams=OverMemoryKill
AccountingStorageType=accounting_storage/slurmdbd
AccountingStorageHost=%[1]s
MpiDefault=none
MinJobAge=10
ReturnToService=2
SlurmdTimeout=%[2]d
MessageTimeout=5
TCPTimeout=2
KillWait=5
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=1
SlurmdParameters=config_overrides
DefMemPerCPU=2000
NodeName=%[3]s CPUs=%[4]d RealMemory=8000
PartitionName=%[5]s Nodes=ALL Default=YES PriorityTier=1 GraceTime=60 PreemptMode=REQUEUE
PartitionName=%[6]s Nodes=ALL PriorityTier=10 PreemptMode=OFF
PartitionName=%[7]s Nodes=ALL PriorityTier=1 PreemptMode=OFF DefMemPerCPU=20
`, n.controller, int(NodeTimeout.Seconds()), strings.Join(n.nodes, ","), CPUs, Low, High, Tight)
}

// on runs a part of the script on a host.
func (n *Nodes) on(host, part string) {
	n.t.Helper()
	n.hosts.Host(host).Run(n.t.Context(), nodesScript+"\n"+part)
}

// StartController starts slurmctld, which continues with what it had saved.
func (n *Nodes) StartController() { n.t.Helper(); n.on(n.controller, "controller") }

// StopController ends slurmctld; nothing answers then.
func (n *Nodes) StopController() { n.t.Helper(); n.on(n.controller, "stop slurmctld") }

// StartAccounting starts slurmdbd.
func (n *Nodes) StartAccounting() { n.t.Helper(); n.on(n.controller, "accounting") }

// StopAccounting ends slurmdbd.
func (n *Nodes) StopAccounting() { n.t.Helper(); n.on(n.controller, "stop slurmdbd") }

// Return starts a node again that was lost.
func (n *Nodes) Return(name string) {
	n.t.Helper()
	n.hosts.Host(name).Start()
	n.on(name, "munge")
	n.on(name, "node")
}

// Say runs one of Slurm's commands on the controller and returns what it prints,
// without the line end; nothing if it fails.
func (n *Nodes) Say(argv ...string) string {
	n.t.Helper()
	out, err := n.try(n.controller, argv...)
	if err != nil {
		return ""
	}
	return out
}

func (n *Nodes) try(host string, argv ...string) (string, error) {
	n.t.Helper()
	ctx, cancel := context.WithTimeout(n.t.Context(), hangs)
	defer cancel()
	out, err := n.hosts.Host(host).Command(ctx, argv...).Output()
	return strings.TrimSpace(string(out)), err
}

// Idle waits until Slurm can give all nodes to a job.
func (n *Nodes) Idle() {
	n.t.Helper()
	want := strings.TrimSpace(strings.Repeat("idle\n", len(n.nodes)))
	n.eventually("idle nodes", func() bool { return n.Say("sinfo", "--noheader", "--Node", "--partition="+High, "--format=%T") == want })
}

// State returns Slurm's word for the state of a node, such as "idle" or "down*".
func (n *Nodes) State(name string) string {
	n.t.Helper()
	return n.Say("sinfo", "--noheader", "--Node", "--partition="+High, "--nodes="+name, "--format=%T")
}

// Clear ends all jobs and waits until all nodes are idle.
func (n *Nodes) Clear() {
	n.t.Helper()
	n.Say("scancel", "--user=root")
	n.eventually("the end of all jobs", func() bool {
		out, err := n.try(n.controller, "squeue", "--noheader")
		return err == nil && out == ""
	})
	n.Idle()
}

func (n *Nodes) eventually(what string, ok func() bool) {
	n.t.Helper()
	for end := time.Now().Add(hangs); !ok(); time.Sleep(200 * time.Millisecond) {
		if time.Now().After(end) {
			n.t.Fatalf("waited in vain for %s\n%s", what, n.Logs())
		}
	}
}

// Logs returns what the daemons have logged last, and what Slurm says of nodes and jobs.
func (n *Nodes) Logs() string {
	n.t.Helper()
	var b strings.Builder
	for _, host := range append([]string{n.controller}, n.nodes...) {
		out, _ := n.try(host, "sh", "-c", "tail -n 40 /var/log/slurm*.log")
		fmt.Fprintf(&b, "--- %s\n%s\n", host, out)
	}
	fmt.Fprintf(&b, "%s\n%s\n", n.Say("sinfo", "--long", "--Node"), n.Say("squeue", "--states=all", "--long"))
	return b.String()
}
