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
// idleSteps looks, is stuck, and so is one that waits in ten times as many looks, although it
// does something at times. The time that a loaded machine takes from it does not count. One
// that somebody has stopped for as long is killed: the image is not to blame.
var (
	idleStep  = time.Second
	idleSteps = 30
)

// killed is how a helper died that the kernel ended for want of memory, or somebody.
const killed = "was killed"

const stuck = "waited for something that never comes"

// A watch finds out whether a process does nothing.
type watch struct {
	ticks   uint64
	looks   int // since it last did something
	asleep  int // looks at which it slept
	stopped int // looks at which it was stopped, one after another
}

// look looks at a process, and reports whether it has done nothing for long enough, of its own
// or because somebody has stopped it.
func (w *watch) look(pid int) (idle, stopped bool) { return w.saw(activity(pid)) }

// saw is look for a process of which activity has returned this.
func (w *watch) saw(ticks uint64, sleeps, stops bool) (idle, stopped bool) {
	if stops {
		w.stopped++
		return false, w.stopped >= idleSteps
	}
	w.stopped = 0
	if sleeps {
		w.asleep++
	}
	w.looks++
	if !sleeps || ticks != w.ticks {
		w.ticks, w.looks = ticks, 0
	}
	return w.looks >= idleSteps || w.asleep >= 10*idleSteps, false
}

// activity returns the processor time that the threads of a process have used, whether all of
// them sleep, and whether one is stopped.
func activity(pid int) (ticks uint64, sleeps, stops bool) {
	threads, err := filepath.Glob("/proc/" + strconv.Itoa(pid) + "/task/*/stat")
	if err != nil || len(threads) == 0 {
		return 0, false, false
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
			return 0, false, false
		}
		sleeps = sleeps && fields[0] == "S"
		stops = stops || fields[0] == "T" || fields[0] == "t"
		for _, f := range []string{fields[user], fields[system]} {
			n, err := strconv.ParseUint(f, 10, 64)
			if err != nil {
				return 0, false, false
			}
			ticks += n
		}
	}
	return ticks, sleeps, stops
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
