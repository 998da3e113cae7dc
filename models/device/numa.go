package device

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"

	"golang.org/x/sys/unix"
)

// bound is what Bind has done to this process.
var bound struct {
	sync.Mutex
	before unix.CPUSet // the affinity mask before
	share  int         // cores of this rank; 0 if the process is not bound
}

// Near is the cores near the GPU of a rank.
type Near struct {
	// Node is the NUMA node.
	Node int
	// CPUs are its cores, in order, and Share how many of them are this rank's.
	CPUs  []int
	Share int
}

// Bind binds all threads of this process, and those that they start, to the cores near
// the GPU of a local rank. It does so if the machine has several NUMA nodes and the
// process may use all of its cores; a launcher that has chosen cores knows better. It
// returns false if it has done nothing. CPUs then counts this rank's share of these cores.
func Bind(localRank, localSize int) (Near, bool, error) {
	var mask unix.CPUSet
	if err := unix.SchedGetaffinity(0, &mask); err != nil {
		return Near{}, false, nil //nolint:nilerr // a mask that cannot be read is left alone
	}
	if mask.Count() < cpus(1, gpuRoot(), mask.Count(), "").Online {
		return Near{}, false, nil
	}
	near, ok := GPUs().near(gpuRoot(), localRank, localSize, mask.IsSet)
	if !ok {
		return Near{}, false, nil
	}
	var narrow unix.CPUSet
	for _, cpu := range near.CPUs {
		narrow.Set(cpu)
	}
	if err := setAffinity(&narrow); err != nil {
		return near, false, fmt.Errorf("bind to the cores of NUMA node %d: %w", near.Node, err)
	}
	bound.Lock()
	defer bound.Unlock()
	bound.before, bound.share = mask, near.Share
	return near, true, nil
}

// Unbind undoes Bind, for a rank that computes on the CPU after all.
func Unbind() error {
	bound.Lock()
	defer bound.Unlock()
	if bound.share == 0 {
		return nil
	}
	bound.share = 0
	return setAffinity(&bound.before)
}

// boundShare returns the cores of this rank if Bind has chosen them, else 0.
func boundShare() int {
	bound.Lock()
	defer bound.Unlock()
	return bound.share
}

// near returns the cores of the NUMA node of a local rank's GPU, without those that the
// process may not use; false if there is one node, or the GPU's is unknown.
func (l GPUList) near(root string, localRank, localSize int, usable func(cpu int) bool) (Near, bool) {
	nodes, _ := filepath.Glob(filepath.Join(root, "sys/devices/system/node/node[0-9]*"))
	if len(nodes) < 2 || l.Visible() == 0 {
		return Near{}, false
	}
	node := func(rank int) int { return l.Of(l.Choose(rank).Device).Node }
	near := Near{Node: node(localRank)}
	if near.Node < 0 {
		return Near{}, false
	}
	list := members(read(root, fmt.Sprintf("sys/devices/system/node/node%d/cpulist", near.Node)))
	near.CPUs = slices.DeleteFunc(list, func(cpu int) bool { return !usable(cpu) })
	ranks := 0
	for rank := range max(localSize, 1) {
		if localSize <= 1 || node(rank) == near.Node {
			ranks++
		}
	}
	if l.Restricted && l.Visible() == 1 {
		// Each rank sees its own GPU. How many are near the same node is unknown: they
		// are taken to be spread evenly.
		ranks = (max(localSize, 1) + len(nodes) - 1) / len(nodes)
	}
	near.Share = max(len(near.CPUs)/max(ranks, 1), 1)
	return near, len(near.CPUs) > 0
}

// members returns the members of a list such as "0-3,8".
func members(text string) []int {
	var all []int
	for part := range strings.SplitSeq(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		if !isRange {
			last = first
		}
		lo, hi := number(first), number(last)
		for cpu := lo; lo >= 0 && cpu <= hi; cpu++ {
			all = append(all, cpu)
		}
	}
	return all
}

// setAffinity sets the mask of all threads of this process. A thread inherits that of
// the one that starts it, so the list is read until it has no new ones.
func setAffinity(mask *unix.CPUSet) error {
	done := map[int]bool{}
	for {
		threads, err := os.ReadDir("/proc/self/task")
		if err != nil {
			return err
		}
		before := len(done)
		for _, t := range threads {
			id, err := strconv.Atoi(t.Name())
			if err != nil || done[id] {
				continue
			}
			if err := unix.SchedSetaffinity(id, mask); err != nil && err != unix.ESRCH {
				return err
			}
			done[id] = true
		}
		if len(done) == before {
			return nil
		}
	}
}
