package main

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/scorer"
)

// overdueAfter is how long after a request to stop the process is ended if it has not
// ended by itself. Go cannot interrupt a call into a library, and one into the driver of
// a GPU may never return. Its memory must not be freed while it runs, so nothing less
// than the end of the process ends it. Parts are created whole, so none is damaged.
const overdueAfter = scorer.DefaultGrace + 5*time.Second

// endLate calls overdue with the exit code for the reason if the run is not over a while
// after stop was closed, or after the deadline, which is none if it is 0. The run is over
// when the returned function is called.
func endLate(stop <-chan struct{}, deadline time.Duration, overdue func(code int)) (over func()) {
	done := make(chan struct{})
	go func() {
		var end <-chan time.Time
		if deadline > 0 {
			timer := time.NewTimer(deadline)
			defer timer.Stop()
			end = timer.C
		}
		code := 0
		select {
		case <-done:
			return
		case <-stop:
			code = exitCode(scorer.ErrStopped, nil)
		case <-end:
			code = exitCode(scorer.ErrPaused, nil)
		}
		// A signal has a watch of its own, with the code of that signal, which comes first.
		late := time.NewTimer(overdueAfter + time.Second/2)
		defer late.Stop()
		select {
		case <-done:
		case <-late.C:
			overdue(code)
		}
	}()
	return func() { close(done) }
}

// endOverdue says what still runs, and ends the process.
func endOverdue(stderr io.Writer, cmd *cobra.Command, code int) {
	text := fmt.Sprintf("the process has not ended %.0f s after it was asked to stop", overdueAfter.Seconds())
	if calls := nativeCalls(); len(calls) > 0 {
		text += ", because calls into libraries do not return (" + strings.Join(calls, ", ") + ")"
	}
	text += ", and is ended now; everything already committed is kept"
	endNow(stderr, cmd, code, text)
}

var nativeForm = regexp.MustCompile(`\b_Cfunc_(\w+)\(`)

// nativeCalls returns the C functions that run now, sorted.
func nativeCalls() []string {
	all := make([]byte, 1<<20)
	all = all[:runtime.Stack(all, true)]
	found := map[string]bool{}
	for _, stack := range strings.Split(string(all), "\n\n") {
		if m := nativeForm.FindStringSubmatch(stack); m != nil {
			found[m[1]] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}
