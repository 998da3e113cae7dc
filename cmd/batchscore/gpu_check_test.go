package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/gpucheck"
	"github.com/batchscore/batchscore/models/graph/graphtest"
	"github.com/batchscore/batchscore/models/ort/cudatest"
)

// gpuCheck runs gpu-check over the stand-in for CUDA, and returns the report by claim.
func gpuCheck(t *testing.T, program string, code int, vars []string, args ...string) (map[string]gpucheck.Result, *gpucheck.Report, processResult) {
	t.Helper()
	m := cudatest.New(t, cudatest.Config{Vars: vars})
	out := filepath.Join(t.TempDir(), "report")
	model := tiny(t, graphtest.Options{Input: graphtest.FloatImage, Work: 1})
	r := finish(t, process(t, m.Vars(), program, append([]string{"gpu-check", "--images", pictures(t, 20), "--model", model, "--out", out}, args...)...))
	if r.code != code {
		t.Fatalf("gpu-check: got %v, want exit code %d", r, code)
	}
	var report gpucheck.Report
	text, err := os.ReadFile(filepath.Join(out, gpucheck.JSONFile))
	if err == nil {
		err = json.Unmarshal(text, &report)
	}
	if err != nil {
		t.Fatal(err)
	}
	claims := map[string]gpucheck.Result{}
	for _, c := range report.Claims {
		claims[c.ID()] = c
		for _, ran := range c.Commands {
			if info, err := os.Stat(filepath.Join(out, ran.Log)); err != nil || info.Size() == 0 {
				t.Errorf("%s: the log of %s: %v", c.ID(), ran.Line, err)
			}
		}
	}
	var names []string
	for _, c := range gpucheck.Claims() {
		names = append(names, c.ID())
		if _, ok := claims[c.ID()]; !ok {
			t.Errorf("the report lacks the claim %s", c.ID())
		}
	}
	if len(names) != len(report.Claims) {
		t.Errorf("the report has %d claims, want %d", len(report.Claims), len(names))
	}
	says(t, r, "The GPU is a stand-in", report.Summary(), filepath.Join(out, gpucheck.MarkdownFile))
	return claims, &report, r
}

// claimsEnded checks the verdicts of claims.
func claimsEnded(t *testing.T, claims map[string]gpucheck.Result, want gpucheck.Verdict, ids ...string) {
	t.Helper()
	for _, id := range ids {
		if c := claims[id]; c.Verdict != want {
			t.Errorf("%s: %s, %s; %s; want %s", id, c.Verdict, c.Measured, c.Reason, want)
		}
	}
}

// TestGPUCheckControlFlow checks what does not depend on what a GPU computes. The
// batches take some time, so that a run can be disturbed.
func TestGPUCheckControlFlow(t *testing.T) {
	t.Parallel()
	claims, report, _ := gpuCheck(t, plainProgram(t), 0, []string{"CUDATEST_BATCH_US=10000"}, "--only", "bits,faults")
	claimsEnded(t, claims, gpucheck.Pass, "machine/gpus", "bits/batch", "bits/twice", "bits/chunk-64", "bits/chunk-50", "bits/ranks",
		"faults/sigterm", "faults/kill", "faults/hidden")
	claimsEnded(t, claims, gpucheck.NotMeasured, "correctness/fp32", "scale/ranks", "speed/points")
	if gpus := report.Hardware.GPUs; len(gpus) != 1 || gpus[0].Capability != "8.0" || gpus[0].Driver == "" || !report.Hardware.StandIn {
		t.Errorf("the hardware: %+v", report.Hardware)
	}
}

// TestGPUCheckCorrectness: the stand-in computes nothing, so every comparison with the
// CPU must fail.
func TestGPUCheckCorrectness(t *testing.T) {
	t.Parallel()
	claims, _, r := gpuCheck(t, os.Args[0], 1, nil, "--only", "doctor,correctness")
	claimsEnded(t, claims, gpucheck.Fail, "doctor/device", "correctness/fp32", "correctness/tf32", "correctness/fp16", "correctness/uint8")
	for _, id := range []string{"correctness/fp32", "correctness/tf32", "correctness/fp16", "correctness/uint8"} {
		if c := claims[id]; !strings.Contains(c.Measured, "have the same first class, largest difference") {
			t.Errorf("%s was not compared: %s; %s", id, c.Measured, c.Reason)
		}
	}
	says(t, r, "FAIL          correctness/fp32", "batchscore: a claim does not hold")
}

