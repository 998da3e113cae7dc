package device

import "strings"

// GPUFacts say which GPU computes, and with which software. What is not known is
// empty.
type GPUFacts struct {
	// Name is the driver's, such as "Tesla P100-PCIE-16GB"; that of a MIG instance
	// ends with its size, such as "MIG 1g.5gb".
	Name string `json:"name,omitempty"`
	// UUID is that of the GPU, or of the MIG instance.
	UUID string `json:"uuid,omitempty"`
	// Capability is the compute capability, such as "6.0".
	Capability string `json:"compute_capability,omitempty"`
	MemoryMB   int    `json:"memory_mb,omitempty"` // in MiB
	// MIG reports whether it is an instance of a GPU that is divided.
	MIG bool `json:"mig,omitempty"`
	// Driver is the driver's release, such as "550.54.15", and CUDADriver the newest
	// version of CUDA that it supports. CUDA and CUDNN are the versions of the CUDA
	// runtime and cuDNN that are loaded.
	Driver     string `json:"driver,omitempty"`
	CUDADriver string `json:"cuda_driver,omitempty"`
	CUDA       string `json:"cuda,omitempty"`
	CUDNN      string `json:"cudnn,omitempty"`
}

// Model returns the name and the compute capability, such as "Tesla P100-PCIE-16GB
// (compute capability 6.0)". It is "unknown GPU" if neither is known.
func (f *GPUFacts) Model() string {
	name := f.Name
	if name == "" {
		name = "unknown GPU"
	}
	if f.Capability == "" {
		return name
	}
	return name + " (compute capability " + f.Capability + ")"
}

// Kind returns what the last bits of scores depend on: the model, the version of cuDNN
// and the major version of the driver. GPUs of the same kind compute the same bytes, as
// far as is known.
func (f *GPUFacts) Kind() string {
	kind := f.Model()
	if f.CUDNN != "" {
		kind += ", cuDNN " + f.CUDNN
	}
	if major, _, _ := strings.Cut(f.Driver, "."); major != "" {
		kind += ", driver " + major
	}
	return kind
}

// Versions adds the versions of the software to a map of versions by name.
func (f *GPUFacts) Versions(to map[string]string) {
	for name, version := range map[string]string{
		"cuda": f.CUDA, "cudnn": f.CUDNN, "nvidia_driver": f.Driver, "nvidia_driver_cuda": f.CUDADriver,
	} {
		if version != "" {
			to[name] = version
		}
	}
}
