package gpu

// #include <stdlib.h>
// #include "nvidia.h"
import "C"

import (
	"errors"
	"fmt"
	"math"
	"unsafe"

	"github.com/batchscore/batchscore/models/device"
)

// GPU is the GPU that this process computes on. Its methods may be called from any
// number of goroutines.
type GPU struct {
	facts device.GPUFacts
	nvml  *library
	// whole is the GPU in NVML, part the MIG instance; nil if unknown. part is whole if
	// the GPU is not divided.
	whole, part unsafe.Pointer
}

// The attributes of a device in the CUDA runtime.
const (
	capabilityMajor = 75
	capabilityMinor = 76
)

// Open finds out what the GPU is that CUDA gives that number in this process. A
// session must run on it, so that CUDA is loaded. folders are those of ONNX Runtime's
// library: a copy of NVML in one of them is used in place of the driver's.
//
// It always returns a GPU. The error says why there is less to know of it than there
// should be.
func Open(folders []string, index int) (*GPU, error) {
	cudart := loaded("libcudart.so.13", "libcudart.so.12")
	cudnn := loaded("libcudnn.so.9")
	cuda := loaded("libcuda.so.1")
	nvml, err := openManagement(folders)
	g := &GPU{nvml: nvml}
	f := &g.facts
	n := C.int(index)

	bus := text(func(to *C.char) C.int { return C.nv_bus(cudart.c(), n, to) })
	g.find(bus)
	switch {
	case err != nil || g.whole != nil:
	case bus == "":
		err = fmt.Errorf("CUDA does not say where its GPU %d is, so NVIDIA's management library cannot find it", index)
	default:
		err = fmt.Errorf("NVIDIA's management library does not know the GPU %d of CUDA, at %q", index, bus)
	}
	var mode C.uint
	f.MIG = g.whole != nil && C.nv_mig(nvml.c(), g.whole, &mode) == 0 && mode == 1
	if g.part = g.whole; f.MIG {
		g.part = nil
		var id [16]byte
		if C.nv_cuda_uuid(cuda.c(), n, (*C.uchar)(&id[0])) == 0 {
			f.UUID = instance(id)
			name := C.CString(f.UUID)
			C.nv_by_uuid(nvml.c(), name, &g.part)
			C.free(unsafe.Pointer(name))
		}
	}
	g.identify()
	if f.Name == "" || f.MIG && g.part == nil {
		if name := text(func(to *C.char) C.int { return C.nv_cuda_name(cuda.c(), n, to) }); name != "" {
			f.Name = name
		}
	}
	var bytes C.size_t
	if f.MemoryMB == 0 && C.nv_cuda_memory(cuda.c(), n, &bytes) == 0 {
		f.MemoryMB = int(bytes >> 20)
	}
	var major, minor C.int
	if C.nv_attribute(cudart.c(), n, capabilityMajor, &major) == 0 && C.nv_attribute(cudart.c(), n, capabilityMinor, &minor) == 0 && major > 0 {
		f.Capability = fmt.Sprintf("%d.%d", major, minor)
	}

	f.Driver = text(func(to *C.char) C.int { return C.nv_driver(nvml.c(), to) })
	var version C.int
	if C.nv_cuda_driver(nvml.c(), &version) == 0 || C.nv_runtime_driver_version(cudart.c(), &version) == 0 {
		f.CUDADriver = cudaVersion(int(version))
	}
	version = 0
	if C.nv_runtime_version(cudart.c(), &version) == 0 {
		f.CUDA = cudaVersion(int(version))
	}
	f.CUDNN = cudnnVersion(int(C.nv_cudnn_version(cudnn.c())))
	if cudart == nil {
		err = errors.Join(errors.New("this process has not loaded the CUDA runtime"), err)
	}
	return g, err
}

// find finds the GPU at a PCI address in NVML.
func (g *GPU) find(bus string) {
	if bus == "" {
		return
	}
	name := C.CString(bus)
	defer C.free(unsafe.Pointer(name))
	if C.nv_by_bus(g.nvml.c(), name, &g.whole) != 0 {
		g.whole = nil
	}
}