// TestGPUCheckFindsFaults: an error of CUDA in the middle of a run makes the claims
// fail that need the run, and no others.
func TestGPUCheckFindsFaults(t *testing.T) {
	t.Parallel()
	claims, _, _ := gpuCheck(t, os.Args[0], 1, []string{"CUDATEST_FAIL=cudaLaunchKernel=700@400"}, "--only", "bits")
	claimsEnded(t, claims, gpucheck.Fail, "bits/batch", "bits/twice")
	claimsEnded(t, claims, gpucheck.Pass, "machine/gpus")
	if c := claims["bits/batch"]; !strings.Contains(c.Reason, " instead of 0: ") {
		t.Errorf("the reason: %s", c.Reason)
	}
}

// TestGPUCheckSpeed measures every point of the sweep.
func TestGPUCheckSpeed(t *testing.T) {
	t.Parallel()
	own := tiny(t, graphtest.Options{Input: graphtest.FloatImage})
	m := cudatest.New(t, cudatest.Config{})
	out := filepath.Join(t.TempDir(), "report")
	r := finish(t, process(t, m.Vars(), plainProgram(t), "gpu-check", "--images", pictures(t, 4), "--model", own, "--out", out, "--only", "speed,shapes",
		"--speed", own, "--least", "1ms"))
	text, err := os.ReadFile(filepath.Join(out, gpucheck.JSONFile))
	if err != nil {
		t.Fatalf("%v: %v", err, r)
	}
	var report gpucheck.Report
	if err := json.Unmarshal(text, &report); err != nil {
		t.Fatal(err)
	}
	i := slices.IndexFunc(report.Claims, func(c gpucheck.Result) bool { return c.ID() == "speed/points" })
	const points = 3 * 2 * 5 * 3 // precisions, orders of channels, batches, sessions
	if c := report.Claims[i]; c.Verdict != gpucheck.Pass || len(report.Unmeasured) > 0 || len(report.Samples) < points {
		t.Errorf("%s, %s; %s; %d samples, want %d; not measured: %q", c.Verdict, c.Measured, c.Reason, len(report.Samples), points, report.Unmeasured)
	}
	for _, c := range report.Claims {
		if (c.Subject == gpucheck.Speed || c.Subject == gpucheck.Shapes) && c.Verdict == gpucheck.NotMeasured && c.Claim != "busy" {
			t.Errorf("%s was not measured: %s", c.ID(), c.Reason)
		}
	}
	must(t, 0, "bench", "compare", filepath.Join(out, "samples.txt"), "--bench", "GPU", "--by", "precision")
	page, err := os.ReadFile(filepath.Join(out, gpucheck.MarkdownFile))
	if err != nil || !strings.Contains(string(page), "| fp16 nhwc | 2 |") || !strings.Contains(string(page), ".svg)") {
		t.Errorf("report.md: %v\n%s", err, page)
	}
}

// TestGPUCheckNeedsAll names everything that is missing at once.
func TestGPUCheckNeedsAll(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	r := finish(t, command(t, []string{"BATCHSCORE_GPU_ROOT=" + dir, "BATCHSCORE_CACHE=" + dir}, "gpu-check", "--out", filepath.Join(dir, "report")))
	if r.code != 78 {
		t.Errorf("got %v, want exit code 78", r)
	}
	says(t, r, "no NVIDIA GPU is visible", "no folder of images", "classification.onnx", "make gpu-check")
	if r := finish(t, command(t, nil, "gpu-check", "--out", dir)); r.code != 78 || !strings.Contains(r.stderr, "exists already") {
		t.Errorf("into a folder that exists: %v, want exit code 78", r)
	}
	m, model := cudatest.New(t, cudatest.Config{Without: []string{"libcudnn.so.9"}}), tiny(t, graphtest.Options{Input: graphtest.FloatImage})
	r = finish(t, command(t, m.Vars(), "gpu-check", "--images", pictures(t, 4), "--model", model, "--out", filepath.Join(dir, "none")))
	if _, err := os.Lstat(filepath.Join(dir, "none")); r.code != 78 || err == nil {
		t.Errorf("without cuDNN: %v, want exit code 78 and no report", r)
	}
	says(t, r, "the check cannot begin: libonnxruntime_providers_cuda.so needs libcudnn.so.9, which cannot be loaded")
	for _, args := range [][]string{{"--only", "bytes"}, {"--time", "0s"}, {"--least", "-1s"}} {
		if r := batchscore(t, append([]string{"gpu-check", "--out", filepath.Join(dir, "x")}, args...)...); r.code != 64 {
			t.Errorf("%v: got %v, want exit code 64", args, r)
		}
	}
}
