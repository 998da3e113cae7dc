package cudatest

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// shared is made once for all tests of the process: the program, without the race
// detector, and Inception V3 with random weights and 5 classes.
var shared struct {
	once          sync.Once
	folder        string
	err           error
	binary, model string
}

func TestMain(m *testing.M) {
	code := m.Run()
	if shared.folder != "" {
		_ = os.RemoveAll(shared.folder)
	}
	os.Exit(code)
}

// program returns the paths of the program and of Inception V3.
func program(t testing.TB) (binary, model string) {
	t.Helper()
	shared.once.Do(func() {
		if shared.folder, shared.err = os.MkdirTemp("", "cudatest-"); shared.err != nil {
			return
		}
		shared.binary, shared.model = filepath.Join(shared.folder, "batchscore"), filepath.Join(shared.folder, "inception.onnx")
		build := []string{"go", "build", "-race=false"}
		if len(sanitize()) > 0 {
			build = []string{"go", "build", "-asan", "-ldflags=-s=false -w=false"}
		}
		for _, args := range [][]string{
			append(build, "-o", shared.binary, "github.com/batchscore/batchscore/cmd/batchscore"),
			{shared.binary, "models", "build", "inception_v3", "--variant", "keras", "--weights", "random", "--classes", "5", "-o", shared.model},
		} {
			out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
			if err != nil {
				shared.err = fmt.Errorf("%s: %w: %s", strings.Join(args, " "), err, out)
				return
			}
		}
	})
	if shared.err != nil {
		t.Fatal(shared.err)
	}
	return shared.binary, shared.model
}

// small returns the path of a model that runs at once, of three convolutions over float32
// images of 32x32.
func small(t testing.TB) string {
	t.Helper()
	return graphtest.Write(t, graphtest.Options{Input: graphtest.FloatImage, Work: 2})
}

// pictures returns a folder of n small pictures that all differ.
func pictures(t testing.TB, n int) string {
	t.Helper()
	folder := t.TempDir()
	for i := range n {
		p := image.NewRGBA(image.Rect(0, 0, 16, 16))
		for x := range 16 {
			for y := range 16 {
				p.Set(x, y, color.RGBA{uint8(i), uint8(i>>8) + uint8(x), uint8(17 * y), 255})
			}
		}
		var b bytes.Buffer
		if err := png.Encode(&b, p); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(folder, strconv.Itoa(10000+i)+".png"), b.Bytes(), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// A result is what a finished command left.
type result struct {
	code           int
	stdout, stderr string
}

// batchscore runs the program on the machine.
func (m *Machine) batchscore(t testing.TB, args ...string) result {
	t.Helper()
	return m.start(t, nil, args...).wait(t)
}

// run scores a folder on the GPU with Inception V3.
func (m *Machine) run(t testing.TB, images, out string, more ...string) result {
	t.Helper()
	_, model := program(t)
	return m.batchscore(t, scoring(model, images, out, more...)...)
}

// A process is a command that runs.
type process struct {
	*exec.Cmd
	stdout, stderr bytes.Buffer
}

// start starts the program on the machine, with further variables.
func (m *Machine) start(t testing.TB, vars []string, args ...string) *process {
	t.Helper()
	binary, _ := program(t)
	p := &process{Cmd: exec.Command(binary, args...)}
	p.Env = append(m.Env(), vars...)
	p.Stdout, p.Stderr = &p.stdout, &p.stderr
	if err := p.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = p.Process.Kill() })
	return p
}

func (p *process) wait(t testing.TB) result {
	t.Helper()
	err := p.Wait()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatal(err)
	}
	code := p.ProcessState.ExitCode()
	if status := p.ProcessState.Sys().(syscall.WaitStatus); status.Signaled() {
		code = 128 + int(status.Signal())
	}
	return result{code, p.stdout.String(), p.stderr.String()}
}

// scoring is the arguments that score a folder on the GPU.
func scoring(model, images, out string, more ...string) []string {
	return scoringOn("cuda", model, images, out, more...)
}

// scoringOn is the arguments that score a folder with a provider.
func scoringOn(provider, model, images, out string, more ...string) []string {
	return append([]string{"run", "--provider", provider, "--model", model, "--images", images, "--out", out}, more...)
}

// begin begins a job on the CPU and scores one image. A rank other than 0 would wait for
// another one to begin it.
func (m *Machine) begin(t testing.TB, model, images, out string) {
	t.Helper()
	if r := m.batchscore(t, scoringOn("cpu", model, images, out, "--batch", "1", "--chunk", "1", "--budget-images", "1")...); r.code != 75 {
		t.Fatalf("the beginning of a job: exit status %d: %s%s", r.code, r.stdout, r.stderr)
	}
}

// must fails the test if the command has failed.
func (r result) must(t testing.TB) result {
	t.Helper()
	if r.code != 0 {
		t.Fatalf("exit status %d: %s%s", r.code, r.stdout, r.stderr)
	}
	return r
}

// rows returns the bytes of all parts of a result, merged.
func rows(t testing.TB, m *Machine, out string) string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "merged.jsonl")
	m.batchscore(t, "merge", out, "-o", file).must(t)
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(data)
}

// reference returns the rows of a run that nothing disturbs.
func reference(t testing.TB, line Line, model, images string) string {
	t.Helper()
	m, out := New(t, Config{Line: line}), filepath.Join(t.TempDir(), "out")
	m.batchscore(t, scoring(model, images, out, "--chunk", "8")...).must(t)
	return rows(t, m, out)
}

// lines runs a test on both lines of CUDA, at once.
func lines(t *testing.T, test func(t *testing.T, line Line)) {
	for name, line := range map[string]Line{"CUDA 12": CUDA12, "CUDA 13": CUDA13} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test(t, line)
		})
	}
}
