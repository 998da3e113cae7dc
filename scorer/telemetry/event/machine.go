package event

// What a rank says of its machine, its devices and libraries.
var (
	ModelLoaded = info("model_loaded", "The model is on the device",
		"`device`, `lanes`, `onnxruntime`; on a GPU `gpu_name`, `gpu_uuid`, `gpu_memory_mb`, `compute_capability`, `nvidia_driver`, `cuda`, `cudnn`")
	GPUUnusable = ask("gpu_unusable", "There is a GPU, but it cannot be used, and the CPU scores",
		"`error`, or `gpus` and `library` (an ONNX Runtime without CUDA)")
	GPUShared = ask("gpu_shared", "Processes of this machine share a GPU", "`processes`, `gpus`")
	GPUByRank = info("gpu_by_rank", "Nothing says which rank this is on its machine: the GPU is the rank modulo the number of GPUs",
		"`gpus`, `gpu` (its number)")
	GPUPartition   = info("gpu_partition", "CUDA shows a process one MIG device, and this rank has chosen its own", "`mig`, `gpus`")
	GPUUnknown     = info("gpu_unknown", "Not everything is known of the GPU, and its figures are left out", "`device`, `error`")
	GPUUnmeasured  = warn("gpu_unmeasured", "Not everything is known of the GPU that is checked", "`error`")
	TF32Missing    = warn("tf32_missing", "`--tf32` does nothing on this GPU", "`device`, `gpu_name`, `compute_capability`")
	ModelUnordered = ask("model_unordered", "The model was saved after ONNX Runtime's optimizer, and on a GPU may use memory before it is cleared",
		"`model`, `nodes`")
	LanesReduced   = warn("lanes_reduced", "The device is short of memory: batches run one at a time", "`device`, `batch`, `lanes`")
	MemoryPageable = warn("memory_pageable", "Page-locked memory is not available, and copying batches to the GPU is slower", "`error`")
	ThreadsPoll    = warn("threads_poll", "Threads that wait for the GPU take time from the decoders", "")
	ThreadsUnknown = debug("threads_unknown", "The driver does not say how threads wait for the GPU, or does not let them sleep", "`error`")
	SignalRestored = debug("signal_restored", "The start of the GPU had replaced a signal handler", "`signal`")
	ThreadsIgnored = warn("threads_ignored", "A GPU has no use for numbers of threads, which are ignored", "`device`")

	JPEGSlow      = ask("jpeg_slow", "JPEG is decoded by Go, several times slower than by libjpeg-turbo", "`error`")
	JPEGDecoder   = debug("jpeg_decoder", "Which decoder JPEG has", "`decoder`")
	JPEGOnGPU     = info("jpeg_on_gpu", "JPEG is decoded by nvImageCodec", "`decoder`, `device`")
	DecodersCount = debug("decoders_counted", "How many decoders there are", "`cores`, `decoders`")
	CoresAll      = warn("cores_all", "The rank was to run near its GPU, and runs on all cores", "`error`")
	CoresNear     = info("cores_near", "The rank runs on the cores near its GPU", "`numa_node`, `cores` (this rank's share)")

	MachineEvicted   = warn("machine_evicted", "This machine is about to be taken away: the rank drains", "`notice` (its type), `not_before`")
	EvictionsUnknown = debug("evictions_unknown", "It cannot be read whether the machine will be taken away", "`error`")
	StorageRetried   = warn("storage_retried", "A call to a storage failed or has no answer, and is made again",
		"`error`, `pause_s`, `pauses` (since the last such line), `until` (the end of patience)")
	StorageTotals = info("storage_totals", "How the calls to a storage went, if some were made again; at the end",
		"`place`, `calls`, `retries`, `throttled`, `stalls`, `resumed`, `settled`, `paused_s`, `limit`")
	ChunkIrregular = warn("chunk_irregular", "The last batch of every chunk is not full: `--chunk` is no multiple of `--batch`",
		"`chunk_size`, `batch`, `device`")
	TelemetryUnsent = warn("telemetry_unsent", "Metrics or spans did not reach the collector that the variables `OTEL_*` name; the job continues",
		"`error`, `times` (since the last such line)")
	SimulatedEstimated = warn("simulated_estimated", "The rate of the simulated device is an estimate", "`device`")
	Simulated          = warn("simulated", "Nothing is computed, and the labels mean nothing", "`device`")
	StandIn            = warn("stand_in", "A stand-in for CUDA computes nothing", "`device`")
)
