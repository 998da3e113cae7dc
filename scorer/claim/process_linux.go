package claim

import (
	"bytes"
	"fmt"
	"os"
	"strconv"
	"strings"
	"syscall"
)

func bootID() string {
	id, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(id))
}

func pidNamespace() string {
	ns, err := os.Readlink("/proc/self/ns/pid")
	if err != nil {
		return ""
	}
	return ns
}

// processStart returns when a process started, in clock ticks since boot. The
// result is false for a process that does not exist, is a zombie, or cannot be
// seen.
func processStart(pid int) (uint64, bool) {
	stat, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return 0, false
	}
	// The name in parentheses may contain anything, so count from its end: the
	// state is the first field after it and the start time is the 20th.
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 20 || string(fields[0]) == "Z" || string(fields[0]) == "X" {
		return 0, false
	}
	start, err := strconv.ParseUint(string(fields[19]), 10, 64)
	return start, err == nil
}

// Running reports whether the process of a worker on this machine still runs.
func (w *Worker) Running() bool {
	if start, ok := processStart(w.PID); ok {
		return start == w.PIDStart
	}
	// If /proc is mounted with hidepid, processes of other users are invisible,
	// but sending them a signal is refused rather than impossible.
	return syscall.Kill(w.PID, 0) == syscall.EPERM
}
