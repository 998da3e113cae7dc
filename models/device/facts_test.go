package device

import (
	"maps"
	"slices"
	"testing"
)

func TestKind(t *testing.T) {
	for want, f := range map[string]GPUFacts{
		"unknown GPU": {},
		"Tesla P100-PCIE-16GB (compute capability 6.0), cuDNN 9.10.2, driver 550": {Name: "Tesla P100-PCIE-16GB", UUID: "GPU-1",
			Capability: "6.0", CUDNN: "9.10.2", Driver: "550.54.15", CUDA: "12.9"},
	} {
		if got := f.Kind(); got != want {
			t.Errorf("%+v is %q, want %q", f, got, want)
		}
	}
}

func TestGPUVersions(t *testing.T) {
	got := map[string]string{"jpeg": "go"}
	(&GPUFacts{CUDA: "12.9", Driver: "550.54.15"}).Versions(got)
	if want := map[string]string{"jpeg": "go", "cuda": "12.9", "nvidia_driver": "550.54.15"}; !maps.Equal(got, want) {
		t.Errorf("%v, want %v", got, want)
	}
}

func TestThrottleNames(t *testing.T) {
	if got := (ThrottlePower | ThrottleHardware).Names(); !slices.Equal(got, []string{"power", "hardware"}) {
		t.Errorf("%q", got)
	}
	if got := Throttle(0).Names(); len(got) > 0 {
		t.Errorf("no reason is %q", got)
	}
}
