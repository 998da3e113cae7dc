// Package ort runs models in ONNX Runtime, on the CPU or on NVIDIA GPUs. It is
// the only importer of onnxruntime_go.
//
// A batch takes these steps:
//
//  1. [FindLibrary] finds the shared library; nothing is linked at build time.
//  2. [Open] loads it once per process, builds the session options of the
//     provider as plain data, creates one session, compares its inputs and
//     outputs with the model's contract and scores one probe batch.
//  3. [Engine.NewBatch] gives the decoder memory outside the Go heap, which
//     ONNX Runtime reads and writes in place.
//  4. [Engine.Score] scores a range of that memory. The tensors over a range are
//     created the first time and kept, so that a steady stream of batches
//     allocates nothing in Go.
//
// # Threads and bits
//
// On the CPU there is one session whose operators run on the calling thread
// only, and as many concurrent calls ("lanes") as this process has cores. The
// lanes share the weights. How many of them run changes the speed but never the
// bits of a score, and neither does the place of an image in the batch.
//
// The bits may depend on two other things. One is the number of images in a
// call, because a matrix product may use another kernel for a single row (VGG-16
// does on x86-64, and differs in the last bits). The other is the kind of
// processor. Keep both fixed where equal bytes are needed. [Engine.CheckRows]
// finds models whose scores depend on neighbours, place or chance by more than
// that.
//
// # Convolutions
//
// On the CPU, package winograd computes the convolutions at which it is faster.
// They are replaced in the graph before ONNX Runtime loads it, which then calls
// our own operator (convolutions.go). Which convolutions these are follows from
// the model and the kind of processor. [Engine.Device] says whether there are
// any, because the last bits of the scores differ.
//
// # Integers of 8 bits
//
// The sums of an 8-bit model are exact on every processor. On x86-64 without
// VNNI, ONNX Runtime's fastest kernels would let them saturate, so slower kernels
// are requested (arithmetic.go), and [Engine.Device] says so. Models whose weights have
// at most 7 bits, -64 to 64, keep the fast kernels.
//
// # Memory
//
// While it loads, a session needs the weights twice and then returns half of that
// memory. It needs them once more if some convolutions are replaced; the weights
// of these are then kept in a form of up to four times their size. In addition to
// the weights, every lane needs the memory of the network's widest part for a
// batch: about 12 MB per image for Inception V3.
//
// # What a GPU adds
//
// Signal handlers are saved and restored around the creation of the session. The
// session's placement on the GPU is verified. Threads that wait for the GPU sleep.
//
// Batches are in page-locked memory. Before a run, the pixels of a batch are copied to
// memory of the device that a lane has, on a stream of the lane's own (input.go). The
// lane waits for that copy only, and then for the streams of its run, so that the GPU
// computes one batch while another is copied.
//
// Every run has [models.Batch.Size] images, filled up with zeros (score.go). cuDNN makes
// a plan for each convolution and number of images, which takes milliseconds to a second,
// and ONNX Runtime keeps the last one only. The bits of an image's scores then do not
// depend on how full its batch is. They do depend on the size, the kind of GPU, and
// the releases of cuDNN and ONNX Runtime. arithmetic.go decides between float32, TF32
// and float16.
package ort
