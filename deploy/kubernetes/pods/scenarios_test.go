package pods

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

func matches(pattern, text string) bool { return regexp.MustCompile(pattern).MatchString(text) }

func run(flags map[string]any) map[string]any { return map[string]any{"run": flags} }

// disturbed are scenarios that change the cluster, or that need its processors, so that one
// runs at a time: first that jobs work, then what happens to them.
func disturbed() []scenario {
	mpi, slow, slowMPI := options{mpi: true}, options{slow: true}, options{mpi: true, slow: true}
	slower, slowerMPI := options{slower: true}, options{mpi: true, slower: true}
	halfCore := map[string]any{"cpu": "500m"}
	return []scenario{
		{name: "Indexed", options: options{real: true, job: map[string]any{"nodes": 3}}, says: "^succeeded"},
		{name: "MPI", options: options{mpi: true, real: true}, says: "^succeeded"},
		{
			name: "IndexedHalfCore", options: options{real: true, job: map[string]any{"nodes": 3}, service: halfCore},
			says: "^succeeded", printed: `"lanes":1,`, unprinted: `"lanes":2,`,
		},
		{
			name: "IndexedDoctor", none: true, says: "^succeeded", printed: "1 to compute on; .*BATCHSCORE_CPUS 0.5",
			options: options{job: map[string]any{"command": []string{"batchscore", "doctor"}}, service: halfCore},
		},
		{
			name: "MPIHalfCore", options: options{mpi: true, real: true, job: map[string]any{"nodes": 1, "ranksPerNode": 3}, service: halfCore},
			says: "^succeeded", printed: `"lanes":1,`, unprinted: `"lanes":2,`,
		},

		{name: "IndexedDrained", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) { j.drain(t) }},
		{name: "IndexedNodeLost", options: slower, says: "^succeeded", during: nodeLost},
		{name: "MPIDrained", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) { j.drain(t) }},
		{name: "MPINodeLost", options: slowerMPI, says: "^succeeded", during: nodeLost},

		{name: "IndexedQuota", before: quota, code: 130, stuck: true, none: true, says: "(?i)quota"},
		{name: "MPIQuota", options: mpi, before: quota, code: 130, stuck: true, none: true, says: "(?i)quota"},
		{name: "MPINoOperator", options: mpi, before: func(t *testing.T, j *job) {
			j.stop(t, "mpi-operator")
			t.Cleanup(func() { j.start(t, "mpi-operator") })
		}, code: 130, stuck: true, none: true, says: "(?i)operator"},
	}
}

// hurt are scenarios that lose a part of their own job.
func hurt() []scenario {
	slow, slowMPI := options{slow: true}, options{mpi: true, slow: true}
	return []scenario{
		{name: "IndexedRankKilled", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kill(t, j.running(t, j.id, "rank"))
		}},
		{name: "IndexedPodDeleted", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kubectl(t, "delete", "pod", j.running(t, j.id, "rank").Metadata.Name, "--wait=false")
		}},
		{name: "IndexedPodEvicted", options: slow, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.evict(t, j.running(t, j.id, "rank"))
		}},
		{name: "MPILauncherKilled", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kill(t, j.running(t, j.id, "launcher"))
		}},
		{name: "MPILauncherEvicted", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.evict(t, j.running(t, j.id, "launcher"))
		}},
		{name: "MPILauncherHangs", options: options{mpi: true, slower: true}, says: "^succeeded", during: func(t *testing.T, j *job) {
			launcher := j.running(t, j.id, "launcher")
			j.freeze(t, launcher)
			j.evict(t, launcher) // the kubelet kills it at the end of its grace
		}},
		{name: "MPIWorkerKilled", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kill(t, j.running(t, j.id, "worker"))
		}},
		{name: "MPIWorkerDeleted", options: slowMPI, says: "^succeeded", during: func(t *testing.T, j *job) {
			j.kubectl(t, "delete", "pod", j.running(t, j.id, "worker").Metadata.Name, "--wait=false")
		}},
	}
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
