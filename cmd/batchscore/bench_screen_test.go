package main

import (
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/bench/result"
)

// TestScreenOfBenchCompare keeps the screens of bench compare: two devices with short
// names, and two with names that are too long for a table.
func TestScreenOfBenchCompare(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	saved := func(name string, rate int, devices ...string) string {
		file := filepath.Join(dir, name+".txt")
		var r result.Run
		for d, device := range devices {
			for i := range 6 {
				rate := float64(rate/(d*3+1) + i)
				r.Samples = append(r.Samples, result.Sample{Name: "Run", Keys: []result.Key{result.K("device", device), result.K("batch", 32)},
					Values: []result.Value{{Value: rate, Unit: "images/s"}, {Value: 1.05 * rate, Unit: "session-images/s"},
						{Value: 5000, Unit: "decode-images/s"}, {Value: 4000, Unit: "cores-images/s"}, {Value: 0.95, Unit: "of-limit"}}})
			}
		}
		if err := result.Append(file, r); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for _, test := range []struct {
		name string
		args []string
	}{
		{name: "bench-compare", args: []string{saved("p100", 430, "p100"), saved("k80", 115, "k80"), "--price", "p100=3.1,k80=0.9"}},
		{name: "bench-compare-names", args: []string{saved("long", 800, "cuda:0/NVIDIA_A100-SXM4-80GB_with_MIG_1g.10gb_and_more", "cuda:0/Tesla_K80"),
			"--price", "A100=4,K80=0.9"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			codes := screens(t, test.name, func(t *testing.T) *exec.Cmd {
				return command(t, nil, append([]string{"bench", "compare"}, test.args...)...)
			})
			for _, code := range codes {
				if code != 0 {
					t.Errorf("exit code %d", code)
				}
			}
		})
	}
}
