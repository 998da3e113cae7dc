package shard

import (
	"errors"
	"fmt"
	"maps"
	"strings"
	"testing"
)

type vars map[string]string

func (v vars) lookup(name string) (string, bool) {
	text, ok := v[name]
	return text, ok
}

func (v vars) with(more vars) vars {
	all := maps.Clone(v)
	maps.Copy(all, more)
	return all
}

var (
	ompi = vars{
		"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8",
		"OMPI_COMM_WORLD_LOCAL_RANK": "1", "OMPI_COMM_WORLD_LOCAL_SIZE": "4",
		"OMPI_COMM_WORLD_NODE_RANK": "7", "OMPI_UNIVERSE_SIZE": "8", "PMIX_RANK": "5",
	}
	hydra = vars{"PMI_RANK": "3", "PMI_SIZE": "4", "MPI_LOCALRANKID": "1", "MPI_LOCALNRANKS": "2", "PMI_FD": "9"}
	torch = vars{"RANK": "2", "WORLD_SIZE": "6", "LOCAL_RANK": "0", "LOCAL_WORLD_SIZE": "2"}
	srun  = vars{
		"SLURM_PROCID": "5", "SLURM_NTASKS": "8", "SLURM_LOCALID": "1", "SLURM_NODEID": "2", "SLURM_STEP_ID": "0",
		"SLURM_STEP_TASKS_PER_NODE": "3,1,2(x2)", "SLURM_JOB_NUM_NODES": "4",
	}
	sbatch = vars{
		"SLURM_PROCID": "0", "SLURM_NTASKS": "8", "SLURM_LOCALID": "0", "SLURM_NODEID": "0",
		"SLURM_JOB_NUM_NODES": "2",
	}
	index = vars{"JOB_COMPLETION_INDEX": "3"}
)

func rankWorld(rank, world int) Flags {
	return Flags{Rank: rank, World: world, RankSet: true, WorldSet: true}
}

