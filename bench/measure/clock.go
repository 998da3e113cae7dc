package measure

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// CPUTime returns the processor time that this process has used, in all threads.
func CPUTime() time.Duration {
	var t unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_PROCESS_CPUTIME_ID, &t); err != nil {
		panic(err) // Linux has had this clock since 2.6.12
	}
	return time.Duration(t.Nano())
}

// childrenTime returns the processor time that the child processes have used that are still
// there, such as those of native decoders, but for one.
func childrenTime(but int) time.Duration {
	lists, err := filepath.Glob("/proc/self/task/*/children")
	if err != nil {
		return 0
	}
	total := time.Duration(0)
	for _, list := range lists {
		text, err := os.ReadFile(list)
		if err != nil {
			continue // a thread that has ended
		}
		for _, word := range strings.Fields(string(text)) {
			const ofProcess = 2 // CPUCLOCK_SCHED, without the bit of a thread
			var t unix.Timespec
			if pid, err := strconv.Atoi(word); err == nil && pid != but && unix.ClockGettime(int32(^pid<<3|ofProcess), &t) == nil {
				total += time.Duration(t.Nano())
			}
		}
	}
	return total
}
