package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/graph/graphtest"
)

// TestBenchDecode measures a folder in which one picture is cut short.
func TestBenchDecode(t *testing.T) {
	t.Parallel()
	in := pictures(t, 3)
	whole := picture(t, 9)
	writeFile(t, filepath.Join(in, "short.jpg"), whole[:len(whole)*2/3])
	args := []string{"bench", "decode", "--images", in, "--rounds", "1", "--target", "32"}
	says(t, must(t, 0, args...), "Left out, because not all decoders can read them: short.jpg", "go-image")
	measured := map[string]bool{}
	for _, s := range benchRun(t, append(args, "--sizes", "0.001", "--formats", "png,bmp")...).Samples {
		if s.Simulated || !(figure(t, s, "images/s") > 0) {
			t.Errorf("sample %+v, want a measured rate", s)
		}
		measured[s.Keys[0].Value+" "+s.Keys[2].Value] = true
	}
	for _, want := range []string{"png ours", "png imaging", "png go-image", "bmp ours"} {
		if !measured[want] {
			t.Errorf("%s is not measured, only %v", want, measured)
		}
	}
}

func TestBenchInfer(t *testing.T) {
	t.Parallel()
	says(t, must(t, 0, "bench", "infer", tiny(t, graphtest.Options{}),
		"--rounds", "1", "--sessions", "1,2", "--threads", "1", "--batches", "1,3", "--least", "1ms"),
		"Peak\n", "Infer, model tiny, device cpu", "<- best", "multiply-adds per image")
}

// TestBenchRun measures on the CPU and on a simulated device, and checks that the
// output says which.
func TestBenchRun(t *testing.T) {
	t.Parallel()
	args := []string{"bench", "run", "--images", pictures(t, 12), "--model", tiny(t, graphtest.Options{}), "--rounds", "1", "--least", "1ms"}
	says(t, must(t, 0, append(args, "--provider", "cpu")...), "Run, device ", "of-limit ", "what limits ")
	says(t, must(t, 0, append(args, "--provider", "simulate:rate=1000")...), "Run (simulated), device simulated:1000_s", "device-busy ")
	for _, s := range benchRun(t, append(args, "--provider", "simulate:rate=1000")...).Samples {
		if busy := figure(t, s, "device-busy"); !s.Simulated || !(busy > 0 && busy <= 1) {
			t.Errorf("sample %+v, want a simulated one with a share in device-busy", s)
		}
	}
}

func TestBenchRefuses(t *testing.T) {
	t.Parallel()
	empty, none := t.TempDir(), filepath.Join(t.TempDir(), "none")
	model := tiny(t, graphtest.Options{})
	for _, c := range []struct {
		code int
		says string
		args []string
	}{
		{code: 64, says: "--target", args: []string{"decode", "--target", "0"}},
		{code: 64, says: "--formats", args: []string{"decode", "--formats", "webp"}},
		{code: 64, says: "--sizes", args: []string{"decode", "--sizes", "huge"}},
		{code: 78, says: "there are no pictures", args: []string{"decode", "--images", empty}},
		{code: 78, says: "no such file", args: []string{"decode", "--images", none}},
		{code: 64, says: "want auto, cpu,", args: []string{"infer", model, "--provider", "simulate:p100"}},
		{code: 64, says: "--rounds", args: []string{"infer", model, "--rounds", "0"}},
		{code: 78, says: "--save", args: []string{"infer", model, "--save", filepath.Join(none, "samples.txt")}},
		{code: 64, says: "--images is missing", args: []string{"run", "--model", model}},
		{code: 64, says: "--model is missing", args: []string{"run", "--images", empty}},
		{code: 78, says: "no images found", args: []string{"run", "--images", empty, "--model", model, "--provider", "cpu"}},
		{code: 78, says: "supply its rate", args: []string{"run", "--images", empty, "--model", model, "--provider", "simulate:k80"}},
	} {
		t.Run(strings.Join(c.args, " "), func(t *testing.T) {
			r := batchscore(t, append([]string{"bench"}, c.args...)...)
			if r.code != c.code || !strings.Contains(r.stderr, c.says) {
				t.Errorf("bench %v: got %v, want exit code %d and %q", c.args, r, c.code, c.says)
			}
		})
	}
}
