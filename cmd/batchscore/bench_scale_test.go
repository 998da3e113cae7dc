package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/bench/scale"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestBenchScale runs two numbers of real ranks, twice each.
func TestBenchScale(t *testing.T) {
	needMpirun(t)
	work, file := t.TempDir(), filepath.Join(t.TempDir(), "samples.txt")
	run := benchRun(t, "bench", "scale", "--ranks", "1,2", "--per-rank", "64", "--rounds", "2", "--batch", "4",
		"--device", "rate=2000", "--price", "2", "--validate", "--work", work, "--save", file)
	var order []string
	for _, s := range run.Samples {
		order = append(order, s.Keys[0].Value)
		if !s.Simulated {
			t.Errorf("sample %+v, want a simulated one", s)
		}
		for _, unit := range []string{"makespan-s", "efficiency", "speed-up", "minutes/100k-images", "lost/100k-images", "model-makespan-s"} {
			if v := figure(t, s, unit); !(v > 0) {
				t.Errorf("%s = %v, want more than 0", unit, v)
			}
		}
		if e := figure(t, s, "efficiency"); e > 1 {
			t.Errorf("efficiency %v, want at most 1", e)
		}
	}
	if strings.Join(order, ",") != "1,2,2,1" {
		t.Errorf("the ranks ran in the order %v, want 1,2,2,1", order)
	}
	if kept, err := result.Read(file); err != nil || len(kept) != 1 || len(kept[0].Samples) != 4 {
		t.Errorf("saved %+v, %v; want one run of four samples", kept, err)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v; want nothing", left, err)
	}
}

// TestBenchScaleOfOnesOwn measures a job of the user's own with two numbers of ranks.
func TestBenchScaleOfOnesOwn(t *testing.T) {
	needMpirun(t)
	in, model, work := pictures(t, 30), tiny(t, graphtest.Options{}), t.TempDir()
	writeFile(t, filepath.Join(in, "bad.jpg"), []byte("not an image"))
	args := []string{"bench", "scale", "--ranks", "2,1", "--rounds", "2", "--price", "2", "--work", work}
	own := []string{"--", "--images", in, "--model", model, "--chunk", "8"}
	var run result.Run
	if err := json.Unmarshal([]byte(must(t, 0, slices.Concat(args, []string{"--format", "json"}, own)...).stdout), &run); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, s := range run.Samples {
		ranks := s.Keys[0].Value
		order = append(order, ranks)
		if s.Simulated || s.Iterations != 31 || !strings.HasPrefix(s.Keys[1].Value, "cpu") {
			t.Errorf("sample %+v, want a measured one of 31 images on the CPU", s)
		}
		if e := figure(t, s, "efficiency"); !(e > 0) || ranks == "1" && e != 1 {
			t.Errorf("efficiency %v on %s ranks, want more than 0, and 1 on one rank", e, ranks)
		}
		if a, b := figure(t, s, "minutes/100k-images")*60, 100_000/figure(t, s, "images/s"); math.Abs(a/b-1) > 1e-9 {
			t.Errorf("100,000 images take %v s and %v s, want the same", a, b)
		}
	}
	if strings.Join(order, ",") != "2,1,1,2" {
		t.Errorf("the ranks ran in the order %v, want 2,1,1,2", order)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v; want nothing", left, err)
	}
	table := must(t, 0, slices.Concat(args[:3], []string{"1", "--rounds", "1"}, own)...).stdout
	if !strings.Contains(table, "1 of the images failed") || strings.Contains(table, "simulated") {
		t.Errorf("got %v, want %q in it and no %q in it", table, "1 of the images failed", "simulated")
	}
}

