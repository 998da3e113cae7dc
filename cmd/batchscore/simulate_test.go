package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/scorer/output"
)

func success(t *testing.T, out string) output.Success {
	t.Helper()
	body, err := os.ReadFile(filepath.Join(out, output.SuccessName))
	if err != nil {
		t.Fatal(err)
	}
	var s output.Success
	if err := json.Unmarshal(body, &s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSimulatedSaysSo runs a simulated device and looks for the word wherever a
// figure is told, and that simulated and computed rows do not mix.
func TestSimulatedSaysSo(t *testing.T) {
	in, out, model := pictures(t, 30), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"--images", in, "--out", out, "--model", model}
	r := must(t, 0, append([]string{"launch", "-n", "2", "--"}, append(args, "--provider", "simulate:rate=inf,batch=8")...)...)
	if !strings.Contains(r.stdout, "(simulated)") || !strings.Contains(r.stderr, "nothing is computed") {
		t.Errorf("it is not said: %v", r)
	}
	s := success(t, out)
	if !s.Simulated || len(s.Devices) != 1 || !strings.HasPrefix(s.Devices[0], "simulated:") {
		t.Errorf("_SUCCESS: simulated %v, devices %v", s.Simulated, s.Devices)
	}
	must(t, 0, "verify", out)
	if r := batchscore(t, append([]string{"run"}, args...)...); r.code != 10 || !strings.Contains(r.stderr, "simulated") {
		t.Errorf("computed rows in a simulated output: want exit code 10, have %v", r)
	}
	if r := batchscore(t, append([]string{"run", "--provider", "simulate:speed=1"}, args...)...); r.code != 64 {
		t.Errorf("want exit code 64, have %v", r)
	}
}

func TestBudgetPausesTheCommand(t *testing.T) {
	in, out, model := pictures(t, 40), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--chunk", "8"}
	if r := batchscore(t, append(args, "--budget-images", "16")...); r.code != 75 || !strings.Contains(r.stderr, "budget of 16 images") {
		t.Errorf("want exit code 75, have %v", r)
	}
	must(t, 75, append(args, "--deadline", "1ns")...)
	must(t, 0, args...)
	must(t, 0, "verify", out)
}

// TestPreemptionDrains announces the end of the machine after the first part.
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
	args := []string{"run", "--images", in, "--out", out, "--model", model, "--provider", "cpu"}
	// A rate that leaves the machine no chance to end before it is asked.
	simulated := append(args, "--provider", "simulate:rate=2,batch=1", "--chunk", "1",
		"--watch-preemption", "--metadata-endpoint", service.URL)
	if r := batchscore(t, simulated...); r.code != 143 || !strings.Contains(r.stderr, "about to be taken away") {
		t.Errorf("want exit code 143, have %v", r)
	}
	if exists(filepath.Join(out, output.SuccessName)) {
		t.Error("_SUCCESS stands")
	}
}
