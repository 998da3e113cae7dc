package slurm

import (
	"cmp"
	"context"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/batchscore/batchscore/deploy"
)

// cpusPerRank returns how many CPUs to ask for each rank; 0 leaves it to Slurm, which
// gives one. Ranks that score on GPUs get the CPUs that belong to their share of a node's
// GPUs, because one CPU decodes far fewer images than a GPU scores.
func (e *Engine) cpusPerRank(job deploy.Job) int {
	if e.o.CPUsPerRank > 0 || job.GPUsPerNode == 0 || !job.Scores() {
		return e.o.CPUsPerRank
	}
	ctx, cancel := context.WithTimeout(context.Background(), 20*time.Second)
	defer cancel()
	// The job can do without: it is slower then.
	nodes, err := run(ctx, nil, nil, "scontrol", "show", "node", "--oneliner")
	if err != nil {
		return 0
	}
	return gpuCPUs(nodes, e.queue(job).Partition, job)
}

// queue returns where a job waits.
func (e *Engine) queue(job deploy.Job) Queue {
	if job.Priority == deploy.Low {
		return *e.o.Low
	}
	return e.o.Queue
}

// gpuCPUs returns how many CPUs each rank of a job may have on every node that has the
// GPUs that the job asks for, by what "scontrol show node --oneliner" prints; 0 if there
// is no such node. Nodes on which Slurm starts no job count only if there are no others.
func gpuCPUs(nodes, partition string, job deploy.Job) int {
	least := map[bool]int{} // by whether the node takes jobs
	for line := range strings.Lines(nodes) {
		n := nodeFields(line)
		if partition != "" && !shareAny(strings.Split(n["Partitions"], ","), strings.Split(partition, ",")) {
			continue
		}
		gpus := countGPUs(n["Gres"], job.GPU)
		if gpus < job.GPUsPerNode {
			continue
		}
		cpus, err := strconv.Atoi(n["CPUEfctv"]) // without those that Slurm keeps for the system
		if err != nil {
			cpus, _ = strconv.Atoi(n["CPUTot"]) // before Slurm 22.05
		}
		rank := cpus * job.GPUsPerNode / gpus / job.RanksPerNode
		if takes := takesJobs(n["State"]); least[takes] == 0 || rank < least[takes] {
			least[takes] = rank
		}
	}
	return cmp.Or(least[true], least[false])
}

// takesJobs reports whether Slurm starts jobs on a node, now or when it is free, by its
// state, such as "IDLE", "MIXED+DRAIN" or "DOWN*".
func takesJobs(state string) bool {
	return !slices.ContainsFunc(strings.Split(state, "+"), func(part string) bool {
		switch strings.TrimRight(part, "*~#!%$@^-") {
		case "DOWN", "DRAIN", "DRAINED", "DRAINING", "FAIL", "FAILING", "ERROR", "FUTURE", "UNKNOWN", "INVAL", "INVALID_REG", "NOT_RESPONDING":
			return true
		}
		return false
	})
}

// nodeFields returns the fields of a line such as "NodeName=a1 CPUTot=48 Gres=gpu:4".
func nodeFields(line string) map[string]string {
	fields := map[string]string{}
	for _, word := range strings.Fields(line) {
		if name, value, ok := strings.Cut(word, "="); ok {
			fields[name] = value
		}
	}
	return fields
}

func shareAny(a, b []string) bool {
	return slices.ContainsFunc(a, func(name string) bool { return slices.Contains(b, name) })
}

// gpuResource matches one entry of a node's generic resources: gpu:4, gpu:a100:4 or
// gpu:a100:4(S:0-1).
var gpuResource = regexp.MustCompile(`(?:^|,)gpu(?::([^:,()]+))??:(\d+)(?:\([^)]*\))?`)

// countGPUs returns how many GPUs of a kind a node has; any kind if kind is empty.
func countGPUs(resources, kind string) int {
	total := 0
	for _, m := range gpuResource.FindAllStringSubmatch(resources, -1) {
		if n, err := strconv.Atoi(m[2]); err == nil && (kind == "" || m[1] == kind) {
			total += n
		}
	}
	return total
}