func TestFromEnv(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   vars
		flags Flags
		under string
		want  World
	}{
		{name: "nothing", env: nil, flags: Flags{}, under: "", want: World{0, 1, 0, 1, false, "no launcher"}},
		{name: "a shell", env: vars{"HOME": "/root", "OMPI_MCA_btl_tcp_if_exclude": "lo", "OMPI_ALLOW_RUN_AS_ROOT": "1"}, flags: Flags{}, under: "bash",
			want: World{0, 1, 0, 1, false, "no launcher"}},
		{name: "flags", env: nil, flags: rankWorld(2, 3), under: "", want: World{2, 3, 0, 1, false, "flags (--rank, --world)"}},
		{name: "flags beneath mpirun without variables", env: nil, flags: rankWorld(2, 3), under: "orted", want: World{2, 3, 0, 1, false, "flags (--rank, --world)"}},
		{name: "flags and the same from mpirun", env: ompi, flags: rankWorld(5, 8), under: "", want: World{5, 8, 1, 4, true, "flags (--rank, --world)"}},
		{name: "Open MPI", env: ompi, flags: Flags{}, under: "orted", want: World{5, 8, 1, 4, true, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "Open MPI without local ranks", env: vars{"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8"}, flags: Flags{}, under: "",
			want: World{5, 8, 0, 1, false, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "local rank without local size", env: vars{"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8",
			"OMPI_COMM_WORLD_LOCAL_RANK": "3"}, flags: Flags{}, under: "",
			want: World{5, 8, 3, 4, true, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "mpirun in a Slurm batch script", env: ompi.with(sbatch), flags: Flags{}, under: "",
			want: World{5, 8, 1, 4, true, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "mpirun through srun", env: ompi.with(srun).with(vars{"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}), flags: Flags{}, under: "",
			want: World{5, 8, 1, 4, true, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "Hydra", env: hydra, flags: Flags{}, under: "hydra_pmi_proxy", want: World{3, 4, 1, 2, true, "PMI (PMI_RANK, PMI_SIZE)"}},
		{name: "Hydra beneath Slurm", env: hydra.with(srun), flags: Flags{}, under: "", want: World{3, 4, 1, 2, true, "PMI (PMI_RANK, PMI_SIZE)"}},
		{name: "srun --mpi=pmi2", env: srun.with(vars{"PMI_RANK": "5", "PMI_SIZE": "8", "PMI_FD": "11"}), flags: Flags{}, under: "slurmstepd",
			want: World{5, 8, 1, 2, true, "PMI (PMI_RANK, PMI_SIZE)"}},
		{
			name:  "Hydra beneath a broken Slurm",
			env:   hydra.with(vars{"SLURM_PROCID": "x"}),
			flags: Flags{},
			under: "",
			want:  World{3, 4, 1, 2, true, "PMI (PMI_RANK, PMI_SIZE)"},
		},
		{name: "torchrun", env: torch, flags: Flags{}, under: "", want: World{2, 6, 0, 2, true, "torchrun (RANK, WORLD_SIZE)"}},
		{name: "Open MPI and the same from RANK", env: ompi.with(vars{"RANK": "5", "WORLD_SIZE": "8"}), flags: Flags{}, under: "",
			want: World{5, 8, 1, 4, true, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "Open MPI and WORLD_SIZE alone", env: ompi.with(vars{"WORLD_SIZE": "8"}), flags: Flags{}, under: "",
			want: World{5, 8, 1, 4, true, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{name: "srun", env: srun, flags: Flags{}, under: "slurmstepd", want: World{5, 8, 1, 2, true, "Slurm (SLURM_PROCID, SLURM_NTASKS)"}},
		{name: "srun, node list unreadable", env: srun.with(vars{"SLURM_STEP_TASKS_PER_NODE": "2(x"}), flags: Flags{}, under: "",
			want: World{5, 8, 1, 2, true, "Slurm (SLURM_PROCID, SLURM_NTASKS)"}},
		{name: "batch script of one task", env: sbatch.with(vars{"SLURM_NTASKS": "1"}), flags: Flags{}, under: "slurmstepd",
			want: World{0, 1, 0, 1, true, "Slurm (SLURM_PROCID, SLURM_NTASKS)"}},
		{name: "batch script of one node, tasks not given", env: vars{"SLURM_PROCID": "0", "SLURM_JOB_NUM_NODES": "1"}, flags: Flags{}, under: "bash",
			want: World{0, 1, 0, 1, false, "Slurm (SLURM_PROCID, SLURM_JOB_NUM_NODES)"}},
		{name: "batch script, one worker wanted", env: sbatch, flags: rankWorld(0, 1), under: "", want: World{0, 1, 0, 1, false, "flags (--rank, --world)"}},
		{name: "Indexed Job and --world", env: index, flags: Flags{World: 4, WorldSet: true}, under: "",
			want: World{3, 4, 0, 1, false, "Indexed Job (JOB_COMPLETION_INDEX, --world)"}},
		{name: "Indexed Job and variable", env: index.with(vars{WorldVar: "4"}), flags: Flags{}, under: "",
			want: World{3, 4, 0, 1, false, "Indexed Job (JOB_COMPLETION_INDEX, BATCHSCORE_WORLD)"}},
		{name: "Indexed Job, both", env: index.with(vars{WorldVar: "4"}), flags: Flags{World: 4, WorldSet: true}, under: "",
			want: World{3, 4, 0, 1, false, "Indexed Job (JOB_COMPLETION_INDEX, --world)"}},
		{name: "torchrun in each pod", env: torch.with(vars{"JOB_COMPLETION_INDEX": "1"}), flags: Flags{}, under: "",
			want: World{2, 6, 0, 2, true, "torchrun (RANK, WORLD_SIZE)"}},
	} {
		got, err := FromEnv(tt.env.lookup, tt.flags, tt.under)
		if err != nil || got != tt.want {
			t.Errorf("%s: %+v, %v\nwant %+v", tt.name, got, err, tt.want)
		}
	}
}

// Row 7: rank variables missing or contradictory, a rank not below the size,
// and N ranks that all think they are 0 of 1 are configuration errors that
// name the variables; never double work.
func TestFault07_RankVariables(t *testing.T) {
	for _, tt := range []struct {
		name  string
		env   vars
		flags Flags
		under string
		want  []string
	}{
		{name: "rank equals size", env: vars{"RANK": "4", "WORLD_SIZE": "4"}, flags: Flags{}, under: "", want: []string{"RANK=4", "WORLD_SIZE=4"}},
		{name: "rank beyond size", env: ompi.with(vars{"OMPI_COMM_WORLD_RANK": "9"}), flags: Flags{}, under: "",
			want: []string{"OMPI_COMM_WORLD_RANK=9", "OMPI_COMM_WORLD_SIZE=8"}},
		{name: "negative", env: hydra.with(vars{"PMI_RANK": "-1"}), flags: Flags{}, under: "", want: []string{`PMI_RANK="-1"`}},
		{name: "not a number", env: torch.with(vars{"WORLD_SIZE": "six"}), flags: Flags{}, under: "", want: []string{`WORLD_SIZE="six"`}},
		{name: "empty", env: torch.with(vars{"RANK": ""}), flags: Flags{}, under: "", want: []string{"RANK is set and empty", "unset RANK"}},
		{name: "an empty size", env: vars{"WORLD_SIZE": ""}, flags: Flags{}, under: "", want: []string{"WORLD_SIZE is set and empty", "unset WORLD_SIZE"}},
		{name: "an empty local rank", env: ompi.with(vars{"OMPI_COMM_WORLD_LOCAL_RANK": ""}), flags: Flags{}, under: "",
			want: []string{"OMPI_COMM_WORLD_LOCAL_RANK is set and empty", "unset"}},
		{name: "an empty index", env: vars{"JOB_COMPLETION_INDEX": ""}, flags: Flags{}, under: "", want: []string{"unset JOB_COMPLETION_INDEX"}},
		{name: "an empty task", env: vars{"SLURM_PROCID": ""}, flags: Flags{}, under: "", want: []string{"unset SLURM_PROCID"}},
		{name: "an empty trace", env: vars{"PMIX_RANK": ""}, flags: Flags{}, under: "", want: []string{"PMIX_RANK is set and empty", "unset PMIX_RANK"}},
		{name: "too large for a number", env: torch.with(vars{"RANK": "99999999999999999999"}), flags: Flags{}, under: "", want: []string{"RANK="}},
		{name: "world of none", env: torch.with(vars{"RANK": "0", "WORLD_SIZE": "0"}), flags: Flags{}, under: "", want: []string{"WORLD_SIZE=0"}},
		{
			name:  "size missing",
			env:   vars{"OMPI_COMM_WORLD_RANK": "0"},
			flags: Flags{},
			under: "",
			want:  []string{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE (not set)"},
		},
		{name: "rank missing", env: vars{"PMI_SIZE": "4"}, flags: Flags{}, under: "", want: []string{"PMI_RANK (not set)", "PMI_SIZE=4"}},
		{name: "WORLD_SIZE alone", env: vars{"WORLD_SIZE": "4"}, flags: Flags{}, under: "", want: []string{"RANK (not set)", "WORLD_SIZE=4"}},
		{name: "--rank alone", env: nil, flags: Flags{RankSet: true}, under: "", want: []string{"--rank=0", "--world (not set)"}},
		{name: "--world alone", env: nil, flags: Flags{World: 4, WorldSet: true}, under: "", want: []string{"--rank (not set)", "--world=4"}},
		{name: "--world alone beneath mpirun", env: ompi, flags: Flags{World: 8, WorldSet: true}, under: "", want: []string{"--rank (not set)", "--world=8"}},
		{name: "--rank not below --world", env: nil, flags: rankWorld(3, 3), under: "", want: []string{"--rank=3", "--world=3"}},
		{name: "--rank negative", env: nil, flags: rankWorld(-1, 3), under: "", want: []string{"--rank=-1"}},
		{name: "--world negative", env: index, flags: Flags{World: -2, WorldSet: true}, under: "", want: []string{"--world=-2"}},
		{name: "the same flags on every rank", env: ompi, flags: rankWorld(0, 1), under: "", want: []string{"--rank=0", "OMPI_COMM_WORLD_RANK=5"}},
		{name: "Open MPI and torchrun differ", env: ompi.with(torch), flags: Flags{}, under: "", want: []string{"OMPI_COMM_WORLD_RANK=5", "RANK=2"}},
		{name: "Open MPI and PMI differ", env: ompi.with(hydra), flags: Flags{}, under: "", want: []string{"OMPI_COMM_WORLD_SIZE=8", "PMI_SIZE=4"}},
		{name: "torchrun and Slurm differ", env: torch.with(srun), flags: Flags{}, under: "", want: []string{"RANK=2", "SLURM_PROCID=5"}},
		{
			name:  "Slurm and index differ",
			env:   srun.with(index).with(vars{"SLURM_LOCALID": "x"}),
			flags: Flags{},
			under: "",
			want:  []string{`SLURM_LOCALID="x"`},
		},
		{name: "mpirun of one rank in each pod", env: vars{"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1",
			"OMPI_COMM_WORLD_LOCAL_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0", "JOB_COMPLETION_INDEX": "3"}, flags: Flags{}, under: "",
			want: []string{"OMPI_COMM_WORLD_RANK=0", "JOB_COMPLETION_INDEX=3"}},
		{name: "Indexed Job without size", env: index, flags: Flags{}, under: "", want: []string{"JOB_COMPLETION_INDEX=3", "--world", "BATCHSCORE_WORLD"}},
		{
			name:  "Indexed Job, index not below size",
			env:   index.with(vars{WorldVar: "3"}),
			flags: Flags{},
			under: "",
			want:  []string{"JOB_COMPLETION_INDEX=3", "BATCHSCORE_WORLD=3"},
		},
		{name: "Indexed Job, sizes differ", env: index.with(vars{WorldVar: "5"}), flags: Flags{World: 4, WorldSet: true}, under: "",
			want: []string{"--world=4", "BATCHSCORE_WORLD=5"}},
		{
			name:  "size of an Indexed Job without index",
			env:   vars{WorldVar: "5"},
			flags: Flags{},
			under: "",
			want:  []string{"JOB_COMPLETION_INDEX (not set)", "BATCHSCORE_WORLD=5"},
		},
		{
			name:  "local rank not below local size",
			env:   torch.with(vars{"LOCAL_RANK": "2"}),
			flags: Flags{},
			under: "",
			want:  []string{"LOCAL_RANK=2", "LOCAL_WORLD_SIZE=2"},
		},
		{name: "batch script without srun", env: sbatch, flags: Flags{}, under: "", want: []string{"SLURM_PROCID=0", "SLURM_NTASKS=8", "srun"}},
		{
			name:  "batch step by its number",
			env:   sbatch.with(vars{"SLURM_STEP_ID": "4294967291"}),
			flags: Flags{},
			under: "",
			want:  []string{"SLURM_NTASKS=8", "srun"},
		},
		{name: "batch step by its name", env: sbatch.with(vars{"SLURM_STEPID": "batch"}), flags: Flags{}, under: "", want: []string{"srun"}},
		{name: "batch script of two nodes, tasks not given", env: vars{"SLURM_PROCID": "0", "SLURM_JOB_NUM_NODES": "2"}, flags: Flags{}, under: "",
			want: []string{"SLURM_JOB_NUM_NODES=2", "srun"}},
		{
			name:  "shell of an allocation",
			env:   vars{"SLURM_NTASKS": "4"},
			flags: Flags{},
			under: "",
			want:  []string{"SLURM_PROCID (not set)", "SLURM_NTASKS=4", "srun"},
		},
		{name: "Slurm rank alone", env: vars{"SLURM_PROCID": "2"}, flags: Flags{}, under: "", want: []string{"SLURM_PROCID=2", "SLURM_NTASKS (not set)"}},
		{
			name:  "traces of Open MPI",
			env:   vars{"OMPI_UNIVERSE_SIZE": "4"},
			flags: Flags{},
			under: "",
			want:  []string{"OMPI_UNIVERSE_SIZE", "OMPI_COMM_WORLD_RANK"},
		},
		{name: "PMIx without a rank we know", env: vars{"PMIX_RANK": "2"}, flags: Flags{}, under: "", want: []string{`PMIX_RANK="2"`}},
		{name: "local rank only", env: vars{"LOCAL_RANK": "1"}, flags: Flags{}, under: "", want: []string{"LOCAL_RANK"}},
		{name: "beneath mpirun without variables", env: nil, flags: Flags{}, under: "/usr/bin/orted", want: []string{"orted", "OMPI_COMM_WORLD_RANK"}},
		{name: "beneath slurmstepd without variables", env: nil, flags: Flags{}, under: "slurmstepd", want: []string{"slurmstepd", "SLURM_PROCID"}},
		{name: "beneath a launcher whose name is cut", env: nil, flags: Flags{}, under: "hydra_pmi_proxy"[:15], want: []string{"hydra_pmi_proxy"}},
		{name: "the same, longer", env: nil, flags: Flags{}, under: "hydra_bstrap_proxy"[:15], want: []string{"hydra_bstrap_pr"}},
	} {
		got, err := FromEnv(tt.env.lookup, tt.flags, tt.under)
		var config *ConfigError
		if !errors.As(err, &config) {
			t.Errorf("%s: %+v, %v, want a ConfigError", tt.name, got, err)
			continue
		}
		for _, part := range tt.want {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: %q does not name %s", tt.name, err, part)
			}
		}
		if got != (World{}) {
			t.Errorf("%s: got %+v with the error, want the zero value", tt.name, got)
		}
	}
}

// The recipe became "rank 0 of 1" on every rank under any launcher but Open
// MPI.
func TestRecipeRanksUnderEveryLauncher(t *testing.T) {
	for name, set := range map[string][2]string{
		"Open MPI": {"OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE"}, "Hydra": {"PMI_RANK", "PMI_SIZE"},
		"torchrun": {"RANK", "WORLD_SIZE"}, "Slurm": {"SLURM_PROCID", "SLURM_NTASKS"},
		"Indexed Job": {"JOB_COMPLETION_INDEX", WorldVar},
	} {
		seen := map[int]bool{}
		for rank := range 4 {
			env := vars{set[0]: fmt.Sprint(rank), set[1]: "4", "SLURM_STEP_ID": "0"}
			w, err := FromEnv(env.lookup, Flags{}, "")
			if err != nil || w.Size != 4 {
				t.Errorf("%s, rank %d: %+v, %v", name, rank, w, err)
			}
			seen[w.Rank] = true
		}
		if len(seen) != 4 {
			t.Errorf("%s: 4 ranks take %d places", name, len(seen))
		}
	}
}
