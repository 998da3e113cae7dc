package ort

import "path/filepath"

// StandIn reports whether next to a library of ONNX Runtime lies the stand-in for the
// libraries of CUDA, which computes nothing. It is for tests, and neither its scores nor
// its speeds mean anything.
func StandIn(library string) bool {
	for _, folder := range homes(library) {
		if fileExists(filepath.Join(folder, "libcudatest.so")) {
			return true
		}
	}
	return false
}

// StandIn reports whether the engine's GPU is simulated by the stand-in for CUDA.
func (e *Engine) StandIn() bool { return e.rebind && StandIn(e.library) }
