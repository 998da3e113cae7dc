// Package device finds the devices that this process may use: the cores of its affinity
// mask and its control group, and NVIDIA GPUs.
package device

import (
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// CPUSet is how many cores this process may use, and why.
type CPUSet struct {
	// Online is the cores of the machine, or of the container's set of cores.
	Online int
	// Mask is the cores of this process's affinity mask.
	Mask int
	// Quota is the control group's limit in cores; 0 means none.
	Quota float64
	// Shares is the control group's part of the machine, in cores as Kubernetes counts them,
	// if it differs from the default; 0 means that it does not. It binds only while others
	// compute, and only the group's neighbours know what they get. So it lowers nothing.
	Shares float64
	// Told is what the variable CPUsEnv says, in cores; 0 means nothing.
	Told float64
	// Usable is the cores to compute on; at least 1.
	Usable int
}

// CPUsEnv is the variable that says how many cores the processes of a container may take
// together, where no quota does: such as 2 or 0.5. Zero, and what is not a number, say nothing.
const CPUsEnv = "BATCHSCORE_CPUS"

// mostCPUs is more cores than any machine has, and few enough to be an int.
const mostCPUs = 1 << 20

// plainNumber matches the numbers that CPUsEnv may be: no hexadecimal ones, no infinity.
var plainNumber = regexp.MustCompile(`^\+?(\d+\.?\d*|\.\d+)([eE][+-]?\d+)?$`)

// CPUs counts the cores of this process, which is one of localSize on this machine (0
// means 1). A mask that a launcher has narrowed belongs to this process only. A mask of
// all cores, and the quota, are shared with the other processes.
//
// After Bind they are this rank's share of the cores near its GPU.
func CPUs(localSize int) CPUSet {
	c := cpus(localSize, "/", affinity(), os.Getenv(CPUsEnv))
	if share := boundShare(); share > 0 {
		c.Usable = min(c.Usable, share)
	}
	return c
}

// Processor returns the processor's name, or the architecture's if /proc/cpuinfo does not
// name one, as on arm64.
func Processor() string { return processor("/") }

func processor(root string) string {
	for line := range strings.Lines(read(root, "proc/cpuinfo")) {
		key, value, _ := strings.Cut(line, ":")
		if strings.TrimSpace(key) == "model name" {
			return strings.TrimSpace(value)
		}
	}
	return runtime.GOARCH
}

// affinity returns the number of cores in the affinity mask; 0 if unknown.
func affinity() int {
	var set unix.CPUSet
	if err := unix.SchedGetaffinity(os.Getpid(), &set); err != nil {
		return 0
	}
	return set.Count()
}

func cpus(localSize int, root string, mask int, told string) CPUSet {
	c := CPUSet{Mask: mask, Quota: quota(root), Shares: shares(root)}
	if plainNumber.MatchString(told) {
		// A range error returns infinity, which lowers nothing.
		n, _ := strconv.ParseFloat(told, 64)
		c.Told = min(n, mostCPUs)
	}
	c.Online = countList(read(root, "sys/devices/system/cpu/online"))
	for _, folder := range cgroups(root, "cpuset") {
		for _, name := range []string{"cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"} {
			if n := countList(read(folder, name)); n > 0 && (c.Online == 0 || n < c.Online) {
				c.Online = n
			}
		}
	}
	if c.Mask == 0 {
		c.Mask = max(c.Online, 1)
	}
	ranks := max(localSize, 1)
	c.Usable = c.Mask
	if c.Mask >= c.Online {
		c.Usable /= ranks
	}
	for _, bound := range []float64{c.Quota, c.Told} {
		if bound > 0 {
			c.Usable = min(c.Usable, int(min(bound, mostCPUs)/float64(ranks)))
		}
	}
	c.Usable = max(c.Usable, 1)
	return c
}

// quota returns the lowest limit of this process's control groups in cores; 0 means
// none.
func quota(root string) float64 {
	limit := math.Inf(1)
	for _, folder := range cgroups(root, "cpu") {
		// Version 2 has both numbers in one file, version 1 has two files.
		fields := strings.Fields(read(folder, "cpu.max"))
		if len(fields) == 0 {
			fields = strings.Fields(read(folder, "cpu.cfs_quota_us") + " " + read(folder, "cpu.cfs_period_us"))
		}
		if len(fields) != 2 {
			continue
		}
		allowed, err1 := strconv.ParseFloat(fields[0], 64)
		period, err2 := strconv.ParseFloat(fields[1], 64)
		if err1 == nil && err2 == nil && allowed > 0 && period > 0 {
			limit = min(limit, allowed/period)
		}
	}
	if math.IsInf(limit, 1) {
		return 0
	}
	return limit
}

// shares returns the shares or the weight of this process's control group, in cores as
// Kubernetes counts them; 0 if they are the default, or unknown.
func shares(root string) float64 {
	for _, folder := range cgroups(root, "cpu") {
		// The first that has one is the process's own.
		if n := bytesIn(folder, "cpu.weight"); n > 0 {
			if n == 100 {
				return 0
			}
			return (2 + float64(n-1)*262142/9999) / 1024 // the inverse of what container runtimes do
		}
		if n := bytesIn(folder, "cpu.shares"); n > 0 {
			if n == 1024 {
				return 0
			}
			return float64(n) / 1024
		}
	}
	return 0
}

// cgroups lists the folders of this process's control group and of those above it, under
// both versions' mount points for a controller. In a container, the process's own path may
// not be visible; its folder is then the root of the mount.
func cgroups(root, controller string) []string {
	mounts := map[string][]string{
		"":         {"sys/fs/cgroup", "sys/fs/cgroup/unified"}, // version 2
		controller: {"sys/fs/cgroup/" + controller},
	}
	var folders []string
	for _, line := range strings.Split(read(root, "proc/self/cgroup"), "\n") {
		parts := strings.SplitN(line, ":", 3)
		if len(parts) != 3 {
			continue
		}
		for _, name := range strings.Split(parts[1], ",") {
			for _, mount := range mounts[name] {
				for path := parts[2]; ; path = filepath.Dir(path) {
					folders = append(folders, filepath.Join(root, mount, path))
					if path == filepath.Dir(path) {
						break
					}
				}
			}
		}
	}
	return folders
}

func read(folder, name string) string {
	text, err := os.ReadFile(filepath.Join(folder, name))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(text))
}

// countList counts the members of a list such as "0-3,8"; 0 if it is not one.
func countList(text string) int {
	n := 0
	for _, part := range strings.Split(text, ",") {
		first, last, isRange := strings.Cut(part, "-")
		lo, err := strconv.Atoi(first)
		if err != nil {
			return 0
		}
		hi := lo
		if isRange {
			if hi, err = strconv.Atoi(last); err != nil {
				return 0
			}
		}
		n += hi - lo + 1
	}
	return n
}
