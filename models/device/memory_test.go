package device

import (
	"math"
	"testing"
)

func TestMemoryLimit(t *testing.T) {
	const (
		machine = "MemTotal:       16777216 kB\nMemFree: 1 kB\nMemAvailable:   8388608 kB\n" // 16 and 8 GiB
		v2      = "0::/jobs/a\n"
		v1      = "5:memory:/jobs/a\n4:cpu:/\n"
		none    = "9223372036854771712\n" // version 1 has no word for it
	)
	for name, test := range map[string]struct {
		files       map[string]string
		limit, free int64
		from        string
	}{
		"the machine":      {files: map[string]string{"proc/meminfo": machine}, limit: 16 << 30, free: 8 << 30, from: "the machine's memory"},
		"nothing readable": {free: math.MaxInt64},
		"version 2": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/memory.max": "1073741824\n", "sys/fs/cgroup/jobs/a/memory.current": "805306368\n",
			"sys/fs/cgroup/jobs/a/memory.stat": "anon 268435456\nfile 536870912\ninactive_file 268435456\n"},
			limit: 1 << 30, free: 512 << 20, from: "the control group's memory.max"},
		"version 2 without limit": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/memory.max": "max\n", "sys/fs/cgroup/jobs/a/memory.high": "max\n", "sys/fs/cgroup/jobs/a/memory.current": "805306368\n"},
			limit: 16 << 30, free: 8 << 30, from: "the machine's memory"},
		"memory.high below memory.max": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/memory.max": "2147483648\n", "sys/fs/cgroup/jobs/a/memory.high": "1073741824\n"},
			limit: 1 << 30, free: 1 << 30, from: "the control group's memory.high"},
		"the group above": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v2,
			"sys/fs/cgroup/jobs/a/memory.max": "2147483648\n", "sys/fs/cgroup/jobs/memory.max": "1073741824\n", "sys/fs/cgroup/jobs/memory.current": "1073741824\n"},
			limit: 1 << 30, free: 0, from: "the control group's memory.max"},
		"a container's own mount": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": "0::/\n",
			"sys/fs/cgroup/memory.max": "1073741824\n"}, limit: 1 << 30, free: 1 << 30, from: "the control group's memory.max"},
		"version 1": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v1,
			"sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes": "1073741824\n", "sys/fs/cgroup/memory/memory.limit_in_bytes": none,
			"sys/fs/cgroup/memory/jobs/a/memory.usage_in_bytes": "805306368\n",
			"sys/fs/cgroup/memory/jobs/a/memory.stat":           "inactive_file 1\ntotal_inactive_file 268435456\n"},
			limit: 1 << 30, free: 512 << 20, from: "the control group's memory.limit_in_bytes"},
		"version 1 above": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v1,
			"sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes": none, "sys/fs/cgroup/memory/jobs/memory.limit_in_bytes": "1073741824\n"},
			limit: 1 << 30, free: 1 << 30, from: "the control group's memory.limit_in_bytes"},
		"version 1 without limit": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v1,
			"sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes": none}, limit: 16 << 30, free: 8 << 30, from: "the machine's memory"},
		"both versions mounted": {files: map[string]string{"proc/meminfo": machine, "proc/self/cgroup": v1 + "0::/b\n",
			"sys/fs/cgroup/memory/jobs/a/memory.limit_in_bytes": "2147483648\n", "sys/fs/cgroup/unified/b/memory.max": "1073741824\n"},
			limit: 1 << 30, free: 1 << 30, from: "the control group's memory.max"},
	} {
		t.Run(name, func(t *testing.T) {
			root := tree(t, test.files)
			if got := memoryLimit(root); got.Limit != test.limit || got.From != test.from {
				t.Errorf("the limit is %+v, want %d from %q", got, test.limit, test.from)
			}
			if got := freeMemory(root); got != test.free {
				t.Errorf("%d bytes are free, want %d", got, test.free)
			}
		})
	}
}

func TestThisMachinesMemory(t *testing.T) {
	m := MemoryLimit()
	if m.Limit < 64<<20 || m.Limit > 1<<50 || m.From == "" {
		t.Errorf("the limit is %+v", m)
	}
	if free := FreeMemory(); free <= 0 || free > m.Limit {
		t.Errorf("%d bytes are free of %d", free, m.Limit)
	}
}
