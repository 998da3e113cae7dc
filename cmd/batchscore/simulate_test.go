package main

import (
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

// TestSimulatedSaysSo runs a simulated device, and checks that every figure says so and
// that simulated and computed rows do not mix.
func TestSimulatedSaysSo(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 30), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"--images", in, "--out", out, "--model", model}
	r := must(t, 0, append([]string{"launch", "-n", "2", "--"}, append(args, "--provider", "simulate:rate=inf,batch=8")...)...)
	if !strings.Contains(r.stdout, "(simulated)") || !strings.Contains(r.stderr, "nothing is computed") {
		t.Errorf("it is not said: %v", r)
	}
	s := readSuccess(t, out)
	if !s.Simulated || len(s.Devices) != 1 || !strings.HasPrefix(s.Devices[0], "simulated:") {
		t.Errorf("_SUCCESS: simulated %v, devices %v", s.Simulated, s.Devices)
	}
	if strings.Contains(r.stdout, "Certainty") || strings.Contains(r.stdout, "#") {
		t.Errorf("got %v, want no labels and no certainty, which mean nothing", r)
	}
	if r := must(t, 0, "show", out, "--histogram"); strings.Count(r.stdout, " images (simulated): mean ") != 2 {
		t.Errorf("got %v, want (simulated) in the headings", r)
	}
	if r := must(t, 0, "verify", out); !strings.Contains(r.stdout, "complete (simulated)") {
		t.Errorf("verify does not say it: %v", r)
	}
	if r := must(t, 0, "show", out); strings.Count(r.stdout, " simulated:") < 20 {
		t.Errorf("show does not say it of every row: %v", r)
	}
	for line := range strings.Lines(merged(t, out)) {
		if !strings.Contains(line, `"label":"simulated:`) {
			t.Errorf("a row does not say it: %s", line)
		}
	}
	if r := batchscore(t, append([]string{"run"}, args...)...); r.code != 10 || !strings.Contains(r.stderr, "simulated") {
		t.Errorf("computed rows in a simulated output: got %v, want exit code 10", r)
	}
	if r := batchscore(t, append([]string{"run", "--provider", "simulate:speed=1"}, args...)...); r.code != 64 {
		t.Errorf("got %v, want exit code 64", r)
	}
}

// TestMergeRefusesToMix copies a part of a simulated output over one of an
// output that was computed from the same images, and the other way round.
func TestMergeRefusesToMix(t *testing.T) {
	t.Parallel()
	in, model := pictures(t, 20), tiny(t, graphtest.Options{})
	outputs := map[string]string{"cpu": filepath.Join(t.TempDir(), "a"), "simulate:rate=inf": filepath.Join(t.TempDir(), "b")}
	parts := map[string][]byte{}
	for provider, out := range outputs {
		must(t, 0, "run", "--images", in, "--out", out, "--model", model, "--provider", provider, "--chunk", "8")
		body, err := os.ReadFile(filepath.Join(out, "part-00001.jsonl"))
		if err != nil {
			t.Fatal(err)
		}
		parts[provider] = body
	}
	for provider, out := range outputs {
		merged(t, out)
		for other, body := range parts {
			if other != provider {
				writeFile(t, filepath.Join(out, "part-00001.jsonl"), body)
			}
		}
		file := filepath.Join(t.TempDir(), "mixed.jsonl")
		for _, args := range [][]string{{"merge", out, "-o", file}, {"verify", out}} {
			if r := batchscore(t, args...); r.code != 10 || !strings.Contains(r.stdout+r.stderr, "simulated") {
				t.Errorf("%s with a part of another kind: %v", args[0], r)
			}
		}
		if exists(file) {
			t.Error("merge left a file")
		}
	}
}

// TestNamedDeviceNeedsAModelItKnows requests a device for a model without a published
// rate.
func TestNamedDeviceNeedsAModelItKnows(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 3), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--provider"}
	if r := batchscore(t, append(args, "simulate:k80")...); r.code != 78 || !strings.Contains(r.stderr, "simulate:k80,rate=100") {
		t.Errorf("got %v, want exit code 78 and what to give", r)
	}
	if exists(out) {
		t.Error("the output folder was made")
	}
	must(t, 0, append(args, "simulate:k80,rate=5000")...)
	if s := readSuccess(t, out); len(s.Devices) != 1 || s.Devices[0] != "simulated:k80:5000/s" {
		t.Errorf("devices %v", s.Devices)
	}
}

// TestNamedDeviceKnowsInception runs an Inception V3 on a simulated P100, made a hundred
// times as fast, and reads the rate from the output.
func TestNamedDeviceKnowsInception(t *testing.T) {
	t.Parallel()
	in, dir := pictures(t, 3), t.TempDir()
	out, model := filepath.Join(dir, "out"), filepath.Join(dir, "inception.onnx")
	must(t, 0, "models", "build", "inception_v3", "--variant", "keras", "--weights", "random", "--classes", "3", "-o", model)
	must(t, 0, "run", "--images", in, "--out", out, "--model", model, "--provider", "simulate:p100,slow=0.01")
	if s := readSuccess(t, out); len(s.Devices) != 1 || s.Devices[0] != "simulated:p100:49400/s" {
		t.Errorf("devices %v", s.Devices)
	}
}

func TestBudgetPausesTheCommand(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 40), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "8"}
	if r := batchscore(t, append(args, "--budget-images", "16")...); r.code != 75 || !strings.Contains(r.stderr, "budget of 16 images") {
		t.Errorf("got %v, want exit code 75", r)
	}
	must(t, 75, append(args, "--deadline", "1ns")...)
	must(t, 0, args...)
	must(t, 0, "verify", out)
}

// TestPreemptionDrains announces after the first part that the machine will be taken
// away.
func TestPreemptionDrains(t *testing.T) {
	in, out, model := pictures(t, 80), filepath.Join(t.TempDir(), "out"), slow(t)
	service := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body := `{"Events":[]}`
		switch {
		case strings.HasPrefix(r.URL.Path, "/metadata/instance"):
			body = "vm-7"
		case exists(filepath.Join(out, "part-00000.jsonl")):
			body = `{"Events":[{"EventType":"Preempt","Resources":["vm-7"]}]}`
		}
		_, _ = w.Write([]byte(body))
	}))
	defer service.Close()
	args := []string{"run", "--images", in, "--out", out, "--model", model}
	// A rate that leaves the machine no chance to end before it is asked.
	simulated := append(args, "--provider", "simulate:rate=2,batch=1", "--chunk", "1",
		"--watch-preemption", "--metadata-endpoint", service.URL)
	if r := batchscore(t, simulated...); r.code != 143 || !strings.Contains(r.stderr, "about to be taken away") {
		t.Errorf("got %v, want exit code 143", r)
	}
	if exists(filepath.Join(out, output.SuccessName)) {
		t.Error("_SUCCESS exists, want none")
	}
}
