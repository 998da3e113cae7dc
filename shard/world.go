package shard

import (
	"fmt"
	"path"
	"strconv"
	"strings"
)

// WorldVar is the variable with the number of workers, for launchers that tell each
// worker only its index, as an Indexed Job does.
const WorldVar = "BATCHSCORE_WORLD"

// World is the place of this process among the workers of a job.
type World struct {
	Rank, Size int // 0 <= Rank < Size
	// LocalRank and LocalSize count the workers of this machine. They are 0 and 1 if
	// the launcher does not provide them.
	LocalRank, LocalSize int
	// Placed reports whether the launcher provides them.
	Placed bool
	// Source names the flags or variables that gave Rank and Size.
	Source string
}

// Flags are --rank and --world as given on the command line.
type Flags struct {
	Rank, World       int
	RankSet, WorldSet bool
}

// ConfigError means that this process cannot know which worker it is. If it
// continued, several workers might do the same work.
type ConfigError struct {
	// Problem is one sentence that names the flags or variables, their values and the
	// remedy.
	Problem string
}

func (e *ConfigError) Error() string { return "rank and world: " + e.Problem }

func configErrorf(format string, args ...any) error {
	return &ConfigError{Problem: fmt.Sprintf(format, args...)}
}

// FromEnv determines this process's place from the flags and from the variables of
// launchers: Open MPI, PMI (Hydra, Intel MPI), torchrun (Azure ML), Slurm and
// Indexed Jobs, in this order. Sources that contradict one another are an error,
// except that Slurm's variables are ignored under mpirun, where they describe the
// daemons. Without any source the world is one worker, unless there is a sign of a
// launcher: a variable that only launchers set, or a launcher's name in under, the
// name of the parent process ("" if unknown).
//
// Every error is a *ConfigError.
func FromEnv(lookup func(string) (string, bool), f Flags, under string) (World, error) {
	e := env{lookup: lookup}
	sources, err := e.sources(f)
	if err != nil {
		return World{}, err
	}
	if len(sources) == 0 {
		if err := e.noTrace(under); err != nil {
			return World{}, err
		}
		return World{Size: 1, LocalSize: 1, Source: "no launcher"}, nil
	}
	first := sources[0]
	if err := first.complete(); err != nil {
		return World{}, err
	}
	for _, other := range sources[1:] {
		if err := first.agrees(other); err != nil {
			return World{}, err
		}
	}
	w := World{Rank: first.rank.n, Size: first.size.n, LocalSize: 1, Source: first.names()}
	// Flags do not give the local rank; a launcher that agrees with them may.
	for _, s := range sources {
		if s.localRank.set {
			return w.withLocal(s)
		}
	}
	return w, nil
}

// withLocal returns w with the local rank of s.
func (w World) withLocal(s source) (World, error) {
	w.LocalRank, w.LocalSize, w.Placed = s.localRank.n, s.localRank.n+1, true
	if s.localSize.set {
		w.LocalSize = s.localSize.n
	}
	if w.LocalRank >= w.LocalSize {
		return World{}, configErrorf("%s is not below %s", s.localRank, s.localSize)
	}
	return w, nil
}

// value is a number together with the flag or variable that it came from.
type value struct {
	name string
	n    int
	set  bool
}

func (v value) String() string {
	if !v.set {
		return v.name + " (not set)"
	}
	return v.name + "=" + strconv.Itoa(v.n)
}

// source is what one launcher, or the flags, provide.
type source struct {
	launcher             string
	rank, size           value
	localRank, localSize value
}

func (s source) names() string {
	return s.launcher + " (" + s.rank.name + ", " + s.size.name + ")"
}

// complete returns an error unless the source gives a rank and a size that fit.
func (s source) complete() error {
	switch {
	case s.rank.set && !s.size.set && s.launcher == indexedJob:
		return configErrorf("%s says which worker this is, but not of how many; pass --world, or %s in the job's env",
			s.rank, WorldVar)
	case s.rank.set != s.size.set:
		return configErrorf("%s and %s belong together, and one is missing: %s, %s; set both, or unset both",
			s.rank.name, s.size.name, s.rank, s.size)
	case s.size.n < 1:
		return configErrorf("%s: there must be at least 1 worker", s.size)
	case s.rank.n >= s.size.n:
		return configErrorf("%s is not below %s; ranks count from 0", s.rank, s.size)
	}
	return nil
}

// agrees returns an error if a source of lower precedence contradicts s.
func (s source) agrees(o source) error {
	rank := !o.rank.set || o.rank.n == s.rank.n
	if !rank && o.launcher == indexedJob && !o.size.set && s.localSize.set && s.localSize.n > 0 {
		// With a launcher within each pod, the index counts pods, not workers.
		rank = o.rank.n == s.rank.n/s.localSize.n
	}
	if rank && (!o.size.set || o.size.n == s.size.n) {
		return nil
	}
	return configErrorf("%s says %s, %s, but %s says %s, %s; unset the ones that do not count",
		s.launcher, s.rank, s.size, o.launcher, o.rank, o.size)
}

// Names of the sources in messages.
const (
	flagsGiven = "flags"
	openMPI    = "Open MPI"
	pmi        = "PMI"
	torchrun   = "torchrun"
	slurm      = "Slurm"
	indexedJob = "Indexed Job"
)

// env reads variables.
type env struct {
	lookup func(string) (string, bool)
}

