// Package ort runs models in ONNX Runtime, on the CPU or on NVIDIA GPUs. It is
// the only importer of onnxruntime_go.
//
// The way of a batch:
//
//  1. [FindLibrary] finds the shared library; nothing is linked at build time.
//  2. [Open] loads it once per process, builds the session options of the
//     provider as plain data, creates one session, compares its inputs and
//     outputs with the model's contract and runs one probe batch.
//  3. [Engine.NewBatch] gives the decoder memory outside the Go heap, which
//     ONNX Runtime reads and writes in place.
//  4. [Engine.Score] runs a range of that memory. The tensors over a range are
//     made the first time and kept, so that a steady stream of batches
//     allocates nothing in Go.
//
// # Threads and bits
//
// On the CPU there is one session whose operators run on the calling thread
// alone, and as many calls at once ("lanes") as there are cores for this
// process. The weights are shared, and how many lanes run changes the speed
// and never the bits of a score. The bits may depend on how many images are in
// one call, since matrix products choose another kernel for a single row; they
// do not depend on the place of an image in the batch. Whoever needs equal
// bytes keeps the composition of batches fixed.
package ort
