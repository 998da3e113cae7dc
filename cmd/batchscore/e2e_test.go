package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort"
)

// asBatchscore makes the test binary be batchscore itself, so that tests start
// real processes under the race detector and count in the coverage.
const asBatchscore = "BATCHSCORE_TEST_AS_COMMAND"

func TestMain(m *testing.M) {
	if os.Getenv(asBatchscore) != "" {
		giveUp(os.Getenv(without))
		os.Exit(Main(os.Args[1:], os.Stdout, os.Stderr))
	}
	os.Exit(runTests(m))
}

// runTests keeps the jobs that tests launch out of the record of the user, and
// the settings of the user out of the tests.
func runTests(m *testing.M) int {
	state, err := os.MkdirTemp("", "batchscore-state-*")
	if err == nil {
		defer os.RemoveAll(state)
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

// lacking fails the test in CI, where every part must be there, and skips it
// elsewhere.
func lacking(t testing.TB, what, install string) {
	t.Helper()
	if os.Getenv("CI") != "" {
		t.Fatalf("%s is missing: %s", what, install)
	}
	t.Skipf("%s is missing: %s", what, install)
}

func needRuntime(t testing.TB) {
	t.Helper()
	if _, err := ort.FindLibrary(""); err != nil {
		lacking(t, "ONNX Runtime", "make deps")
	}
}

func needMpirun(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("mpirun"); err != nil {
		lacking(t, "mpirun", "make deps")
	}
}

// hangs is far above what any command here takes: only a command that hangs
// meets it.
const hangs = 5 * time.Minute

// command is batchscore as a process of its own, with the environment of this
// one but for the variables of launchers, and then env.
func command(t testing.TB, env []string, args ...string) *exec.Cmd {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	return process(t, env, self, args...)
}

func process(t testing.TB, env []string, program string, args ...string) *exec.Cmd {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), hangs)
	t.Cleanup(cancel)
	cmd := exec.CommandContext(ctx, program, args...)
	cmd.Env = append(cleanEnv(), asBatchscore+"=1")
	cmd.Env = append(cmd.Env, env...)
	cmd.WaitDelay = 10 * time.Second
	return cmd
}

func cleanEnv() []string {
	var env []string
	for _, kv := range os.Environ() {
		if !strings.HasPrefix(kv, "OMPI_") && !strings.HasPrefix(kv, "PMI") && !strings.HasPrefix(kv, "SLURM_") &&
			!strings.HasPrefix(kv, "RANK=") && !strings.HasPrefix(kv, "WORLD_SIZE=") && !strings.HasPrefix(kv, "LOCAL_") {
			env = append(env, kv)
		}
	}
	return env
}

// ending is how a process ended.
type ending struct {
	code           int
	stdout, stderr string
}

func (r ending) String() string {
	return fmt.Sprintf("exit code %d\n--- stdout\n%s--- stderr\n%s", r.code, r.stdout, r.stderr)
}

// finish runs cmd to its end.
func finish(t testing.TB, cmd *exec.Cmd) ending {
	t.Helper()
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	return wait(t, cmd, &stdout, &stderr)
}

func wait(t testing.TB, cmd *exec.Cmd, stdout, stderr *bytes.Buffer) ending {
	t.Helper()
	err := cmd.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s: %v\n%s%s", cmd, err, stdout, stderr)
	}
	return ending{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}
}

// batchscore runs one command line and returns how it ended.
func batchscore(t testing.TB, args ...string) ending {
	t.Helper()
	return finish(t, command(t, nil, args...))
}

// must runs one command line that has to end with code.
func must(t testing.TB, code int, args ...string) ending {
	t.Helper()
	r := batchscore(t, args...)
	if r.code != code {
		t.Fatalf("batchscore %s: want exit code %d, have %v", strings.Join(args, " "), code, r)
	}
	return r
}

// mpirun starts ranks of batchscore under the real mpirun.
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

// pictures fills a new folder with n small JPEGs that differ from one another.
func pictures(t testing.TB, n int) string {
	t.Helper()
	dir := t.TempDir()
	for i := range n {
		writeFile(t, filepath.Join(dir, fmt.Sprintf("batch %d", i%3), fmt.Sprintf("%05d.jpg", i)), picture(t, i))
	}
	return dir
}

func picture(t testing.TB, n int) []byte {
	t.Helper()
	img := image.NewRGBA(image.Rect(0, 0, 40, 30))
	for y := range 30 {
		for x := range 40 {
			img.Set(x, y, color.RGBA{uint8(n*37 + x), uint8(n*11 + x*n), uint8(n>>3 + y*17), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, &jpeg.Options{Quality: 90}); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func writeFile(t testing.TB, path string, body []byte) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, body, 0o644); err != nil {
		t.Fatal(err)
	}
}

// tiny is the path of a small model that ONNX Runtime really runs.
func tiny(t testing.TB, o graphtest.Options) string {
	t.Helper()
	needRuntime(t)
	return graphtest.Write(t, o)
}

// merged is the one file of an output folder.
func merged(t testing.TB, out string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "merged.jsonl")
	must(t, 0, "merge", out, "-o", file)
	body, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(body)
}

// syncBuffer is a buffer that is read while a process writes to it.
type syncBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (s *syncBuffer) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.Write(p)
}

func (s *syncBuffer) String() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.b.String()
}
