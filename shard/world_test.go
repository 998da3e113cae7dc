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
		{"nothing", nil, Flags{}, "", World{0, 1, 0, 1, "no launcher"}},
		{"a shell", vars{"HOME": "/root", "OMPI_MCA_btl_tcp_if_exclude": "lo", "OMPI_ALLOW_RUN_AS_ROOT": "1"}, Flags{}, "bash",
			World{0, 1, 0, 1, "no launcher"}},
		{"flags", nil, rankWorld(2, 3), "", World{2, 3, 0, 1, "flags (--rank, --world)"}},
		{"flags beneath mpirun without variables", nil, rankWorld(2, 3), "orted", World{2, 3, 0, 1, "flags (--rank, --world)"}},
		{"flags and the same from mpirun", ompi, rankWorld(5, 8), "", World{5, 8, 1, 4, "flags (--rank, --world)"}},
		{"Open MPI", ompi, Flags{}, "orted", World{5, 8, 1, 4, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"Open MPI without local ranks", vars{"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8"}, Flags{}, "",
			World{5, 8, 0, 1, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"local rank without local size", vars{"OMPI_COMM_WORLD_RANK": "5", "OMPI_COMM_WORLD_SIZE": "8",
			"OMPI_COMM_WORLD_LOCAL_RANK": "3"}, Flags{}, "",
			World{5, 8, 3, 4, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"mpirun in a Slurm batch script", ompi.with(sbatch), Flags{}, "",
			World{5, 8, 1, 4, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"mpirun through srun", ompi.with(srun).with(vars{"SLURM_PROCID": "1", "SLURM_NTASKS": "2"}), Flags{}, "",
			World{5, 8, 1, 4, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"Hydra", hydra, Flags{}, "hydra_pmi_proxy", World{3, 4, 1, 2, "PMI (PMI_RANK, PMI_SIZE)"}},
		{"Hydra beneath Slurm", hydra.with(srun), Flags{}, "", World{3, 4, 1, 2, "PMI (PMI_RANK, PMI_SIZE)"}},
		{"srun --mpi=pmi2", srun.with(vars{"PMI_RANK": "5", "PMI_SIZE": "8", "PMI_FD": "11"}), Flags{}, "slurmstepd",
			World{5, 8, 1, 2, "PMI (PMI_RANK, PMI_SIZE)"}},
		{"Hydra beneath a broken Slurm", hydra.with(vars{"SLURM_PROCID": "x"}), Flags{}, "", World{3, 4, 1, 2, "PMI (PMI_RANK, PMI_SIZE)"}},
		{"torchrun", torch, Flags{}, "", World{2, 6, 0, 2, "torchrun (RANK, WORLD_SIZE)"}},
		{"Open MPI and the same from RANK", ompi.with(vars{"RANK": "5", "WORLD_SIZE": "8"}), Flags{}, "",
			World{5, 8, 1, 4, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"Open MPI and WORLD_SIZE alone", ompi.with(vars{"WORLD_SIZE": "8"}), Flags{}, "",
			World{5, 8, 1, 4, "Open MPI (OMPI_COMM_WORLD_RANK, OMPI_COMM_WORLD_SIZE)"}},
		{"srun", srun, Flags{}, "slurmstepd", World{5, 8, 1, 2, "Slurm (SLURM_PROCID, SLURM_NTASKS)"}},
		{"srun, node list unreadable", srun.with(vars{"SLURM_STEP_TASKS_PER_NODE": "2(x"}), Flags{}, "",
			World{5, 8, 1, 2, "Slurm (SLURM_PROCID, SLURM_NTASKS)"}},
		{"batch script of one task", sbatch.with(vars{"SLURM_NTASKS": "1"}), Flags{}, "slurmstepd",
			World{0, 1, 0, 1, "Slurm (SLURM_PROCID, SLURM_NTASKS)"}},
		{"batch script of one node, tasks not given", vars{"SLURM_PROCID": "0", "SLURM_JOB_NUM_NODES": "1"}, Flags{}, "bash",
			World{0, 1, 0, 1, "Slurm (SLURM_PROCID, SLURM_JOB_NUM_NODES)"}},
		{"batch script, one worker wanted", sbatch, rankWorld(0, 1), "", World{0, 1, 0, 1, "flags (--rank, --world)"}},
		{"Indexed Job and --world", index, Flags{World: 4, WorldSet: true}, "",
			World{3, 4, 0, 1, "Indexed Job (JOB_COMPLETION_INDEX, --world)"}},
		{"Indexed Job and variable", index.with(vars{WorldVar: "4"}), Flags{}, "",
			World{3, 4, 0, 1, "Indexed Job (JOB_COMPLETION_INDEX, BATCHSCORE_WORLD)"}},
		{"Indexed Job, both", index.with(vars{WorldVar: "4"}), Flags{World: 4, WorldSet: true}, "",
			World{3, 4, 0, 1, "Indexed Job (JOB_COMPLETION_INDEX, --world)"}},
		{"torchrun in each pod", torch.with(vars{"JOB_COMPLETION_INDEX": "1"}), Flags{}, "",
			World{2, 6, 0, 2, "torchrun (RANK, WORLD_SIZE)"}},
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
		{"rank equals size", vars{"RANK": "4", "WORLD_SIZE": "4"}, Flags{}, "", []string{"RANK=4", "WORLD_SIZE=4"}},
		{"rank beyond size", ompi.with(vars{"OMPI_COMM_WORLD_RANK": "9"}), Flags{}, "",
			[]string{"OMPI_COMM_WORLD_RANK=9", "OMPI_COMM_WORLD_SIZE=8"}},
		{"negative", hydra.with(vars{"PMI_RANK": "-1"}), Flags{}, "", []string{`PMI_RANK="-1"`}},
		{"not a number", torch.with(vars{"WORLD_SIZE": "six"}), Flags{}, "", []string{`WORLD_SIZE="six"`}},
		{"empty", torch.with(vars{"RANK": ""}), Flags{}, "", []string{"RANK is set and empty", "unset RANK"}},
		{"an empty size", vars{"WORLD_SIZE": ""}, Flags{}, "", []string{"WORLD_SIZE is set and empty", "unset WORLD_SIZE"}},
		{"an empty local rank", ompi.with(vars{"OMPI_COMM_WORLD_LOCAL_RANK": ""}), Flags{}, "",
			[]string{"OMPI_COMM_WORLD_LOCAL_RANK is set and empty", "unset"}},
		{"an empty index", vars{"JOB_COMPLETION_INDEX": ""}, Flags{}, "", []string{"unset JOB_COMPLETION_INDEX"}},
		{"an empty task", vars{"SLURM_PROCID": ""}, Flags{}, "", []string{"unset SLURM_PROCID"}},
		{"an empty trace", vars{"PMIX_RANK": ""}, Flags{}, "", []string{"PMIX_RANK is set and empty", "unset PMIX_RANK"}},
		{"too large for a number", torch.with(vars{"RANK": "99999999999999999999"}), Flags{}, "", []string{"RANK="}},
		{"world of none", torch.with(vars{"RANK": "0", "WORLD_SIZE": "0"}), Flags{}, "", []string{"WORLD_SIZE=0"}},
		{"size missing", vars{"OMPI_COMM_WORLD_RANK": "0"}, Flags{}, "", []string{"OMPI_COMM_WORLD_RANK=0", "OMPI_COMM_WORLD_SIZE (not set)"}},
		{"rank missing", vars{"PMI_SIZE": "4"}, Flags{}, "", []string{"PMI_RANK (not set)", "PMI_SIZE=4"}},
		{"WORLD_SIZE alone", vars{"WORLD_SIZE": "4"}, Flags{}, "", []string{"RANK (not set)", "WORLD_SIZE=4"}},
		{"--rank alone", nil, Flags{RankSet: true}, "", []string{"--rank=0", "--world (not set)"}},
		{"--world alone", nil, Flags{World: 4, WorldSet: true}, "", []string{"--rank (not set)", "--world=4"}},
		{"--world alone beneath mpirun", ompi, Flags{World: 8, WorldSet: true}, "", []string{"--rank (not set)", "--world=8"}},
		{"--rank not below --world", nil, rankWorld(3, 3), "", []string{"--rank=3", "--world=3"}},
		{"--rank negative", nil, rankWorld(-1, 3), "", []string{"--rank=-1"}},
		{"--world negative", index, Flags{World: -2, WorldSet: true}, "", []string{"--world=-2"}},
		{"the same flags on every rank", ompi, rankWorld(0, 1), "", []string{"--rank=0", "OMPI_COMM_WORLD_RANK=5"}},
		{"Open MPI and torchrun differ", ompi.with(torch), Flags{}, "", []string{"OMPI_COMM_WORLD_RANK=5", "RANK=2"}},
		{"Open MPI and PMI differ", ompi.with(hydra), Flags{}, "", []string{"OMPI_COMM_WORLD_SIZE=8", "PMI_SIZE=4"}},
		{"torchrun and Slurm differ", torch.with(srun), Flags{}, "", []string{"RANK=2", "SLURM_PROCID=5"}},
		{"Slurm and index differ", srun.with(index).with(vars{"SLURM_LOCALID": "x"}), Flags{}, "", []string{`SLURM_LOCALID="x"`}},
		{"mpirun of one rank in each pod", vars{"OMPI_COMM_WORLD_RANK": "0", "OMPI_COMM_WORLD_SIZE": "1",
			"OMPI_COMM_WORLD_LOCAL_SIZE": "1", "OMPI_COMM_WORLD_LOCAL_RANK": "0", "JOB_COMPLETION_INDEX": "3"}, Flags{}, "",
			[]string{"OMPI_COMM_WORLD_RANK=0", "JOB_COMPLETION_INDEX=3"}},
		{"Indexed Job without size", index, Flags{}, "", []string{"JOB_COMPLETION_INDEX=3", "--world", "BATCHSCORE_WORLD"}},
		{"Indexed Job, index not below size", index.with(vars{WorldVar: "3"}), Flags{}, "", []string{"JOB_COMPLETION_INDEX=3", "BATCHSCORE_WORLD=3"}},
		{"Indexed Job, sizes differ", index.with(vars{WorldVar: "5"}), Flags{World: 4, WorldSet: true}, "",
			[]string{"--world=4", "BATCHSCORE_WORLD=5"}},
		{"size of an Indexed Job without index", vars{WorldVar: "5"}, Flags{}, "", []string{"JOB_COMPLETION_INDEX (not set)", "BATCHSCORE_WORLD=5"}},
		{"local rank not below local size", torch.with(vars{"LOCAL_RANK": "2"}), Flags{}, "", []string{"LOCAL_RANK=2", "LOCAL_WORLD_SIZE=2"}},
		{"batch script without srun", sbatch, Flags{}, "", []string{"SLURM_PROCID=0", "SLURM_NTASKS=8", "srun"}},
		{"batch step by its number", sbatch.with(vars{"SLURM_STEP_ID": "4294967291"}), Flags{}, "", []string{"SLURM_NTASKS=8", "srun"}},
		{"batch step by its name", sbatch.with(vars{"SLURM_STEPID": "batch"}), Flags{}, "", []string{"srun"}},
		{"batch script of two nodes, tasks not given", vars{"SLURM_PROCID": "0", "SLURM_JOB_NUM_NODES": "2"}, Flags{}, "",
			[]string{"SLURM_JOB_NUM_NODES=2", "srun"}},
		{"shell of an allocation", vars{"SLURM_NTASKS": "4"}, Flags{}, "", []string{"SLURM_PROCID (not set)", "SLURM_NTASKS=4", "srun"}},
		{"Slurm rank alone", vars{"SLURM_PROCID": "2"}, Flags{}, "", []string{"SLURM_PROCID=2", "SLURM_NTASKS (not set)"}},
		{"traces of Open MPI", vars{"OMPI_UNIVERSE_SIZE": "4"}, Flags{}, "", []string{"OMPI_UNIVERSE_SIZE", "OMPI_COMM_WORLD_RANK"}},
		{"PMIx without a rank we know", vars{"PMIX_RANK": "2"}, Flags{}, "", []string{`PMIX_RANK="2"`}},
		{"local rank only", vars{"LOCAL_RANK": "1"}, Flags{}, "", []string{"LOCAL_RANK"}},
		{"beneath mpirun without variables", nil, Flags{}, "/usr/bin/orted", []string{"orted", "OMPI_COMM_WORLD_RANK"}},
		{"beneath slurmstepd without variables", nil, Flags{}, "slurmstepd", []string{"slurmstepd", "SLURM_PROCID"}},
		{"beneath a launcher whose name is cut", nil, Flags{}, "hydra_pmi_proxy"[:15], []string{"hydra_pmi_proxy"}},
		{"the same, longer", nil, Flags{}, "hydra_bstrap_proxy"[:15], []string{"hydra_bstrap_pr"}},
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
			t.Errorf("%s: %+v beside the error", tt.name, got)
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
