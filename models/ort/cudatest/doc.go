// Package cudatest is a stand-in for NVIDIA's libraries, for tests: ONNX Runtime's
// own GPU library runs over it on a machine that has no GPU.
//
// It proves control flow, counts and messages: what the GPU is asked to do, in what
// order, on which device and stream, with how many plans, copies and synchronisations,
// and what a user reads when something fails. It proves no score and no speed: kernels
// compute nothing, and the time they take is made up. What cuDNN would choose and whether
// bits repeat only a GPU can say; batchscore gpu-check asks one.
//
// How it works:
//
//  1. deploy/deps/fetch.sh cudatest fetches ONNX Runtime's GPU library, for CUDA 12 and
//     for CUDA 13, and NVIDIA's headers. A test is skipped without them, and fails in CI.
//  2. [New] makes a [Machine]: a folder with links to ONNX Runtime and to the stand-in
//     under the names of NVIDIA's libraries, and a folder with the device nodes of its
//     GPUs. lib is compiled with gcc once for each version of the sources, next to what
//     was fetched, and shared by all tests.
//  3. A test starts a program with the variables of [Machine.Env]. ONNXRUNTIME_LIB alone
//     selects all libraries: those next to it come before the system's.
//  4. ONNX Runtime finds the functions it calls in one library, libcudatest.so. Those
//     with the names of NVIDIA's only lead to it. A function without a body in lib gets
//     one when it is compiled, which logs "unexpected" and reports success.
//  5. Memory of a device is memory of the process, counted against the device's limit.
//     It stays zero: copies to a device are logged, and move no bytes.
//  6. Every device has three engines, which compute, copy to it and copy from it. Work
//     reserves time on one of them, after the work before it in its stream. Calls return
//     at once, and synchronising sleeps until the time has come.
//  7. The scores of a batch are made from the bytes of each of its images, as they are in
//     the memory of the host when the first convolution starts: a run that mixes up
//     rows, or changes a batch too early, has other rows than one that does not. The
//     model must begin with a convolution over its input.
//  8. Scores reach pinned memory once the host has waited for them. Until then they are
//     not numbers. Pinned memory that changes before it was copied to a device is logged
//     as "overwritten", and a convolution that does not wait for its input as
//     "unordered".
//  9. Every call of interest is a line of the log, one JSON object, which [Machine.Log]
//     reads. It outlives a killed process.
//
// These variables set what the machine does, as [Config.Vars] or by hand. Devices and
// drivers are fields of [Config].
//
//	CUDATEST_FAIL=CALL=CODE[@N];...  end a call with an error, from the N-th time on. With
//	                                 the CODE hang it does not return.
//	                                 cudnnPlan is the making of a plan.
//	CUDATEST_PLAN_US                 time to make a plan, in the caller
//	CUDATEST_BATCH_US                time to compute a batch of 32, as a whole
//	CUDATEST_CONV_US                 time of each convolution of a batch of 32
//	CUDATEST_LAUNCH_US               time of any other kernel
//	CUDATEST_H2D_GBS                 speed of copies, in GB/s each way; 0 takes no time
//	CUDATEST_MEMORY_MB               memory of every device, in place of its own
//	CUDATEST_CUDNN                   version of cuDNN, such as 91002
//	CUDATEST_OUTPUT                  type of the model's scores: float32, float16 or zero,
//	                                 which leaves them zero
//	CUDATEST_UTILIZATION             what NVML says, in percent; by default the share of
//	                                 the last second, in simulated time, in which the
//	                                 process computed
//	CUDATEST_CLOCK_MHZ, CUDATEST_TEMPERATURE, CUDATEST_POWER_MW, CUDATEST_THROTTLE
//	                                 what NVML says of the GPU's state
//	CUDATEST_LOG                     file of the log
//	CUDATEST_LOG_ONLY=EVENT,...      the events that are logged; by default all
//	CUDATEST_HOST_US                 processor time of a launch, in the caller
//	CUDATEST_SAMPLE                  bytes of pixels of which 8 are looked at; by default 8.
//	                                 A large number takes the stand-in's own work out of
//	                                 what is measured.
//	CUDATEST_AHEAD=FROM-TO           batches of these numbers are complete only once the
//	                                 next one has been launched. A program that waits
//	                                 for one before it launches the next is logged as
//	                                 "alone" after a minute.
//
// Some errors need no CUDATEST_FAIL: a driver older than the line, no visible device, a
// GPU that the line's ONNX Runtime has no kernels for, a cuDNN from 9.11 on a GPU before
// Turing, too little memory, and a library that [Config.Without] leaves out.
//
// Not simulated: memory that processes share, and the order of work in CUDA's default
// stream against other streams. With GPUs in MIG mode CUDA enumerates one MIG device and
// no other device: the first that CUDA_VISIBLE_DEVICES names, or the first of the machine.
// A number names the first MIG device of a GPU, and whole GPUs have the first numbers.
package cudatest
