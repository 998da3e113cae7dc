package main

import (
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"
)

// A result is what became of a target.
type result struct {
	target
	took   time.Duration
	cpu    time.Duration // of all processors
	inputs int
	fresh  int    // inputs that reached new code
	corpus int    // inputs that the run started from, and those
	crash  string // the file of an input that failed, in the package
	report string // what the target printed of that
	broken string // why the target did not run
}

var (
	progress = regexp.MustCompile(`^fuzz: elapsed: \S+, execs: (\d+) \(\d+/sec\)(?:, new interesting: (\d+) \(total: (\d+)\))?`)
	crashed  = regexp.MustCompile(`^\s*Failing input written to (\S+)`)
	// A seed fails without a file being written.
	failedSeed = regexp.MustCompile(`^\s*failure while testing seed corpus entry: \w+/(\S+)`)
)

// read reads what a target printed.
func read(text string) (r result) {
	var report strings.Builder
	for line := range strings.Lines(text) {
		if m := progress.FindStringSubmatch(line); m != nil {
			r.inputs, _ = strconv.Atoi(m[1])
			r.fresh, _ = strconv.Atoi(m[2])
			r.corpus, _ = strconv.Atoi(m[3])
			continue
		}
		if m := crashed.FindStringSubmatch(line); m != nil {
			r.crash = m[1]
		} else if m := failedSeed.FindStringSubmatch(line); m != nil {
			r.crash = m[1]
		}
		if !strings.HasPrefix(line, "fuzz: elapsed:") {
			report.WriteString(line)
		}
	}
	if r.crash != "" {
		r.report = report.String()
	}
	return r
}

// rates returns the inputs per second and per second of a processor, which does not depend
// on what else the machine does, both with the time that it took to start.
func (r result) rates() (perSecond, perCPU float64) {
	return float64(r.inputs) / max(r.took.Seconds(), 1e-3), float64(r.inputs) / max(r.cpu.Seconds(), 1e-3)
}

// line is said of a target when it has ended.
func (r result) line() string {
	name := r.pkg + " " + r.name
	switch {
	case r.broken != "":
		return name + ": did not run: " + r.broken
	case r.crash != "":
		return name + ": FAILED\n" + r.report
	}
	return fmt.Sprintf("%s: %d inputs in %.0f s, %.0f s of a processor", name, r.inputs, r.took.Seconds(), r.cpu.Seconds())
}

// table prints all results and how to reproduce the failures, and reports whether there
// are none.
func table(out io.Writer, results []result, o options) (good bool) {
	good = len(results) > 0
	fmt.Fprintln(out)
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', tabwriter.AlignRight)
	fmt.Fprintln(w, "inputs\t/s\t/CPU s\tnew\tcorpus\tresult\t  target")
	for _, r := range results {
		verdict := "ok"
		switch {
		case r.broken != "":
			verdict = "DID NOT RUN"
		case r.crash != "":
			verdict = "FAILED"
		case r.inputs < o.least:
			verdict = "TOO FEW"
		}
		good = good && verdict == "ok"
		perSecond, perCPU := r.rates()
		fmt.Fprintf(w, "%d\t%.0f\t%.0f\t%d\t%d\t%s\t  %s %s\n", r.inputs, perSecond, perCPU, r.fresh, r.corpus, verdict, r.pkg, r.name)
	}
	_ = w.Flush() // as Fprintf, it writes text for a person
	for _, r := range results {
		if r.crash != "" {
			fmt.Fprintf(out, "\n%s %s failed; to reproduce: %s\n", r.pkg, r.name, r.reproduce(o))
		}
	}
	return good
}

// reproduce returns the command that runs the input that failed.
func (r result) reproduce(o options) string {
	name := r.crash[strings.LastIndexByte(r.crash, '/')+1:]
	command := fmt.Sprintf("go test -count=1 -run '^%s$/^%s$' ./%s", r.name, name, r.pkg)
	if !o.asan {
		return command
	}
	var env string
	for _, v := range []string{"CGO_CFLAGS", "CGO_LDFLAGS"} {
		if value := os.Getenv(v); value != "" {
			env += v + "='" + value + "' "
		}
	}
	return env + strings.Replace(command, "go test", "go test -asan -ldflags='-s=false -w=false'", 1)
}