// identify adds what NVML knows of the GPU to the facts.
func (g *GPU) identify() {
	f := &g.facts
	known := g.part
	if known == nil {
		known = g.whole
	}
	if known == nil {
		return
	}
	f.Name = text(func(to *C.char) C.int { return C.nv_name(g.nvml.c(), known, to) })
	if f.UUID == "" {
		f.UUID = text(func(to *C.char) C.int { return C.nv_uuid(g.nvml.c(), known, to) })
	}
	var total, used C.ulonglong
	if g.part != nil && C.nv_memory(g.nvml.c(), g.part, &total, &used) == 0 {
		f.MemoryMB = int(total >> 20)
	}
	var major, minor C.int
	if C.nv_capability(g.nvml.c(), known, &major, &minor) == 0 && major > 0 {
		f.Capability = fmt.Sprintf("%d.%d", major, minor)
	}
}

// Facts returns what the GPU is. It does not change.
func (g *GPU) Facts() device.GPUFacts { return g.facts }

// Read asks the GPU how it is. That takes some milliseconds at most, unless the driver
// hangs.
//
// Of a MIG instance only the memory is known: power, clock and temperature are those of
// the whole GPU, which others use, too.
func (g *GPU) Read() device.Reading {
	r := device.NoReading()
	if g.part == nil {
		return r
	}
	var total, used C.ulonglong
	if C.nv_memory(g.nvml.c(), g.part, &total, &used) == 0 {
		r.MemoryMB = float64(used) / (1 << 20)
	}
	if g.facts.MIG {
		return r
	}
	number := func(to *float64, unit float64, call func(n *C.uint) C.int) {
		var n C.uint
		if call(&n) == 0 {
			*to = float64(n) / unit
		}
	}
	number(&r.Busy, 100, func(n *C.uint) C.int { return C.nv_busy(g.nvml.c(), g.part, n) })
	number(&r.ClockMHz, 1, func(n *C.uint) C.int { return C.nv_clock(g.nvml.c(), g.part, n) })
	number(&r.Watts, 1000, func(n *C.uint) C.int { return C.nv_power(g.nvml.c(), g.part, n) })
	number(&r.Celsius, 1, func(n *C.uint) C.int { return C.nv_celsius(g.nvml.c(), g.part, n) })
	if r.Busy > 1 { // not a percentage
		r.Busy = math.NaN()
	}
	var n C.ulonglong
	if C.nv_energy(g.nvml.c(), g.part, &n) == 0 {
		r.Joules = float64(n) / 1000
	}
	if C.nv_throttle(g.nvml.c(), g.part, &n) == 0 {
		r.Throttle = throttle(uint64(n))
	}
	return r
}

// throttleBits are NVML's bits of the reasons that lower a busy GPU's clock. Those that
// hold for an idle GPU, and for clocks that somebody has set, are left out.
var throttleBits = []struct {
	bit uint64
	is  device.Throttle
}{
	{0x04, device.ThrottlePower},
	{0x08, device.ThrottleHardware},
	{0x20, device.ThrottleHeat},
	{0x40, device.ThrottleHeat},
	{0x80, device.ThrottleHardware},
}

func throttle(reasons uint64) (t device.Throttle) {
	for _, r := range throttleBits {
		if reasons&r.bit != 0 {
			t |= r.is
		}
	}
	return t
}

// instance returns the name of a MIG instance with that UUID.
func instance(id [16]byte) string {
	return fmt.Sprintf("MIG-%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
}

// cudaVersion returns CUDA's number of a version as text: 12090 is "12.9". It is empty
// for 0.
func cudaVersion(n int) string {
	if n <= 0 {
		return ""
	}
	return fmt.Sprintf("%d.%d", n/1000, n%1000/10)
}

// cudnnVersion returns cuDNN's number of a version as text: 91002 is "9.10.2", 8905 is
// "8.9.5". It is empty for 0.
func cudnnVersion(n int) string {
	switch {
	case n <= 0:
		return ""
	case n < 90000:
		return fmt.Sprintf("%d.%d.%d", n/1000, n/100%10, n%100)
	}
	return fmt.Sprintf("%d.%d.%d", n/10000, n/100%100, n%100)
}
