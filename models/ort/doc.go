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
// and never the bits of a score, nor does the place of an image in the batch.
// ONNX Runtime does not promise the same of the number of images in one call,
// since a matrix product may take another kernel for a single row (VGG-16 does,
// on x86-64, and differs in the last bits), and other kinds of processors do
// give other bits. Whoever needs equal bytes keeps both fixed.
// [Engine.CheckRows] finds the models whose scores depend on neighbours, place
// or chance by more than that.
//
// # Convolutions
//
// On the CPU, package winograd computes the convolutions that it is faster at.
// They are taken out of the graph before ONNX Runtime sees it, which then calls
// an operator of ours in their place (convolutions.go). Which these are follows
// from the model and the kind of processor; [Engine.Device] tells whether there
// are any, since the last bits of the scores differ.
//
// # Integers of 8 bits
//
// The sums of a model of 8 bits are exact on every processor. Where ONNX
// Runtime's fastest kernels would let them saturate, on x86-64 without VNNI,
// slower ones are asked for (int8.go), and [Engine.Device] says so. Weights of
// at most 7 bits, -64 to 64, keep the fast ones.
//
// # Memory
//
// A session takes the weights twice while it loads and gives one half back,
// and once more while it loads a graph without some convolutions, whose weights
// are then kept in a form of up to four times their size.
// Beyond the weights, every lane takes what the widest part of the network
// needs for a batch: for Inception V3 about 12 MB an image.
//
// # What a GPU adds
//
// The session is created within saved signal handlers, its placement on the
// GPU is verified, batches lie in page-locked memory, and the input is bound
// again before every run, which is what copies it to the device.
package ort
