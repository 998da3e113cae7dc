package ort

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// sharingChild is the variable with the model that a process started by
// TestProcessesShareWeights opens.
const sharingChild = "BATCHSCORE_TEST_SHARED_MODEL"

// Two processes that opened the same model with a weight file share the memory of its
// weights.
func TestProcessesShareWeights(t *testing.T) {
	if path := os.Getenv(sharingChild); path != "" {
		holdModel(t, path)
		return
	}
	needLibrary(t)
	if _, err := os.Stat("/proc/self/smaps"); err != nil {
		t.Skip("no /proc/self/smaps on this system")
	}
	path := filepath.Join(t.TempDir(), "dense.onnx")
	const width = 4096
	writeDense(t, path, width)

	var children []*exec.Cmd
	for range 2 {
		cmd := exec.Command(os.Args[0], "-test.run=^TestProcessesShareWeights$", "-test.v")
		cmd.Env = append(os.Environ(), sharingChild+"="+path)
		cmd.Stderr = os.Stderr
		stdin, err := cmd.StdinPipe()
		if err != nil {
			t.Fatal(err)
		}
		stdout, err := cmd.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := cmd.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() {
			if err := stdin.Close(); err != nil { // makes it end
				t.Error(err)
			}
			if err := cmd.Wait(); err != nil {
				t.Error(err)
			}
		})
		for lines := bufio.NewScanner(stdout); ; {
			if !lines.Scan() {
				t.Fatal("a process ended before it had scored")
			}
			if strings.Contains(lines.Text(), "scored") {
				break
			}
		}
		go func() { _, _ = io.Copy(io.Discard, stdout) }()
		children = append(children, cmd)
	}
	for i, cmd := range children {
		rss, pss := mapped(t, cmd.Process.Pid, path+".data")
		t.Logf("process %d: %d kB of the weights in memory, of which its share is %d kB", i, rss, pss)
		if want := width * width * 4 / 1024; rss < want || pss > rss*6/10 {
			t.Errorf("process %d has %d kB of the weights' %d kB mapped, and its share is %d kB, want about half", i, rss, want, pss)
		}
	}
}

// holdModel opens the model, scores a batch, prints a line, and waits for the end of its
// standard input.
func holdModel(t *testing.T, path string) {
	m, err := models.Open(path, models.OpenOptions{})
	if err != nil {
		t.Fatal(err)
	}
	e := open(t, m, Options{})
	if err := e.Score(t.Context(), newBatch(t, e, 2), 0, 2); err != nil {
		t.Fatal(err)
	}
	fmt.Println("scored")
	_, _ = io.Copy(io.Discard, os.Stdin)
}

// writeDense writes a model with a dense layer of width x width and a weight file.
func writeDense(t *testing.T, path string, width int64) {
	t.Helper()
	g := graph.New("dense")
	constant := func(name string, value float32, shape ...int64) graph.Value {
		return g.Weights(name, func() ([]float32, error) {
			n := int64(1)
			for _, d := range shape {
				n *= d
			}
			v := make([]float32, n)
			for i := range v {
				v[i] = value
			}
			return v, nil
		}, shape...)
	}
	c := graphtest.Contract(graphtest.Options{})
	x := g.Input("images", graph.Uint8, graph.Dynamic, 32, 32, 3)
	x = g.Transpose("planes", g.Cast("pixels", x, graph.Float32), 0, 3, 1, 2)
	x = g.Flatten("row", g.GlobalAveragePool("pool", x))
	x = g.Gemm("widen", x, constant("a", 0.1, 3, width), graph.Value{})
	x = g.Linear("dense", x, constant("b", 0.001, width, width), graph.Value{})
	g.Output("scores", g.Softmax("softmax", g.Gemm("narrow", x, constant("c", 0.01, width, int64(c.Classes)), graph.Value{})))
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	g.Metadata(models.MetadataKey, string(text))
	graphtest.WriteExternal(t, g, path, filepath.Base(path)+".data")
}

// mapped returns how many kB of a file a process has in memory, and the same divided by
// the number of processes that share them.
func mapped(t *testing.T, pid int, file string) (rss, pss int) {
	t.Helper()
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/smaps", pid))
	if err != nil {
		t.Fatal(err)
	}
	within := false
	for line := range strings.Lines(string(text)) {
		f := strings.Fields(line)
		if len(f) == 0 {
			continue
		}
		if !strings.HasSuffix(f[0], ":") { // the first line of the next mapping
			within = f[len(f)-1] == file
			continue
		}
		var n int
		if !within || len(f) < 2 {
			continue
		}
		if _, err := fmt.Sscan(f[1], &n); err != nil {
			continue
		}
		switch f[0] {
		case "Rss:":
			rss += n
		case "Pss:":
			pss += n
		}
	}
	return rss, pss
}
