package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/ranks"
	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestBenchReadOfTheRecipe checks the report on the log of the 2018 recipe's run on 32
// P100.
func TestBenchReadOfTheRecipe(t *testing.T) {
	t.Parallel()
	args := []string{"bench", "read", "../../bench/ranks/testdata/recipe-32xP100.log", "--asked", "100000", "--one-gpu", "255m", "--ranks-per-node", "4"}
	says(t, must(t, 0, args...), "99,968 images labelled of 100,000", "32 lost", "makespan 11:10;", "22.8 times one GPU", "ranks 0 to 3 straggle, on node 0")

	var report ranks.Report
	if err := json.Unmarshal([]byte(must(t, 0, append(args, "--format", "json")...).stdout), &report); err != nil {
		t.Fatal(err)
	}
	if report.Labelled != 99_968 || report.Makespan != 670.4 || len(report.Stragglers) != 4 {
		t.Errorf("report %+v, want that of the recipe", report)
	}
	file := filepath.Join(t.TempDir(), "saved.txt")
	writeFile(t, file, []byte(must(t, 0, append(args, "--format", "bench")...).stdout))
	runs, err := result.Read(file)
	if err != nil || len(runs) != 1 || len(runs[0].Samples) != 33 {
		t.Errorf("in the Go benchmark format: %+v, %v; want 33 samples", runs, err)
	}

	for name, want := range map[string]string{"ranks.svg": ">rank 3, straggles<", "ranks.png": "\x89PNG"} {
		chart := filepath.Join(t.TempDir(), name)
		must(t, 0, append(args, "--chart", chart)...)
		if body, err := os.ReadFile(chart); err != nil || !strings.Contains(string(body), want) {
			t.Errorf("%s has no %q (%v)", name, want, err)
		}
	}
}

// TestBenchReadOfOurs reads the log of two ranks of batchscore under mpirun.
func TestBenchReadOfOurs(t *testing.T) {
	t.Parallel()
	in, out, model := pictures(t, 30), filepath.Join(t.TempDir(), "out"), tiny(t, graphtest.Options{})
	needMpirun(t)
	log := filepath.Join(t.TempDir(), "log.txt")
	for _, want := range [][]string{
		{"Ranks (simulated)", "30 images labelled of 30 asked for: 0 lost"},
		{"30 images labelled of 30 asked for: 0 lost", "the job was complete before it"},
	} {
		r := must(t, 0, "launch", "-n", "2", "--", "--images", in, "--out", out, "--model", model, "--provider", "simulate:rate=inf")
		writeFile(t, log, []byte(r.stdout+r.stderr))
		says(t, must(t, 0, "bench", "read", log, "--asked", "30"), want...)
	}
}

func TestBenchReadRefuses(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{code: 64, says: "no log given", args: nil},
		{code: 64, says: "--format", args: []string{"x.log", "--format", "xml"}},
		{code: 64, says: "ends in .svg or .png", args: []string{"x.log", "--chart", "x.jpg"}},
		{code: 64, says: "--asked", args: []string{"x.log", "--asked", "-1"}},
		{code: 64, says: "--price", args: []string{"x.log", "--price", "NaN"}},
		{code: 64, says: "--ranks", args: []string{"x.log", "--ranks", "1000000"}},
		{code: 78, says: "no such file", args: []string{filepath.Join(t.TempDir(), "x.log")}},
		{code: 78, says: "there is no line of a rank", args: []string{"bench.go"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			r := batchscore(t, append([]string{"bench", "read"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("bench read %v: got %v, want exit code %d and %q", c.args, r, c.code, c.says)
			}
		})
	}
}
