package pods

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
	"time"
)

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

func run(flags map[string]any) map[string]any { return map[string]any{"run": flags} }

// disturbed are scenarios that change the cluster, or that need its processors, so that one
// runs at a time: first that jobs work, then what happens to them.
func disturbed() []scenario {
	mpi, slow, slowMPI := options{mpi: true}, options{slow: true}, options{mpi: true, slow: true}
	return []scenario{
		{name: "Indexed", options: options{real: true, job: map[string]any{"nodes": 3}}, says: "^succeeded"},
		{name: "MPI", options: options{mpi: true, real: true}, says: "^succeeded"},

		{name: "IndexedRankKilled", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kill(t, j.running(t, j.id, "rank"))
		}},
		{name: "IndexedPodDeleted", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kubectl(t, "delete", "pod", j.running(t, j.id, "rank").Metadata.Name, "--wait=false")
		}},
		{name: "IndexedPodEvicted", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.evict(t, j.running(t, j.id, "rank"))
		}},
		{name: "IndexedDrained", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) { j.drain(t) }},
		{name: "IndexedNodeLost", options: slow, says: "^succeeded", during: nodeLost},
		{name: "MPILauncherKilled", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kill(t, j.running(t, j.id, "launcher"))
		}},
		{name: "MPILauncherEvicted", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.evict(t, j.running(t, j.id, "launcher"))
		}},
		{name: "MPIWorkerKilled", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kill(t, j.running(t, j.id, "worker"))
		}},
		{name: "MPIWorkerDeleted", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kubectl(t, "delete", "pod", j.running(t, j.id, "worker").Metadata.Name, "--wait=false")
		}},
		{name: "MPIDrained", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) { j.drain(t) }},
		{name: "MPINodeLost", options: slowMPI, says: "^succeeded", during: nodeLost},

		{name: "IndexedQuota", before: quota, code: 130, stuck: true, none: true, says: "(?i)quota"},
		{name: "MPIQuota", options: mpi, before: quota, code: 130, stuck: true, none: true, says: "(?i)quota"},
		{name: "MPINoOperator", options: mpi, before: func(t *testing.T, j *job) {
			j.stop(t, "mpi-operator")
			t.Cleanup(func() { j.start(t, "mpi-operator") })
		}, code: 130, stuck: true, none: true, says: "(?i)operator"},
	}
}

