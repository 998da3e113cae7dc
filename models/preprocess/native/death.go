package native

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// A helper that uses no processor time and waits for nothing but itself, in every one of
// idleSteps looks, is stuck. The time that a loaded machine takes from it does not count.
var (
	idleStep  = time.Second
	idleSteps = 30
)

// killed is how a helper died that the kernel ended for want of memory, or somebody.
const killed = "was killed"

const stuck = "waited for something that never comes"

// A watch finds out whether a process does nothing.
type watch struct {
	ticks uint64
	looks int
}

// idle looks at a process, and reports whether it has done nothing for long enough.
func (w *watch) idle(pid int) bool {
	ticks, sleeps := activity(pid)
	if !sleeps || ticks != w.ticks {
		w.ticks, w.looks = ticks, 0
		return false
	}
	w.looks++
	return w.looks >= idleSteps
}

// activity returns the processor time that the threads of a process have used, and whether
// all of them sleep.
func activity(pid int) (ticks uint64, sleeps bool) {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(threads) == 0 {
		return 0, false
	}
	sleeps = true
	for _, t := range threads {
		b, err := os.ReadFile(t)
		if err != nil {
			continue // it has ended
		}
		_, rest, _ := bytes.Cut(b, []byte(") "))
		fields := strings.Fields(string(rest))
		const user, system = 11, 12 // from the state on
		if len(fields) <= system {
			return 0, false
		}
		sleeps = sleeps && fields[0] == "S"
		for _, f := range []string{fields[user], fields[system]} {
			n, err := strconv.ParseUint(f, 10, 64)
			if err != nil {
				return 0, false
			}
			ticks += n
		}
	}
	return ticks, sleeps
}

// died waits for the end of the helper and says how it ended, in words that depend on
// nothing else.
func (h *helper) died() string {
	_ = h.cmd.Wait() // what it returns is in the state
	if report := h.stderr.String(); report != "" {
		lastReport.Store(&report)
	}
	state, ok := h.cmd.ProcessState.Sys().(syscall.WaitStatus)
	switch {
	case h.idle:
		return stuck
	case !ok:
		return killed
	case !state.Signaled():
		return fmt.Sprintf("ended with exit status %d", state.ExitStatus())
	case state.Signal() == syscall.SIGXCPU:
		return "took too much processor time"
	case state.Signal() == syscall.SIGKILL:
		return killed
	}
	return "crashed (" + unix.SignalName(state.Signal()) + ")"
}
