// Command fuzz runs every fuzz target of the module, one after another, and ends with a
// table: how many inputs each has run, how fast, how many of them reached new code, and
// which failed.
//
//	go run ./deploy/fuzz [-time 30s] [-cache FOLDER] [-run PATTERN] [PACKAGE...]
//
// The inputs that reached new code are kept in FOLDER/PACKAGE/TARGET, and the next run
// starts from them. An input that fails is kept in the package, under
// testdata/fuzz/TARGET, where go test runs it from then on.
//
// With -seeds it fuzzes nothing: it copies from FOLDER to testdata/fuzz the small
// inputs that reach code which those in testdata do not reach.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// options say how to fuzz.
type options struct {
	time     string // how long or, as 200x, how many inputs, for each target
	minimize string // the same, for making an input that reached new code smaller
	cache    string // folder of the inputs that reached new code
	run      *regexp.Regexp
	parallel int
	least    int  // fewest inputs that each target must run
	asan     bool // with AddressSanitizer, and by default only packages with C code
	race     bool // built as the tests are, so without following which code is reached
}

func main() {
	var o options
	flag.StringVar(&o.time, "time", "30s", "run each target for this long, or for this many inputs, as in 200x")
	// Making inputs smaller finds no fault, and by default takes up to a minute for each.
	flag.StringVar(&o.minimize, "minimize", "20x", "make an input that reached new code smaller for this long, or with this many tries")
	flag.StringVar(&o.cache, "cache", "", "keep the inputs that reached new code in this `folder`")
	pattern := flag.String("run", "", "run only the targets that match this `pattern`")
	flag.IntVar(&o.parallel, "parallel", 0, "processes of a target (as many as there are processors)")
	flag.IntVar(&o.least, "least", 1, "fail if a target has run fewer `inputs`")
	flag.BoolVar(&o.asan, "asan", false, "build with AddressSanitizer, and by default run only packages with C code")
	flag.BoolVar(&o.race, "race", false, "build with the race detector instead of following which code is reached")
	seeds := flag.Bool("seeds", false, "copy inputs that reach code of their own from the cache to testdata/fuzz")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	err := o.check(*pattern)
	if err == nil && *seeds {
		err = keepSeeds(ctx, os.Stdout, o, flag.Args())
	} else if err == nil {
		err = fuzz(ctx, os.Stdout, o, flag.Args())
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "fuzz:", err)
		os.Exit(1)
	}
}

func (o *options) check(pattern string) (err error) {
	if o.run, err = regexp.Compile(pattern); err != nil {
		return err
	}
	for name, value := range map[string]string{"-time": o.time, "-minimize": o.minimize} {
		number, inputs := strings.CutSuffix(value, "x")
		_, err := strconv.ParseUint(number, 10, 31)
		if !inputs {
			_, err = time.ParseDuration(value)
		}
		if err != nil {
			return fmt.Errorf("invalid value %q for %s: want a duration as 30s, or a number of inputs as 200x", value, name)
		}
	}
	if o.cache == "" {
		return errors.New("-cache is missing: name a folder for the inputs that reach new code")
	}
	o.cache, err = filepath.Abs(o.cache)
	return err
}

// fuzz runs the targets of the packages and prints to out.
func fuzz(ctx context.Context, out io.Writer, o options, packages []string) error {
	targets, err := find(ctx, o, packages)
	if err != nil {
		return err
	}
	scratch, err := os.MkdirTemp("", "batchscore-fuzz-")
	if err != nil {
		return err
	}
	defer func() { _ = os.RemoveAll(scratch) }()
	var results []result
	built := map[string]string{} // errors of builds, by package
	for _, t := range targets {
		if ctx.Err() != nil {
			break
		}
		binary := filepath.Join(scratch, strings.ReplaceAll(t.pkg, "/", "_"))
		if _, tried := built[t.pkg]; !tried {
			built[t.pkg] = ""
			if text, err := build(ctx, o, t, binary); err != nil {
				built[t.pkg] = fmt.Sprintf("%v\n%s", err, text)
			}
		}
		r := result{target: t, broken: built[t.pkg]}
		if r.broken == "" {
			r = t.fuzz(ctx, o, binary)
		}
		if ctx.Err() != nil {
			break // what an interrupt has cut short is no result
		}
		fmt.Fprintln(out, r.line())
		results = append(results, r)
	}
	good := table(out, results, o)
	switch {
	case ctx.Err() != nil:
		return fmt.Errorf("interrupted after %d of %d targets", len(results), len(targets))
	case !good:
		return errors.New("there are failures: see above")
	}
	return nil
}

// build compiles the tests of a target's package.
func build(ctx context.Context, o options, t target, binary string) ([]byte, error) {
	args := []string{"test", "-c", "-o", binary}
	switch {
	case o.race:
		args = append(args, "-race")
	case o.asan:
		args = append(args, "-fuzz=.", "-asan", "-ldflags=-s=false -w=false")
	default:
		args = append(args, "-fuzz=.")
	}
	return exec.CommandContext(ctx, "go", append(args, t.path)...).CombinedOutput()
}

// fuzz runs a target in its package's folder, where it finds its testdata.
func (t target) fuzz(ctx context.Context, o options, binary string) result {
	args := []string{
		"-test.run=^$", "-test.fuzz=^" + t.name + "$", "-test.fuzztime=" + o.time, "-test.fuzzminimizetime=" + o.minimize,
		"-test.fuzzcachedir=" + filepath.Join(o.cache, filepath.FromSlash(t.pkg)), "-test.timeout=0", "-test.paniconexit0",
	}
	if o.parallel > 0 {
		args = append(args, "-test.parallel="+strconv.Itoa(o.parallel))
	}
	cmd := exec.CommandContext(ctx, binary, args...)
	cmd.Dir = t.folder
	cmd.Cancel = func() error { return cmd.Process.Signal(os.Interrupt) }
	cmd.WaitDelay = 20 * time.Second
	var text strings.Builder
	cmd.Stdout, cmd.Stderr = &text, &text
	begin := time.Now()
	err := cmd.Run()
	r := read(text.String())
	r.target, r.took = t, time.Since(begin)
	if p := cmd.ProcessState; p != nil {
		r.cpu = p.UserTime() + p.SystemTime() // with those of the processes that it starts
	}
	if err != nil && r.crash == "" {
		r.broken = fmt.Sprintf("%v\n%s", err, text.String())
	}
	return r
}
