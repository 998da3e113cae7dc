package cudatest

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

// TestCUDADoctor: doctor --device tries every device. The stand-in computes nothing, so
// that its scores must be found to be wrong.
func TestCUDADoctor(t *testing.T) {
	t.Parallel()
	mig, parts := divided(1)
	for _, c := range []struct {
		name    string
		line    Line // the only one in which it is so; both by default
		devices []Device
		visible *string
		want    []string // in what it prints, with single spaces
		used    []string // the devices that were tried, in order
	}{
		{name: "two", devices: gpus(2), used: uuids(0, 1), want: []string{
			", with a stand-in for CUDA, which computes nothing",
			"ok provider cuda libraries found; not tried, which --device does",
			"FAIL GPU 0 NVIDIA A100-SXM4-40GB, at 0000:10:00.0, compute capability 8.0, 40960 MiB, NUMA node 0, driver DRIVER, CUDA N.",
			"cuDNN 9.10.2: wrong scores: the largest difference from the CPU's is",
			"FAIL GPU 1 NVIDIA A100-SXM4-40GB, at 0000:11:00.0", "ok for GPUs", "convert --precision fp16"}},
		{name: "one of two", devices: gpus(2), visible: new("1"), used: uuids(1),
			want: []string{"FAIL GPU 0 NVIDIA A100-SXM4-40GB, at 0000:11:00.0", "wrong scores"}},
		{name: "MIG devices", devices: mig, visible: new(strings.Join(parts, ",")), used: parts,
			want: []string{"FAIL GPU 0", "FAIL GPU 1", "a MIG device", "wrong scores"}},
		{name: "a K80", line: CUDA12, devices: []Device{{Name: "Tesla K80", Capability: "3.7"}}, used: uuids(0),
			want: []string{"FAIL GPU 0 Tesla K80", "CUDA failure 209", "this one has 3.7; a K80 is not supported"}},
		{name: "none", visible: new(""), want: []string{"FAIL a GPU CUDA_VISIBLE_DEVICES selects none of the 1 GPUs"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			run := func(t *testing.T, line Line) {
				m := New(t, Config{Line: line, Devices: c.devices})
				var vars []string
				if c.visible != nil {
					vars = []string{"CUDA_VISIBLE_DEVICES=" + *c.visible}
				}
				r := m.start(t, vars, "doctor", "--device").wait(t)
				if r.code != 78 || !strings.Contains(r.stderr, "cannot be used; see above") {
					t.Errorf("exit code %d, want 78: %s", r.code, r.stderr)
				}
				text := strings.Join(strings.Fields(r.stdout), " ")
				for _, want := range c.want {
					want = strings.NewReplacer("DRIVER", m.config.Driver, "CUDA N", fmt.Sprint("CUDA ", line)).Replace(want)
					if !strings.Contains(text, want) {
						t.Errorf("doctor does not say %q:\n%s", want, r.stdout)
					}
				}
				if used := m.used(t); !slices.Equal(used, c.used) {
					t.Errorf("tried %q, want %q", used, c.used)
				}
			}
			if c.line != 0 {
				run(t, c.line)
				return
			}
			lines(t, run)
		})
	}
}