// sources returns the sources that give a rank or a size, in order of precedence.
func (e env) sources(f Flags) ([]source, error) {
	var all []source
	add := func(launcher, rank, size, localRank, localSize string) error {
		s := source{launcher: launcher}
		for _, v := range []struct {
			to   *value
			name string
		}{{&s.rank, rank}, {&s.size, size}, {&s.localRank, localRank}, {&s.localSize, localSize}} {
			var err error
			if *v.to, err = e.number(v.name); err != nil {
				return err
			}
		}
		if s.rank.set || s.size.set {
			all = append(all, s)
		}
		return nil
	}
	if err := add(openMPI, "OMPI_COMM_WORLD_RANK", "OMPI_COMM_WORLD_SIZE",
		"OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE"); err != nil {
		return nil, err
	}
	if err := add(pmi, "PMI_RANK", "PMI_SIZE", "MPI_LOCALRANKID", "MPI_LOCALNRANKS"); err != nil {
		return nil, err
	}
	mpi := len(all) > 0
	if err := add(torchrun, "RANK", "WORLD_SIZE", "LOCAL_RANK", "LOCAL_WORLD_SIZE"); err != nil {
		return nil, err
	}
	s, err := e.slurm(f.RankSet || len(all) > 0)
	switch {
	case mpi && (err != nil || all[0].agrees(s) != nil):
		// Under mpirun, Slurm counts daemons.
	case err != nil:
		return nil, err
	case s.rank.set || s.size.set:
		// Also under srun --mpi=pmi2, where it adds the local rank.
		all = append(all, s)
	}
	index, err := e.indexedJob()
	if err != nil {
		return nil, err
	}
	if index.rank.set || index.size.set {
		all = append(all, index)
	}
	return withFlags(f, all)
}

// withFlags puts the flags before the other sources. --world alone completes an
// Indexed Job's index; otherwise both flags are needed.
func withFlags(f Flags, all []source) ([]source, error) {
	if !f.RankSet && !f.WorldSet {
		return all, nil
	}
	s := source{
		launcher: flagsGiven,
		rank:     value{name: "--rank", n: f.Rank, set: f.RankSet},
		size:     value{name: "--world", n: f.World, set: f.WorldSet},
	}
	for _, v := range []value{s.rank, s.size} {
		if v.set && v.n < 0 {
			return nil, configErrorf("%s is negative", v)
		}
	}
	if !f.RankSet && len(all) == 1 && all[0].launcher == indexedJob && all[0].rank.set {
		index := all[0]
		if index.size.set && index.size.n != s.size.n {
			return nil, configErrorf("%s and %s differ; give one of them", s.size, index.size)
		}
		index.size = s.size
		return []source{index}, nil
	}
	return append([]source{s}, all...), nil
}

// indexedJob reads what a Kubernetes Indexed Job gives: only an index.
func (e env) indexedJob() (source, error) {
	s := source{launcher: indexedJob}
	var err error
	if s.rank, err = e.number("JOB_COMPLETION_INDEX"); err != nil {
		return s, err
	}
	s.size, err = e.number(WorldVar)
	return s, err
}

// number reads a variable with a count or a rank.
func (e env) number(name string) (value, error) {
	v := value{name: name}
	if name == "" {
		return v, nil
	}
	text, ok := e.lookup(name)
	if !ok {
		return v, nil
	}
	if text == "" {
		return v, configErrorf("%s is set and empty: unset it (unset %s), or give it its number", name, name)
	}
	n, err := strconv.Atoi(text)
	if err != nil || n < 0 {
		return v, configErrorf("%s=%q is not a whole number from 0 up", name, text)
	}
	v.n, v.set = n, true
	return v, nil
}

// traces are variables, other than the rank, that launchers set for each process
// they start. Variables that users set to configure a launcher are not among them.
var traces = []string{
	"OMPI_UNIVERSE_SIZE", "OMPI_COMM_WORLD_LOCAL_RANK", "OMPI_COMM_WORLD_LOCAL_SIZE",
	"OMPI_COMM_WORLD_NODE_RANK", "OMPI_MCA_ess_base_vpid", "PMIX_RANK", "PMIX_NAMESPACE",
	"PMI_FD", "PMI_PORT", "PMI_ID", "MPI_LOCALRANKID", "MPI_LOCALNRANKS", "HYDI_CONTROL_FD",
	"MV2_COMM_WORLD_RANK", "LOCAL_RANK", "LOCAL_WORLD_SIZE", "TORCHELASTIC_RUN_ID",
	"PALS_RANKID", "ALPS_APP_PE", "FLUX_TASK_RANK", "JSM_NAMESPACE_RANK",
}

// launchers are the names of processes whose children are ranks.
var launchers = []string{
	"mpirun", "mpiexec", "mpiexec.hydra", "orterun", "orted", "prterun", "prted", "hydra_pmi_proxy",
	"hydra_bstrap_proxy", "pmi_proxy", "slurmstepd", "torchrun",
}

// noTrace returns an error if a process that found no rank may be one of many that
// found none.
func (e env) noTrace(under string) error {
	const looked = "looked for OMPI_COMM_WORLD_RANK, PMI_RANK, RANK, SLURM_PROCID and JOB_COMPLETION_INDEX; " +
		"if there are several workers pass the launcher's variables on, or give --rank and --world; " +
		"if there is one, give --rank 0 --world 1"
	for _, name := range traces {
		switch text, ok := e.lookup(name); {
		case ok && text == "":
			return configErrorf("%s is set and empty: unset it (unset %s)", name, name)
		case ok:
			return configErrorf("%s=%q shows that a launcher started this process, but it gives no rank: %s",
				name, text, looked)
		}
	}
	// The kernel cuts a process's name to 15 bytes.
	for _, name := range launchers {
		if base := path.Base(under); base == name || len(base) == 15 && strings.HasPrefix(name, base) {
			return configErrorf("%s started this process, but gives no rank: %s", under, looked)
		}
	}
	return nil
}
