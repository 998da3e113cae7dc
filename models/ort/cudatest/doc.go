// Package cudatest is a stand-in for NVIDIA's libraries, for tests: ONNX Runtime's
// own GPU library runs over it on a machine that has no GPU. It shows what the GPU is
// asked to do, in what order, and how errors are reported. It computes nothing, so it
// proves no score and no speed.
package cudatest
