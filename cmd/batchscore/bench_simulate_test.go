package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

// benchRun is what a bench command prints as JSON.
func benchRun(t *testing.T, args ...string) result.Run {
	t.Helper()
	var run result.Run
	if err := json.Unmarshal([]byte(must(t, 0, append(args, "--format", "json")...).stdout), &run); err != nil {
		t.Fatal(err)
	}
	return run
}

// figure returns a value of a sample by its unit.
func figure(t *testing.T, s result.Sample, unit string) float64 {
	t.Helper()
	for _, v := range s.Values {
		if v.Unit == unit {
			return v.Value
		}
	}
	t.Fatalf("want a value of %s in %+v", unit, s)
	return 0
}

// TestBenchSimulate simulates clusters whose makespan follows from the published rates,
// with a storage that takes no time.
func TestBenchSimulate(t *testing.T) {
	t.Parallel()
	args := []string{"bench", "simulate", "--jitter", "0", "--latency", "0s", "--list-page", "0s", "--requests", "0", "--egress", "0", "--images", "102400"}
	run := benchRun(t, append(args, "--ranks", "1,32", "--device", "k80", "--model", "inception")...)
	for i, want := range []float64{102400 / 117., 102400 / 117. / 32} {
		s := run.Samples[i]
		if got := figure(t, s, "makespan-s"); got < want || got > want*1.02 || !s.Simulated {
			t.Errorf("sample %d: a makespan of %v s, want %v; simulated %v", i, got, want, s.Simulated)
		}
	}
	// The straggling node alone decides when shares are static.
	args = append(args, "--ranks", "8", "--device", "rate=100", "--straggler", "0-3:2")
	static, stealing := benchRun(t, append(args, "--static")...), benchRun(t, args...)
	if got := figure(t, static.Samples[0], "makespan-s"); got < 254 || got > 260 {
		t.Errorf("static: %v s, want 12800 images at 50 a second", got)
	}
	if got := figure(t, stealing.Samples[0], "efficiency"); got < 0.98 {
		t.Errorf("efficiency with stealing %v, want 0.98 or more", got)
	}
	// A straggler speeds nothing up: 4 and 4 halves of what one rank does.
	if got := figure(t, stealing.Samples[0], "speed-up"); got < 5.8 || got > 6 {
		t.Errorf("stealing: %v times one rank that does not straggle, want 6", got)
	}
	says(t, must(t, 0, "bench", "simulate", "--ranks", "1,4096", "--device", "mix"),
		"Simulate (simulated)", "p100+k80", "4096", "is an estimate")
}

// TestBenchSimulateSideBySide simulates devices one after another, as the same devices
// alone would be, and two of them in one cluster.
func TestBenchSimulateSideBySide(t *testing.T) {
	t.Parallel()
	chart := filepath.Join(t.TempDir(), "devices.svg")
	args := []string{"bench", "simulate", "--ranks", "4,8", "--images", "20000"}
	both := benchRun(t, append(args, "--device", "k80", "--device", "p100", "--chart", chart)...).Samples
	if len(both) != 4 {
		t.Fatalf("%d samples, want two devices with two numbers of ranks", len(both))
	}
	for i, device := range []string{"k80", "p100"} {
		alone := benchRun(t, append(args, "--device", device)...).Samples
		for j := range alone {
			if got, want := both[2*j+i], alone[j]; !reflect.DeepEqual(got, want) {
				t.Errorf("side by side %+v, alone %+v", got, want)
			}
		}
	}
	if svg, err := os.ReadFile(chart); err != nil || !strings.Contains(string(svg), ">k80<") || !strings.Contains(string(svg), ">p100<") {
		t.Errorf("the chart: %v, want a line for each device", err)
	}
	says(t, must(t, 0, append(args, "--device", "k80,p100", "--price", "2")...), "each device is a cluster of its own; --device k80+p100 is one cluster of both",
		"what limits", "price/million-images", "synthetic input")
	mixed := benchRun(t, append(args, "--device", "p100+k80")...).Samples
	if mix := benchRun(t, append(args, "--device", "mix")...).Samples; !reflect.DeepEqual(mix, mixed) || len(mix) != 2 {
		t.Errorf("mix: %+v, p100+k80: %+v; want the same", mix, mixed)
	}
	says(t, must(t, 0, append(args, "--device", "t4,l4,a100,h100,h200", "--model", "resnet50", "--precision", "int8")...),
		"MLPerf Inference v4.0", "what limits, decoding: 6 cores decode 2640 images/s for each")
	says(t, must(t, 0, append(args, "--device", "v100,a100,t4", "--model", "resnet50")...), "TF32", "DeepLearningExamples")
}

// TestBenchSimulateKeysTellRunsApart saves the simulations of two accounts to one file.
func TestBenchSimulateKeysTellRunsApart(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "samples.txt")
	for _, egress := range []string{"1", "2"} {
		says(t, must(t, 0, "bench", "simulate", "--ranks", "8", "--egress", egress, "--preempted", "100", "--save", file),
			", egress "+egress+", preempted 100\n", "nodes-taken")
	}
	runs, err := result.Read(file)
	if err != nil {
		t.Fatal(err)
	}
	var samples []result.Sample
	for _, r := range runs {
		samples = append(samples, r.Samples...)
	}
	if rows := result.Rows(samples); len(rows) != 2 || figure(t, samples[0], "nodes-taken") < 1 {
		t.Errorf("%d rows of %+v, want two, and nodes that were taken", len(rows), samples)
	}
	if got := figure(t, samples[0], "speed-up"); got > 8 {
		t.Errorf("speed-up %v on 8 ranks, want at most 8", got)
	}
}

func TestBenchSimulateRefuses(t *testing.T) {
	t.Parallel()
	for says, args := range map[string][]string{
		"last rank of --ranks 32":    {"--straggler", "30-32:2"},
		"\"0:inf\" for --straggler":  {"--straggler", "0:inf"},
		"--slow":                     {"--slow", "inf"},
		"--egress":                   {"--egress", "NaN"},
		"--preempted":                {"--preempted", "inf"},
		"--latency":                  {"--latency", "-1s"},
		"out of memory":              {"--device", "mix", "--batch", "128"},
		"0 for --batch":              {"--batch", "0"},
		"from one to":                {"--images", "9223372036854775807"},
		"larger chunks":              {"--images", "1000000000", "--chunk", "1"},
		"--model":                    {"--model", "alexnet"},
		"\"fp8\" for --precision":    {"--precision", "fp8"},
		"k80 is there twice":         {"--device", "k80,k80"},
		"only for ResNet-50 in int8": {"--device", "l4"},
		"--device":                   {"--device", "v900"},
		"--ranks":                    {"--ranks", "0"},
		"--straggler":                {"--straggler", "3"},
		"--static":                   {"--static", "--preempted", "1"},
		"above zero":                 {"--images", "0"},
	} {
		t.Run(says, func(t *testing.T) {
			r := batchscore(t, append([]string{"bench", "simulate"}, args...)...)
			if r.code != 64 || !strings.Contains(r.stderr, says) {
				t.Errorf("%v: got %v, want exit code 64 and %q", args, r, says)
			}
		})
	}
}