// TestBenchScaleWarns checks that a measurement that says little about its devices warns,
// and that a good one does not.
func TestBenchScaleWarns(t *testing.T) {
	outcome := func(chunks int, makespan, cores float64, device string) scale.Outcome {
		return scale.Outcome{Chunks: chunks, Makespan: makespan, Cores: cores, Devices: []string{device}}
	}
	for _, c := range []struct {
		what string
		runs map[int]scale.Outcome // by ranks
		want []string
	}{
		{what: "good", runs: map[int]scale.Outcome{1: outcome(49, 60, 0.3, "simulated:p100"), 8: outcome(400, 60, 0.9, "simulated:p100")}},
		{what: "one rank", runs: map[int]scale.Outcome{1: outcome(3, 60, 1, "cuda:0")}},
		{what: "few chunks", runs: map[int]scale.Outcome{2: outcome(4, 60, 0.3, "cuda:0")}, want: []string{"too few chunks to divide evenly: 4 chunks on 2 ranks"}},
		{what: "short", runs: map[int]scale.Outcome{1: outcome(40, 3, 0.3, "cuda:0")}, want: []string{"runs on 1 rank took less than 10 s"}},
		{what: "busy", runs: map[int]scale.Outcome{8: outcome(400, 60, 0.99, "cuda:0")}, want: []string{"on 8 ranks the "}},
		{what: "busy, but the devices limit", runs: map[int]scale.Outcome{8: outcome(400, 40, 0.99, "cuda:0")}},
		{what: "a CPU", runs: map[int]scale.Outcome{2: outcome(400, 60, 1, "cpu/winograd")}, want: []string{"the ranks compute on the "}},
	} {
		var w warnings
		for n, o := range c.runs {
			w.add(n, o)
			w.add(n, o) // another round
			w.judge([]result.Sample{{Name: "Scale", Keys: []result.Key{result.K("ranks", n), result.K("device", o.Devices[0])},
				Values: []result.Value{{Value: 36 / o.Makespan, Unit: "efficiency"}, {Value: o.Cores, Unit: "cores-busy"}}}})
		}
		notes := w.notes()
		if len(notes) != len(c.want) {
			t.Errorf("%s: %q, want %q", c.what, notes, c.want)
			continue
		}
		for i, want := range c.want {
			if !strings.Contains(notes[i], want) {
				t.Errorf("%s: %q, want %q", c.what, notes[i], want)
			}
		}
	}
	needMpirun(t)
	says(t, must(t, 0, "bench", "scale", "--ranks", "2", "--per-rank", "64", "--rounds", "1", "--batch", "4", "--device", "rate=2000"),
		"warning: too few chunks", "what limits")
}

// TestBenchScaleStragglers slows one of two ranks down. With static shares the job takes
// as long as that rank; otherwise the other rank scores most images.
func TestBenchScaleStragglers(t *testing.T) {
	needMpirun(t)
	args := []string{"bench", "scale", "--ranks", "2", "--per-rank", "64", "--rounds", "1", "--batch", "4",
		"--device", "rate=640", "--jitter", "0", "--straggler", "0:20"}
	static := benchRun(t, append(args, "--static")...).Samples[0]
	if got := figure(t, static, "makespan-s"); got < 2 {
		t.Errorf("64 images at 32 per second took %v s, want 2 or more", got)
	}
	stealing := benchRun(t, args...).Samples[0]
	if a, b := figure(t, stealing, "efficiency"), figure(t, static, "efficiency"); a <= b {
		t.Errorf("efficiency %v with stealing and %v without, want more with", a, b)
	}
}

// TestBenchScaleIsInterrupted signals the whole process group, as a terminal does,
// while ranks are working.
func TestBenchScaleIsInterrupted(t *testing.T) {
	needMpirun(t)
	work := t.TempDir()
	cmd := command(t, nil, "bench", "scale", "--ranks", "2", "--per-rank", "64", "--batch", "4", "--device", "rate=1", "--work", work)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	eventually(t, "a claim", func() bool {
		claims, err := filepath.Glob(filepath.Join(work, "*", "out-2-0", "_batchscore", "claims", "*"))
		return err == nil && len(claims) > 0
	})
	if err := syscall.Kill(-cmd.Process.Pid, syscall.SIGINT); err != nil {
		t.Fatal(err)
	}
	if r := wait(t, cmd, &stdout, &stderr); r.code != 130 || !strings.Contains(r.stderr, "ended by a signal (interrupt)") {
		t.Errorf("got %v, want exit code 130", r)
	}
	if left, err := os.ReadDir(work); err != nil || len(left) > 0 {
		t.Errorf("left %v, %v; want nothing", left, err)
	}
}

func TestBenchScaleRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{code: 64, says: "--rounds", args: []string{"--rounds", "0"}},
		{code: 64, says: "--format", args: []string{"--format", "xml"}},
		{code: 64, says: "--device", args: []string{"--device", "v900"}},
		{code: 64, says: "--straggler", args: []string{"--straggler", "x:2"}},
		{code: 64, says: "out of memory", args: []string{"--device", "k80", "--batch", "128"}},
		{code: 78, says: "--save", args: []string{"--save", filepath.Join(t.TempDir(), "none", "samples.txt")}},
		{code: 78, says: "openmpi-bin", args: []string{"--mpirun", "/nowhere/mpirun"}},
		{code: 64, says: "--slow is for simulated devices", args: []string{"--slow", "2", "--", "--images", "x"}},
		{code: 64, says: "bench scale sets --out itself", args: []string{"--", "--out", "x"}},
		{code: 64, says: "run takes no argument", args: []string{"--", "x"}},
		{code: 64, says: "put flags for run after --", args: []string{"x"}},
		{code: 78, says: "1 rank: the job failed: ", args: []string{"--ranks", "1", "--", "--images", "/nowhere", "--model", "none.onnx"}},
		{code: 78, says: "no such file", args: []string{"--work", filepath.Join(t.TempDir(), "none")}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			needMpirun(t)
			r := batchscore(t, append([]string{"bench", "scale"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("bench scale %v: got %v, want exit code %d and %q", c.args, r, c.code, c.says)
			}
		})
	}
}

// TestModelAgainstMeasured computes every stored run of bench scale again with bench
// simulate, and checks what is claimed of both: the model's makespan is within 5 %,
// and 32 ranks have an efficiency of at least 0.97, or of 0.95 with a straggling
// node or with two kinds of devices.
func TestModelAgainstMeasured(t *testing.T) {
	runs, err := result.Read("../../bench/testdata/scale.txt")
	if err != nil {
		t.Fatal(err)
	}
	held := map[string]int{}
	for _, run := range runs {
		for _, s := range run.Samples {
			keys := map[string]string{}
			for _, k := range s.Keys {
				keys[k.Name] = k.Value
			}
			args := []string{"bench", "simulate", "--ranks", keys["ranks"], "--device", keys["device"],
				"--model", keys["model"], "--slow", keys["slow"], "--images", fmt.Sprint(s.Iterations),
				"--latency", "1ms", "--list-page", "1ms"}
			if keys["policy"] == "static" {
				args = append(args, "--static")
			}
			least := 0.97
			if keys["straggling"] != "none" || strings.Contains(keys["device"], "+") {
				least = 0.95
			}
			for text := range strings.SplitSeq(keys["straggling"], ",") {
				if text != "none" {
					args = append(args, "--straggler", text)
				}
			}
			real := figure(t, s, "makespan-s")
			model := figure(t, benchRun(t, args...).Samples[0], "makespan-s")
			if off := model/real - 1; math.Abs(off) > 0.05 {
				t.Errorf("%v: the model gives %.1f s, the ranks took %.1f s: %+.1f %%", s.Keys, model, real, 100*off)
			}
			if e := figure(t, s, "efficiency"); keys["ranks"] == "32" && keys["policy"] == "stealing" && e < least {
				t.Errorf("%v: efficiency %.4f, want %.2f", s.Keys, e, least)
			}
			held[keys["ranks"]+" "+keys["device"]+" "+keys["straggling"]]++
		}
	}
	if len(held) < 3 {
		t.Errorf("kept %v, want three or more", held)
	}
}
