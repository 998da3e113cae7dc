package bench

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/preprocess"
)

// TestJoint measures what a run of two models in one pass costs, against what the two cost
// in runs of their own less one decoding: at most 1.05 times as much. It counts the time of
// the processors, which other programs change little, in rounds that alternate, and leaves
// out what a run of one image costs, such as loading the models.
func TestJoint(t *testing.T) {
	if os.Getenv("BATCHSCORE_JOINT_CHECK") == "" {
		return // make joint-check runs it
	}
	const images, rounds, size = 240, 5, 224
	dir := t.TempDir()
	program := filepath.Join(dir, "batchscore")
	if text, err := exec.Command("go", "build", "-o", program, "../cmd/batchscore").CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, text)
	}
	var files [][]byte
	in := filepath.Join(dir, "images")
	if err := os.Mkdir(in, 0o777); err != nil {
		t.Fatal(err)
	}
	photos := photographs(t)
	for i := range images {
		body, err := os.ReadFile(photos[i%len(photos)])
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, body)
		if err := os.WriteFile(filepath.Join(in, fmt.Sprintf("%04d.jpg", i)), body, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	model := func(name string, seed uint32) string {
		path := filepath.Join(dir, name+".onnx")
		if err := os.WriteFile(path, graphtest.Tiny(graphtest.Options{Size: size, Work: 2, Seed: seed, Input: graphtest.FloatImage}), 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	one, other := model("one", 1), model("other", 2)
	spend := func(out string, args ...string) time.Duration {
		cmd := exec.Command(program, append([]string{"run", "--provider", "cpu", "--images", in, "--out", filepath.Join(dir, out)}, args...)...)
		if text, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, text)
		}
		return cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	}
	run := func(out string, args ...string) time.Duration {
		return spend(out, args...) - spend(out+"-first", append(args, "--max", "1")...)
	}
	d, err := preprocess.NewDecoder(graphtest.Contract(graphtest.Options{Size: size, Input: graphtest.FloatImage}).Preprocess, preprocess.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer d.Close()
	decode := func() time.Duration {
		row := make([]byte, size*size*3*4)
		begun := processTime(t)
		for _, body := range files {
			if err := d.Decode(row, body); err != nil {
				t.Fatal(err)
			}
		}
		return processTime(t) - begun
	}
	var ratios []float64
	for round := range rounds {
		out := func(name string) string { return fmt.Sprintf("%s-%d", name, round) }
		a, b, once := run(out("a"), "--model", one), run(out("b"), "--model", other), decode()
		both := run(out("both"), "--model", one, "--model", other)
		ratio := both.Seconds() / (a + b - once).Seconds()
		t.Logf("one %.2f s, the other %.2f s, decoding %.2f s; both in one pass %.2f s: %.3f of the sum less one decoding",
			a.Seconds(), b.Seconds(), once.Seconds(), both.Seconds(), ratio)
		ratios = append(ratios, ratio)
	}
	slices.Sort(ratios)
	if median := ratios[rounds/2]; median > 1.05 {
		t.Errorf("two models in one pass cost %.3f times what they cost apart less one decoding, more than 1.05", median)
	} else {
		t.Logf("median %.3f, at most 1.05", median)
	}
}

// processTime returns the time that the processors have spent on this process.
func processTime(t *testing.T) time.Duration {
	t.Helper()
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		t.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}
