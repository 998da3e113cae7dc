package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// asBatchscore is the environment variable that makes the test binary behave as
// batchscore, so that tests start real processes, with the race detector and with
// coverage.
const asBatchscore = "BATCHSCORE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asBatchscore) != "" {
		giveUp(os.Getenv(without))
		os.Exit(program())
	}
	os.Exit(runTests(m))
}

// runTests runs the tests without the user's settings, and with a record of jobs of
// their own.
func runTests(m *testing.M) int {
	state, err := os.MkdirTemp("", "batchscore-state-*")
	if err == nil {
		defer os.RemoveAll(state)
		plain = filepath.Join(state, "plain", "batchscore")
		err = os.Setenv("XDG_STATE_HOME", state)
	}
	if err == nil {
		err = os.Setenv("XDG_CONFIG_HOME", filepath.Join(state, "config"))
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return m.Run()
}

// plain is where plainProgram builds.
var plain string

var buildPlain = sync.OnceValue(func() error {
	text, err := exec.Command("go", "build", "-race=false", "-o", plain, ".").CombinedOutput()
	if err != nil {
		err = fmt.Errorf("go build: %w\n%s", err, text)
	}
	return err
})

// plainProgram returns batchscore without the race detector, which takes several times the
// memory, and ten times as long to import a model. It suits tests of what commands say and
// write; those of ranks that work at the same time need the detector.
func plainProgram(t testing.TB) string {
	t.Helper()
	if err := buildPlain(); err != nil {
		t.Fatal(err)
	}
	return plain
}

// processTimeout is far longer than any command here takes. Only a command that
// hangs reaches it.
const processTimeout = 5 * time.Minute

// command returns batchscore as a process of its own. Its environment is that of
// this process, without the variables of launchers, plus env.
func command(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return process(t, env, self, args...)
}

// process is command for any program.
func process(t testing.TB, env []string, program string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), processTimeout)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(cleanEnv(), asBatchscore+"=1")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

// cleanEnv returns the environment of this process without the variables of
// launchers, and without those of its terminal.
func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "OMPI_") && !strings.HasPrefix(kv, "PMI") && !strings.HasPrefix(kv, "SLURM_") &&
			!strings.HasPrefix(kv, "RANK=") && !strings.HasPrefix(kv, "WORLD_SIZE=") && !strings.HasPrefix(kv, "LOCAL_") &&
			!strings.HasPrefix(kv, "TERM=") && !strings.HasPrefix(kv, "NO_COLOR=") {
			env = append(env, kv)
		}
	}
	return env
}

// processResult is how a process ended and what it printed.
type processResult struct {
	code           int
	stdout, stderr string
}

func (r processResult) String() string {
	return fmt.Sprintf("exit code %d\n--- stdout\n%s--- stderr\n%s", r.code, r.stdout, r.stderr)
}

// finish runs cmd and waits for its end.
func finish(t testing.TB, cmd *exec.Cmd) processResult {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return wait(t, cmd, &stdout, &stderr)
}

// wait waits for the end of cmd, which has been started.
func wait(t testing.TB, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) processResult {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout, stderr)
	}
	return processResult{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// batchscore runs a command line.
func batchscore(t testing.TB, args ...string) processResult {
	t.Helper()
	return finish(t, command(t, nil, args...))
}

// must runs a command line, which must exit with code.
func must(t testing.TB, code int, args ...string) processResult {
	t.Helper()
	r := batchscore(t, args...)
	if r.code != code {
		t.Fatalf("batchscore %s: got %[3]v, want exit code %[2]d", strings.Join(args, " "), code, r)
	}
	return r
}

// mustPlain is must for plainProgram.
func mustPlain(t testing.TB, code int, args ...string) processResult {
	t.Helper()
	r := finish(t, process(t, nil, plainProgram(t), args...))
	if r.code != code {
		t.Fatalf("batchscore %s: got %[3]v, want exit code %[2]d", strings.Join(args, " "), code, r)
	}
	return r
}

// mpirun returns ranks of batchscore under the real mpirun.
func mpirun(t testing.TB, ranks int, args ...string) *exec.Cmd {
	t.Helper()
	needMpirun(t)
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	argv := []string{"-np", fmt.Sprint(ranks), "--oversubscribe", "--bind-to", "none"}
	if os.Geteuid() == 0 {
		argv = append(argv, "--allow-run-as-root")
	}
	return process(t, nil, "mpirun", append(append(argv, self), args...)...)
}

// says checks that a process printed all texts.
func says(t testing.TB, r processResult, texts ...string) {
	t.Helper()
	for _, text := range texts {
		if !strings.Contains(r.stdout+r.stderr, text) {
			t.Errorf("got %v, want it to contain %q", r, text)
		}
	}
}

// lastLine returns the last line of a text that is not empty.
func lastLine(text string) string {
	lines := forPeople(text)
	return lines[len(lines)-1]
}

// forPeople returns the lines of a text without the one that ends a log, which is for programs.
func forPeople(text string) []string {
	return slices.DeleteFunc(strings.Split(strings.TrimSpace(text), "\n"), func(line string) bool {
		return strings.Contains(line, `"event":"run_ended"`)
	})
}

// eventually waits until ok returns true. It fails the test if that takes too long.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(processTimeout); !ok(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("%s did not happen within %v", what, processTimeout)
		}
	}
}

// children returns the descendants of pid that are batchscore.
func children(t *testing.T, pid int) []int {
	t.Helper()
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		t.Fatal(err)
	}
	parent, name := map[int]int{}, map[int]string{}
	for _, path := range stats {
		text, err := os.ReadFile(path)
		if err != nil {
			continue // it has ended
		}
		open, end := bytes.IndexByte(text, '('), bytes.LastIndexByte(text, ')')
		var child, ppid int
		var state string
		if _, err := fmt.Sscan(string(text[:open]), &child); err != nil {
			continue
		}
		if _, err := fmt.Sscan(string(text[end+1:]), &state, &ppid); err != nil {
			continue
		}
		parent[child], name[child] = ppid, string(text[open+1:end])
	}
	self := filepath.Base(os.Args[0])
	var found []int
	for child := range parent {
		for at := child; at > 1; at = parent[at] {
			if parent[at] == pid && strings.HasPrefix(self, name[child]) {
				found = append(found, child)
			}
		}
	}
	return found
}
