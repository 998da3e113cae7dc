package main

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestBenchCompare measures two simulated devices, then compares the saved samples.
func TestBenchCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	in, model := pictures(t, 6), tiny(t, graphtest.Options{})
	var files []string
	for _, rate := range []string{"50", "100"} {
		file := filepath.Join(dir, rate+".txt")
		files = append(files, file)
		stages := filepath.Join(dir, rate+".svg")
		r := must(t, 0, "bench", "run", "--images", in, "--model", model, "--provider", "simulate:rate="+rate, "--rounds", "2", "--least", "1ms",
			"--save", file, "--price", "2", "--chart", stages)
		says(t, r, "price/million-images", "what limits")
		svg, err := os.ReadFile(stages)
		if err != nil || !strings.Contains(string(svg), ">device alone<") {
			t.Errorf("the chart: %v, want one with the device alone", err)
		}
	}
	chart := filepath.Join(dir, "compare.svg")
	args := append([]string{"bench", "compare"}, files...)
	says(t, must(t, 0, append(args, "--price", "simulated:50=0.9,simulated:100=3.1", "--chart", chart)...),
		"Run by device, images/s (simulated)", "50_s", "100_s", "images/price", "what limits", "measure with --rounds 6 or more")
	if svg, err := os.ReadFile(chart); err != nil || !strings.Contains(string(svg), ">50_s<") {
		t.Errorf("the chart: %v, want one with a bar called 50_s", err)
	}
	says(t, must(t, 0, append(args, "--by", "file", "--format", "markdown")...), "| file | images/s | ratio |")
	for says, extra := range map[string][]string{
		"no file given":                         nil,
		"want text, markdown, csv":              append(files[:1:1], "--format", "xlsx"),
		"prices above zero":                     append(files[:1:1], "--price", "a=-1"),
		"no file is called that":                append(files[:1:1], "--price", "k80=1"),
		"samples in 50 have no gpu; compare by": append(files[:1:1], "--by", "gpu"),
	} {
		if r := batchscore(t, append([]string{"bench", "compare"}, extra...)...); r.code != 64 || !strings.Contains(r.stderr, says) {
			t.Errorf("bench compare %v: got %v, want exit code 64 and %q", extra, r, says)
		}
	}
	writeFile(t, chart, nil)
	if r := batchscore(t, "bench", "compare", chart); r.code != 78 || !strings.Contains(r.stderr, "has no samples") {
		t.Errorf("bench compare of an empty file: %v, want exit code 78", r)
	}
}

// TestBenchstatComparesDevices runs the command that docs/measuring.md gives for benchstat,
// on samples of two devices in two machines.
func TestBenchstatComparesDevices(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile("../../docs/measuring.md")
	if err != nil {
		t.Fatal(err)
	}
	m := regexp.MustCompile(`(?m)^benchstat (.*) p100\.txt k80\.txt$`).FindSubmatch(page)
	if m == nil {
		t.Fatal("docs/measuring.md has no command for benchstat")
	}
	args := append([]string{"run", "golang.org/x/perf/cmd/benchstat"}, strings.Fields(string(m[1]))...)
	for i, device := range []string{"p100", "k80"} {
		r := result.Run{Provenance: result.Provenance{CPU: "processor " + device, Cores: 8 * (i + 1), Memory: int64(i + 1), Kernel: device, Commit: device,
			Seed: uint64(i), Versions: map[string]string{"batchscore": "v1"}}}
		for n := range 6 {
			r.Samples = append(r.Samples, result.Sample{Name: "Run", Keys: []result.Key{result.K("device", device), result.K("decoders", 8*(i+1))},
				Values: []result.Value{{Value: float64(400/(3*i+1) + n), Unit: "images/s"}}})
		}
		file := filepath.Join(t.TempDir(), device+".txt")
		if err := result.Append(file, r); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = "../.."
	out, err := cmd.CombinedOutput()
	if text := string(out); err != nil || strings.Count(text, "images/s") != 2 || !regexp.MustCompile(`Run +402.5 ± 1% +102.5 ± 2% +-74.53%`).Match(out) {
		t.Errorf("%v\n%s\nwant one table with both devices", err, text)
	}
}
