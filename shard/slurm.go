package shard

import (
	"strconv"
	"strings"
)

// firstSpecialStep is the lowest of the step numbers that Slurm gives to the batch
// script, the interactive shell and the external step. Those of srun are below.
const firstSpecialStep = 0xfffffff0

// slurm reads the variables of a task. A batch script sees SLURM_PROCID=0, as if it
// were the first of SLURM_NTASKS tasks, although the others were never started.
// That is an error unless placed is true: something else gives the rank.
func (e env) slurm(placed bool) (source, error) {
	s := source{launcher: slurm}
	for _, v := range []struct {
		to   *value
		name string
	}{{&s.rank, "SLURM_PROCID"}, {&s.size, "SLURM_NTASKS"}, {&s.localRank, "SLURM_LOCALID"}} {
		var err error
		if *v.to, err = e.number(v.name); err != nil {
			return s, err
		}
	}
	if e.slurmStep() {
		s.localSize = e.slurmLocalSize()
		return s, nil
	}
	if placed || !s.rank.set && s.size.n <= 1 {
		return source{}, nil
	}
	nodes := e.slurmNodes()
	switch {
	case s.size.n > 1, !s.size.set && nodes.n > 1:
		asked := s.size
		if !asked.set {
			asked = nodes
		}
		return s, configErrorf("%s and %s without SLURM_STEP_ID: this is not a task of srun but the batch script or "+
			"shell of the job, which runs once; start the workers with srun (srun batchscore run ...), "+
			"or give --rank 0 --world 1 to run just one", s.rank, asked)
	case !s.size.set && nodes.set && s.rank.n == 0:
		s.size = value{name: nodes.name, n: 1, set: true} // one node, one script
	}
	return s, nil
}

// slurmStep reports whether this is a task of srun, not the batch script.
func (e env) slurmStep() bool {
	for _, name := range []string{"SLURM_STEP_ID", "SLURM_STEPID"} {
		if text, ok := e.lookup(name); ok {
			n, err := strconv.ParseUint(text, 10, 32)
			return err == nil && n < firstSpecialStep
		}
	}
	return false
}

func (e env) slurmNodes() value {
	for _, name := range []string{"SLURM_JOB_NUM_NODES", "SLURM_NNODES"} {
		if v, err := e.number(name); err == nil && v.set {
			return v
		}
	}
	return value{name: "SLURM_JOB_NUM_NODES"}
}

// slurmLocalSize returns this node's count in a list such as "4(x2),3", which means
// 4, 4, 3. A list that cannot be parsed counts as not set.
func (e env) slurmLocalSize() value {
	const name = "SLURM_STEP_TASKS_PER_NODE"
	none := value{name: name}
	list, ok := e.lookup(name)
	node, err := e.number("SLURM_NODEID")
	if !ok || err != nil || !node.set {
		return none
	}
	at := 0
	for item := range strings.SplitSeq(list, ",") {
		count, rest, repeated := strings.Cut(item, "(x")
		times := 1
		if repeated {
			if times, err = strconv.Atoi(strings.TrimSuffix(rest, ")")); err != nil {
				return none
			}
		}
		n, err := strconv.Atoi(count)
		if err != nil || n < 1 || times < 1 {
			return none
		}
		if at += times; node.n < at {
			return value{name: name, n: n, set: true}
		}
	}
	return none
}
