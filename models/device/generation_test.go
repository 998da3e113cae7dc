package device

import "testing"

func TestCUDA13(t *testing.T) {
	for _, test := range []struct {
		name, driver, visible string
		gpus                  []string
		want                  bool
	}{
		{name: "new", driver: "580.65.06", gpus: []string{"NVIDIA H100 80GB HBM3"}, want: true},
		{name: "name without a generation", driver: "595.10", gpus: []string{""}, want: true},
		{name: "old driver", driver: "535.104.05", gpus: []string{"NVIDIA A100-SXM4-80GB"}},
		{name: "unknown driver", gpus: []string{"NVIDIA A100-SXM4-80GB"}},
		{name: "V100", driver: "580.65.06", gpus: []string{"Tesla V100-SXM2-16GB"}},
		{name: "B200", driver: "580.65.06", gpus: []string{"NVIDIA B200"}},
		{name: "P100", driver: "580.65.06", gpus: []string{"Tesla P100-PCIE-16GB"}},
		{name: "P4", driver: "580.65.06", gpus: []string{"Tesla P4"}},
		{name: "one of two is old", driver: "580.65.06", gpus: []string{"NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-16GB"}},
		{name: "the old one is not used", driver: "580.65.06", visible: "0", gpus: []string{"NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-16GB"}, want: true},
		{name: "only the old one is used", driver: "580.65.06", visible: "1", gpus: []string{"NVIDIA A100-PCIE-40GB", "Tesla V100-PCIE-16GB"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			l := GPUList{Driver: test.driver}
			for _, name := range test.gpus {
				g := unknownGPU()
				g.Name = name
				l.All = append(l.All, g)
			}
			if test.visible != "" {
				l.restrict(test.visible)
			}
			if got := l.CUDA13(); got != test.want {
				t.Errorf("CUDA 13 is supported: %t, want %t", got, test.want)
			}
		})
	}
}
