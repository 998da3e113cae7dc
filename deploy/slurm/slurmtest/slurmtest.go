// Package slurmtest gives tests a Slurm cluster of one node: the distribution's
// own daemons, started by the test, with two partitions. A job in High preempts those
// in Low, which go back into the queue.
package slurmtest

import (
	"bytes"
	"crypto/rand"
	"fmt"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The partitions of the cluster.
const (
	Low  = "low"
	High = "high"
)

// CPUs is how many CPUs the node claims to have.
const CPUs = 4

// hangs is far above the time that anything here takes.
const hangs = 2 * time.Minute

// Cluster is a Slurm that runs until its test ends.
type Cluster struct {
	folder string
}

// Start starts a cluster, which Slurm's commands find during the test. So the test cannot
// run in parallel with others. In CI it fails the test if Slurm or root's rights are
// missing.
func Start(t *testing.T) *Cluster {
	t.Helper()
	if os.Geteuid() != 0 {
		lacking(t, "the right to start Slurm's daemons", "run the tests as root")
	}
	// Daemons are not always on the PATH.
	t.Setenv("PATH", os.Getenv("PATH")+":/usr/sbin:/sbin")
	for _, program := range []string{"munged", "slurmctld", "slurmd", "sbatch"} {
		if _, err := exec.LookPath(program); err != nil {
			lacking(t, program, "deploy/deps/fetch.sh cluster")
		}
	}
	munge, err := user.Lookup("munge")
	if err != nil {
		lacking(t, "the user munge", "deploy/deps/fetch.sh cluster")
	}
	// Not t.TempDir, which other users cannot enter.
	folder, err := os.MkdirTemp("", "slurm-*")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(folder) })
	if err := os.Chmod(folder, 0o755); err != nil {
		t.Fatal(err)
	}
	c := &Cluster{folder: folder}
	c.munged(t, munge)
	c.configure(t)
	t.Setenv("SLURM_CONF", c.in("slurm.conf"))
	c.daemon(t, exec.Command("slurmctld", "-D"))
	c.daemon(t, exec.Command("slurmd", "-D"))
	t.Cleanup(func() { c.clear(t) })
	c.eventually(t, "an idle node", func() bool { return c.say("sinfo", "--noheader", "--format=%T") == "idle" })
	return c
}

func lacking(t *testing.T, what, install string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, install)
	}
	t.Skipf("%s is missing: %s", what, install)
}

func (c *Cluster) in(name string) string { return filepath.Join(c.folder, name) }

// munged starts the daemon by which Slurm's parts authenticate each other.
func (c *Cluster) munged(t *testing.T, as *user.User) {
	t.Helper()
	uid, err1 := strconv.Atoi(as.Uid)
	gid, err2 := strconv.Atoi(as.Gid)
	if err1 != nil || err2 != nil {
		t.Fatal(err1, err2)
	}
	if err := os.Mkdir(c.in("munge"), 0o755); err != nil {
		t.Fatal(err)
	}
	key := make([]byte, 64)
	_, _ = rand.Read(key) // it never fails
	if err := os.WriteFile(c.in("munge/key"), key, 0o400); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{"munge", "munge/key"} {
		if err := os.Chown(c.in(path), uid, gid); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("munged", "--foreground", "--socket="+c.in("munge/socket"), "--key-file="+c.in("munge/key"),
		"--pid-file="+c.in("munge/pid"), "--log-file="+c.in("munge/log"), "--seed-file="+c.in("munge/seed"))
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uint32(uid), Gid: uint32(gid)}}
	c.daemon(t, cmd)
	c.eventually(t, "munged", func() bool { _, err := os.Stat(c.in("munge/socket")); return err == nil })
}

