// Package gpu asks NVIDIA's libraries which GPU this process computes on, with which
// software, and how busy it is.
//
// It is for a GPU that CUDA uses already: ONNX Runtime has loaded the CUDA runtime,
// cuDNN and the driver's CUDA library, and gpu asks those. It loads the driver's
// management library, NVML, itself. Nothing is loaded, and no function is looked up,
// before Open, and none of the libraries is needed: what cannot be found out is left
// out.
//
// CUDA and NVML number GPUs differently, and CUDA_VISIBLE_DEVICES and MIG change CUDA's
// numbers only. So a GPU of CUDA is found in NVML by its PCI address, and a MIG instance
// by its UUID.
//
// The functions are looked up one by one. NVIDIA's own Go binding declares all of NVML
// to the linker and lets it ignore that they are undefined, for the whole program. A
// process that calls a function which its driver does not have yet then ends at once,
// and the linker no longer reports what other C code lacks.
package gpu
