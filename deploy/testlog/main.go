// Command testlog reads the output of go test -json on standard input and
// prints what a person needs: a line for each package as go test prints it, the
// whole output of tests that failed, and the names of tests that were skipped. With
// -no-skips a skipped test is a failure, so that a machine that lacks something
// cannot pass without testing it.
package main

import (
	"bufio"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"strings"
)

func main() {
	noSkips := flag.Bool("no-skips", false, "fail when a test was skipped")
	flag.Parse()
	t, err := read(os.Stdin, os.Stdout)
	if err != nil {
		fmt.Fprintln(os.Stderr, "testlog:", err)
		os.Exit(1)
	}
	if !t.close(os.Stdout, *noSkips) {
		os.Exit(1)
	}
}

// An event is one line of go test -json; see go doc test2json.
type event struct {
	Action, Package, ImportPath, Test, Output string
}

// A tally counts the results of a run.
type tally struct {
	passed, failed int
	skipped        []string // package and test
	broken         bool     // a package failed to build, or failed outside its tests
}

// read prints the run from in to out as it progresses.
func read(in io.Reader, out io.Writer) (tally, error) {
	var t tally
	output := map[string]*strings.Builder{} // of tests that have not ended
	lines := bufio.NewReader(in)
	for {
		line, err := lines.ReadBytes('\n')
		if err == io.EOF && len(line) == 0 {
			return t, nil
		}
		if err != nil && err != io.EOF {
			return t, err
		}
		var e event
		if json.Unmarshal(line, &e) != nil || e.Action == "" {
			// What the go command itself says is not always JSON.
			if _, err := out.Write(line); err != nil {
				return t, err
			}
			continue
		}
		if err := t.take(e, output, out); err != nil {
			return t, err
		}
	}
}

func (t *tally) take(e event, output map[string]*strings.Builder, out io.Writer) error {
	key := e.Package + " " + e.Test
	switch e.Action {
	case "build-output":
		_, err := io.WriteString(out, e.Output)
		return err
	case "build-fail":
		t.broken = true
	case "output":
		if e.Test == "" {
			if e.Output == "PASS\n" || strings.Contains(e.Output, "[no test files]") {
				return nil
			}
			_, err := io.WriteString(out, e.Output)
			return err
		}
		if output[key] == nil {
			output[key] = new(strings.Builder)
		}
		output[key].WriteString(e.Output)
	case "pass":
		if e.Test != "" {
			t.passed++
		}
		delete(output, key)
	case "skip":
		if e.Test != "" {
			t.skipped = append(t.skipped, e.Package+" "+e.Test+reason(output[key]))
		}
		delete(output, key)
	case "fail":
		if e.Test == "" {
			t.broken = true
			return t.unfinished(e.Package, output, out)
		}
		t.failed++
		if b := output[key]; b != nil {
			if _, err := io.WriteString(out, b.String()); err != nil {
				return err
			}
		}
		delete(output, key)
	}
	return nil
}

// unfinished prints the output of tests that had not ended when their package did,
// for instance because of a crash.
func (t *tally) unfinished(pkg string, output map[string]*strings.Builder, out io.Writer) error {
	for key, b := range output {
		if strings.HasPrefix(key, pkg+" ") {
			if _, err := io.WriteString(out, b.String()); err != nil {
				return err
			}
			delete(output, key)
		}
	}
	return nil
}

// reason returns the reason in a skipped test's output, if there is one.
func reason(output *strings.Builder) string {
	if output == nil {
		return ""
	}
	for line := range strings.Lines(output.String()) {
		line = strings.TrimSpace(line)
		if line != "" && !strings.HasPrefix(line, "===") && !strings.HasPrefix(line, "---") {
			return ": " + line
		}
	}
	return ""
}

// close prints the totals of the run and reports whether it succeeded.
func (t tally) close(out io.Writer, noSkips bool) bool {
	for _, s := range t.skipped {
		fmt.Fprintln(out, "SKIP", s)
	}
	good := t.failed == 0 && !t.broken
	if noSkips && len(t.skipped) > 0 {
		fmt.Fprintln(out, "FAIL: tests were skipped, and here none may be")
		good = false
	}
	if t.passed+t.failed == 0 {
		fmt.Fprintln(out, "FAIL: no test ran")
		good = false
	}
	fmt.Fprintf(out, "%d passed, %d failed, %d skipped\n", t.passed, t.failed, len(t.skipped))
	return good
}
