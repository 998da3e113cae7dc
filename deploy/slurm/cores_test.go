package slurm

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/deploy"
)

func TestGPUCPUs(t *testing.T) {
	const nodes = `NodeName=a1 Arch=x86_64 CoresPerSocket=24 CPUAlloc=0 CPUEfctv=46 CPUTot=48 CPULoad=0.10 Gres=gpu:a100:4(S:0-1) Partitions=gpu,all
NodeName=a2 Arch=x86_64 CoresPerSocket=24 CPUAlloc=0 CPUTot=96 CPULoad=0.10 Gres=gpu:a100:4(S:0),gpu:v100:4(S:1),nvme:1 Partitions=gpu,all
NodeName=v1 Arch=x86_64 CPUTot=24 Gres=gpu:2 Partitions=old
NodeName=c1 Arch=x86_64 CPUTot=128 Gres=(null) Partitions=all
`
	for _, test := range []struct {
		name, partition, gpu string
		ranks, gpus          int
		want                 int
	}{
		{name: "the node with the fewest", partition: "gpu", ranks: 4, gpus: 4, want: 11},
		{name: "several partitions", partition: "old,gpu", ranks: 1, gpus: 1, want: 11},
		{name: "one kind", partition: "gpu", gpu: "v100", ranks: 4, gpus: 4, want: 24},
		{name: "two GPUs a rank", partition: "gpu", ranks: 2, gpus: 4, want: 23},
		{name: "part of a node", partition: "gpu", ranks: 2, gpus: 2, want: 11},
		{name: "any partition", ranks: 1, gpus: 2, want: 23},
		{name: "GPUs without a kind", partition: "old", ranks: 2, gpus: 2, want: 12},
		{name: "more than any node has", partition: "gpu", ranks: 8, gpus: 16, want: 0},
		{name: "no such partition", partition: "none", ranks: 1, gpus: 1, want: 0},
	} {
		t.Run(test.name, func(t *testing.T) {
			job := deploy.Job{RanksPerNode: test.ranks, GPUsPerNode: test.gpus, GPU: test.gpu}
			if got := gpuCPUs(nodes, test.partition, job); got != test.want {
				t.Errorf("%d CPUs a rank, want %d", got, test.want)
			}
		})
	}
}

// TestGPUCPUsOfNodesThatAreOut: nodes on which no job starts do not lower what ranks get
// on the others.
func TestGPUCPUsOfNodesThatAreOut(t *testing.T) {
	const rest = " Gres=gpu:4 Partitions=gpu\n"
	job := deploy.Job{RanksPerNode: 4, GPUsPerNode: 4}
	for _, test := range []struct {
		state string
		want  int
	}{
		{state: "DOWN", want: 16},
		{state: "DOWN*", want: 16},
		{state: "IDLE+DRAIN", want: 16},
		{state: "MIXED+DRAIN", want: 16},
		{state: "DOWN*+DRAIN", want: 16},
		{state: "FUTURE", want: 16},
		{state: "FAIL", want: 16},
		{state: "IDLE+NOT_RESPONDING", want: 16},
		{state: "IDLE", want: 2},
		{state: "MIXED", want: 2},
		{state: "ALLOCATED", want: 2},
		{state: "IDLE+CLOUD+POWERED_DOWN", want: 2},
		{state: "IDLE~", want: 2},
		{state: "MIXED+PLANNED", want: 2},
		{state: "IDLE+MAINTENANCE+RESERVED", want: 2},
		{state: "", want: 2},
	} {
		nodes := "NodeName=small CPUTot=8 State=" + test.state + rest + "NodeName=large CPUTot=64 State=IDLE" + rest
		if got := gpuCPUs(nodes, "gpu", job); got != test.want {
			t.Errorf("next to a small node in state %q: %d CPUs a rank, want %d", test.state, got, test.want)
		}
	}
	if got := gpuCPUs("NodeName=small CPUTot=8 State=DOWN*"+rest, "gpu", job); got != 2 {
		t.Errorf("with no other node: %d CPUs a rank, want 2", got)
	}
}

// TestCPUsOfGPURanks: a job with GPUs asks for the CPUs that belong to them, unless
// service.yaml says how many.
func TestCPUsOfGPURanks(t *testing.T) {
	path := t.TempDir()
	t.Setenv("PATH", path+":/usr/bin:/bin")
	script(t, path, "scontrol", `[ "$*" = 'show node --oneliner' ] && echo 'NodeName=n CPUTot=32 Gres=gpu:4 Partitions=gpu'`)
	job := deploy.Job{Name: "x", Images: "a", Out: "b", Model: "c", Nodes: 1, RanksPerNode: 4, GPUsPerNode: 4}
	cpu := job
	cpu.GPUsPerNode = 0
	for _, test := range []struct {
		name string
		o    Options
		job  deploy.Job
		want string // empty: not asked for
	}{
		{name: "GPUs", job: job, want: "--cpus-per-task=8"},
		{name: "GPUs, number given", o: Options{CPUsPerRank: 3}, job: job, want: "--cpus-per-task=3"},
		{name: "no GPUs", job: cpu},
		{name: "no node with GPUs", o: Options{Queue: Queue{Partition: "other"}}, job: job},
	} {
		t.Run(test.name, func(t *testing.T) {
			test.o.Folder, test.o.Binary = "/shared/jobs", "/shared/bin/batchscore"
			documents, err := engine(t, test.o).Documents(test.job, "x-1")
			if err != nil {
				t.Fatal(err)
			}
			// Once for sbatch and once for srun.
			text := string(documents[0].Body)
			if n := strings.Count(text, "--cpus-per-task"); test.want == "" && n > 0 || test.want != "" && strings.Count(text, test.want) != 2 {
				t.Errorf("want %q:\n%s", test.want, text)
			}
		})
	}
}
