package device

import (
	"fmt"
	"slices"
	"strings"
)

// groupFiles are the limits of a control group and what it has used, in version 2 and in
// version 1, by controller.
var groupFiles = map[string][]string{
	"cpu":    {"cpu.max", "cpu.weight", "cpu.cfs_quota_us", "cpu.cfs_period_us", "cpu.shares"},
	"cpuset": {"cpuset.cpus.effective", "cpuset.effective_cpus", "cpuset.cpus"},
	"memory": {"memory.max", "memory.high", "memory.swap.max", "memory.current", "memory.peak", "memory.events",
		"memory.limit_in_bytes", "memory.max_usage_in_bytes", "memory.failcnt"},
	"pids": {"pids.max", "pids.current"},
}

// ControlGroups describes the limits of this process's control group and of those above
// it, one line for each file that says something.
func ControlGroups() string { return controlGroups("/") }

func controlGroups(root string) string {
	var lines []string
	for controller, names := range groupFiles {
		for _, folder := range cgroups(root, controller) {
			for _, name := range names {
				if text := read(folder, name); text != "" {
					lines = append(lines, fmt.Sprintf("%s/%s: %s\n", folder, name, strings.Join(strings.Fields(text), " ")))
				}
			}
		}
	}
	slices.Sort(lines)
	return strings.Join(slices.Compact(lines), "")
}