// configure writes slurm.conf.
func (c *Cluster) configure(t *testing.T) {
	t.Helper()
	name, err := os.Hostname()
	if err != nil {
		t.Fatal(err)
	}
	name, _, _ = strings.Cut(name, ".")
	for _, sub := range []string{"state", "spool"} {
		if err := os.Mkdir(c.in(sub), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	// Without cred_expire a job that was requeued would wait for two minutes.
	config := fmt.Sprintf(`ClusterName=test
SlurmctldHost=%[1]s(127.0.0.1)
SlurmctldPort=%[2]d
SlurmdPort=%[3]d
SlurmUser=root
SlurmdUser=root
AuthType=auth/munge
AuthInfo=socket=%[4]s/munge/socket,cred_expire=5
StateSaveLocation=%[4]s/state
SlurmdSpoolDir=%[4]s/spool
SlurmctldPidFile=%[4]s/slurmctld.pid
SlurmdPidFile=%[4]s/slurmd.pid
SlurmctldLogFile=%[4]s/slurmctld.log
SlurmdLogFile=%[4]s/slurmd.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SelectType=select/cons_tres
SelectTypeParameters=CR_CPU
MpiDefault=none
ReturnToService=2
PreemptType=preempt/partition_prio
PreemptMode=REQUEUE
SchedulerParameters=batch_sched_delay=0,sched_interval=1,sched_min_interval=1
SlurmdParameters=config_overrides
NodeName=%[1]s NodeAddr=127.0.0.1 CPUs=%[5]d
PartitionName=%[6]s Nodes=ALL Default=YES PriorityTier=1 GraceTime=60 PreemptMode=REQUEUE
PartitionName=%[7]s Nodes=ALL PriorityTier=10 PreemptMode=OFF
`, name, freePort(t), freePort(t), c.folder, CPUs, Low, High)
	if err := os.WriteFile(c.in("slurm.conf"), []byte(config), 0o644); err != nil {
		t.Fatal(err)
	}
}

func freePort(t *testing.T) int {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// daemon runs a program until the test ends.
func (c *Cluster) daemon(t *testing.T, cmd *exec.Cmd) {
	t.Helper()
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.Env = os.Environ()
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM) // it may have ended
		_ = cmd.Wait()
		if t.Failed() {
			t.Logf("%s: %v\n%s", cmd.Path, cmd.ProcessState, said.String())
		}
	})
}

// clear ends all jobs and waits until their processes are gone.
func (c *Cluster) clear(t *testing.T) {
	c.say("scancel", "--user=root", "--signal=KILL", "--full")
	c.say("scancel", "--user=root")
	c.eventually(t, "the end of all jobs", func() bool { return c.say("squeue", "--noheader") == "" })
}

// say runs one of Slurm's commands and returns what it prints, without the line
// end; nothing if it fails.
func (c *Cluster) say(program string, args ...string) string {
	out, err := exec.Command(program, args...).Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func (c *Cluster) eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(hangs); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("waited in vain for %s\n%s%s", what, c.log("slurmctld.log"), c.log("slurmd.log"))
		}
	}
}

func (c *Cluster) log(name string) string {
	text, err := os.ReadFile(c.in(name))
	if err != nil {
		return err.Error()
	}
	return fmt.Sprintf("--- %s\n%s", name, text)
}

// Occupy takes the whole node for a job in High, once it has it, until release
// is called.
func (c *Cluster) Occupy(t *testing.T) (release func()) {
	t.Helper()
	dir := t.TempDir()
	done := filepath.Join(dir, "done")
	cmd := exec.Command("sbatch", "--partition="+High, "--job-name=occupier", fmt.Sprintf("--ntasks=%d", CPUs), "--output=/dev/null",
		"--wrap=until [ -e "+done+" ]; do sleep 0.1; done")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("sbatch: %v\n%s", err, out)
	}
	c.eventually(t, "the preempting job", func() bool { return c.say("squeue", "--noheader", "--name=occupier", "--format=%T") == "RUNNING" })
	return func() {
		t.Helper()
		if err := os.WriteFile(done, nil, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// Scripts returns the jobs' scripts as Slurm keeps them, and everything that it shows
// about the jobs.
func (c *Cluster) Scripts(t *testing.T) string {
	t.Helper()
	all := c.say("scontrol", "--details", "show", "job")
	for _, number := range strings.Fields(c.say("squeue", "--noheader", "--states=all", "--format=%i")) {
		all += "\n" + c.say("scontrol", "write", "batch_script", number, "-")
	}
	return all
}
