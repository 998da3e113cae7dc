package device

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Memory is how much memory the processes of this control group may use, and why.
type Memory struct {
	// Limit is that figure in bytes: the smallest limit of the control group and of
	// those above it, or the machine's memory if that is less. It is 0 if none of them
	// can be read.
	Limit int64
	// From says where Limit comes from, such as "the control group's memory.max".
	From string
}

// MemoryLimit returns how much memory this process and the others of its control group
// may use together. Swap does not count.
func MemoryLimit() Memory { return memoryLimit("/") }

// FreeMemory returns how much memory this process can have now before a limit is reached:
// what the control group, those above it and the machine have left, not counting files
// that the kernel can drop. It returns math.MaxInt64 if that cannot be read.
func FreeMemory() int64 { return freeMemory("/") }

// limitFiles are the limits of a control group: two of version 2, of which memory.high
// only slows its processes down, but to a standstill, and that of version 1.
var limitFiles = []string{"memory.max", "memory.high", "memory.limit_in_bytes"}

func memoryLimit(root string) Memory {
	m := Memory{Limit: machineMemory(root, "MemTotal"), From: "the machine's memory"}
	if m.Limit == 0 {
		m.From = ""
	}
	for _, folder := range cgroups(root, "memory") {
		for _, name := range limitFiles {
			// No limit is "max", or a number beyond any machine's memory.
			if n := bytesIn(folder, name); n > 0 && (m.Limit == 0 || n < m.Limit) {
				m = Memory{Limit: n, From: "the control group's " + name}
			}
		}
	}
	return m
}

func freeMemory(root string) int64 {
	free := int64(math.MaxInt64)
	if n := machineMemory(root, "MemAvailable"); n > 0 {
		free = n
	}
	for _, folder := range cgroups(root, "memory") {
		used := max(bytesIn(folder, "memory.current"), bytesIn(folder, "memory.usage_in_bytes"))
		used -= droppable(folder)
		for _, name := range limitFiles {
			if n := bytesIn(folder, name); n > 0 {
				free = min(free, max(n-used, 0))
			}
		}
	}
	return free
}

// droppable returns the bytes of files that a control group has in memory and the kernel
// drops when it needs room.
func droppable(folder string) int64 {
	values := map[string]int64{}
	for line := range strings.Lines(read(folder, "memory.stat")) {
		var name string
		var n int64
		if _, err := fmt.Sscan(line, &name, &n); err == nil {
			values[name] = n
		}
	}
	if _, v1 := values["total_inactive_file"]; v1 { // with the groups below it
		return values["total_inactive_file"]
	}
	return values["inactive_file"]
}

// machineMemory returns a value of /proc/meminfo in bytes; 0 if it is not there.
func machineMemory(root, key string) int64 {
	for line := range strings.Lines(read(root, "proc/meminfo")) {
		name, value, _ := strings.Cut(line, ":")
		if name != key {
			continue
		}
		n, err := strconv.ParseInt(strings.TrimSuffix(strings.TrimSpace(value), " kB"), 10, 64)
		if err != nil {
			return 0
		}
		return n << 10
	}
	return 0
}

// bytesIn returns the number in a file; 0 if there is none.
func bytesIn(folder, name string) int64 {
	n, err := strconv.ParseInt(read(folder, name), 10, 64)
	if err != nil {
		return 0
	}
	return n
}