// ended are scenarios that touch nothing but their own job: how jobs end, and what users do
// wrong.
func ended() []scenario {
	slow, slowMPI := options{slow: true}, options{mpi: true, slow: true}
	return []scenario{
		{name: "IndexedCanceled", options: slow, code: 78, part: true, during: func(*testing.T, *job) {}, instead: canceled},
		{name: "MPICanceled", options: slowMPI, code: 78, part: true, during: func(*testing.T, *job) {}, instead: canceled},
		{name: "IndexedTimeLimit", options: options{slow: true, job: map[string]any{"timeLimit": "15s"}}, code: 75, part: true, says: "^failed.*DeadlineExceeded"},
		{name: "MPITimeLimit", options: options{mpi: true, slow: true, job: map[string]any{"timeLimit": "20s"}}, code: 75, part: true, says: "^failed.*DeadlineExceeded"},

		{name: "IndexedDiskFull", options: full, code: 75, part: true, says: `^failed \(75\)`, during: fill, after: func(t *testing.T, c *cluster) {
			remove(t, filepath.Join(c.small(t), "filled"))
		}},
		{name: "IndexedTooLittleMemory", options: options{real: true, service: map[string]any{"memory": "64Mi"}}, code: 78, none: true, says: `^failed \(78\)`},
		{name: "IndexedOutOfMemory", options: options{
			job:     map[string]any{"command": []string{"sh", "-c", "head -c 200M /dev/zero | tail -c 150M >/dev/null"}},
			service: map[string]any{"memory": "64Mi", "retries": 0},
		}, code: 1, none: true, says: "(?i)failed.*(137|OOM|memory)"},

		{name: "IndexedFailures", options: options{job: run(map[string]any{"max-errors": 0})}, code: 3, says: `^failed \(3\)`},
		{name: "MPIFailures", options: options{mpi: true, job: run(map[string]any{"max-errors": 0})}, code: 3, says: `^failed \(3\)`},
		{name: "IndexedBadFlag", options: options{job: run(map[string]any{"resize": "nonsense"})}, code: 78, none: true, printed: "want pillow-nearest"},
		{name: "MPIBadFlag", options: options{mpi: true, job: run(map[string]any{"resize": "nonsense"})}, code: 78, none: true, printed: "want pillow-nearest"},
		{name: "IndexedNoModel", options: options{job: map[string]any{"model": "/data/none.onnx"}}, code: 78, none: true, says: `^failed \(78\)`},
		{name: "MPINoModel", options: options{mpi: true, job: map[string]any{"model": "/data/none.onnx"}}, code: 78, none: true, says: `^failed \(78\)`},

		{name: "IndexedWrongImage", options: options{job: map[string]any{"image": "localhost/none:1"}}, code: 130, stuck: true, none: true, says: "(ErrImagePull|ImagePullBackOff)"},
		{name: "MPIWrongImage", options: options{mpi: true, job: map[string]any{"image": "localhost/none:1"}}, code: 130, stuck: true, none: true, says: "(ErrImagePull|ImagePullBackOff)"},
		{name: "IndexedNoClaim", options: options{job: map[string]any{"mounts": []map[string]any{{"source": "pvc://none", "path": "/data"}}}}, code: 130, stuck: true, none: true, says: `"none" not found`},
		{name: "IndexedNoNode", options: options{job: map[string]any{"vmSize": "none"}}, code: 130, stuck: true, none: true, says: "Unschedulable"},
		{name: "IndexedNoSecret", options: options{job: map[string]any{"secrets": map[string]any{"TOKEN": map[string]any{"kubernetes": "none/key"}}}}, code: 130, stuck: true, none: true, says: `CreateContainerConfigError: secret "none" not found`},
		{name: "IndexedNotAdmitted", options: options{job: map[string]any{"mounts": []map[string]any{{"source": "pvc://data", "path": "/data"}, {"source": "/tmp", "path": "/scratch"}}}}, code: 130, stuck: true, none: true, says: "(?i)PodSecurity"},
	}
}

// nodeLost ends the kubelet for long enough that the cluster gives up the node. Its
// containers continue.
func nodeLost(t *testing.T, j *job) {
	j.stop(t, "kubelet")
	await(t, "the node to be given up", func() bool {
		return j.kubectl(t, "get", "node", "node", "--output=jsonpath={.status.conditions[?(@.type=='Ready')].status}") != "True"
	})
	time.Sleep(15 * time.Second) // pods tolerate the loss for 10 s
	j.start(t, "kubelet")
}

// canceled cancels a running job.
func canceled(t *testing.T, j *job) {
	j.cancel(t)
	j.says(t, "no such job")
}

func quota(t *testing.T, j *job) {
	j.apply(t, `{"apiVersion": "v1", "kind": "ResourceQuota", "metadata": {"name": "none"}, "spec": {"hard": {"pods": "0"}}}`)
}

// full writes to the small claim.
var full = options{slow: true, job: map[string]any{
	"out":    "/small/out",
	"mounts": []map[string]any{{"source": "pvc://data", "path": "/data"}, {"source": "pvc://small", "path": "/small"}},
	"run":    map[string]any{"patience": "5s"},
}, service: map[string]any{"retries": 1}}

// small returns the folder of the small claim, which only processes of the cluster see.
func (c *cluster) small(t *testing.T) string {
	t.Helper()
	init, err := os.ReadFile(c.path("init"))
	if err != nil {
		t.Fatal(err)
	}
	return fmt.Sprintf("/proc/%s/root%s", strings.TrimSpace(string(init)), c.path("small"))
}

// fill leaves no byte free where the job writes.
func fill(t *testing.T, j *job) {
	f, err := os.Create(filepath.Join(j.small(t), "filled"))
	if err != nil {
		t.Fatal(err)
	}
	for err == nil {
		_, err = f.Write(make([]byte, 4096))
	}
	_ = f.Close() // it is full
}

func remove(t *testing.T, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
}
