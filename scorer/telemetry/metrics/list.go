package metrics

// The metrics of a rank. Those that count begin at 0 with the process. docs/reference.md
// has a line for each, and a test compares the two.
var (
	RunInfo = rankGauge("run_info", "Always 1; the labels say what the rank runs.",
		"out", "model", "model_digest", "device", "gpu", "version")
	RunStart      = rankGauge("run_start_timestamp_seconds", "When the process of the rank started.")
	RunDeadline   = rankGauge("run_deadline_timestamp_seconds", "When --deadline pauses the rank; only with that flag.")
	RunEnd        = rankGauge("run_end_timestamp_seconds", "When the rank ended; only in what it leaves behind: the file, and what OTLP sends last.")
	RunExitStatus = rankGauge("run_exit_status", "The exit code of the rank; only in what it leaves behind: the file, and what OTLP sends last.")
	RunRanks      = rankGauge("run_ranks", "Ranks that the launcher started.")

	ExpectedImages = rankGauge("expected_images", "Images of the whole job.")
	ShareImages    = rankGauge("share_images", "Images of the share of this rank that had no row when it began.")

	Images = rankCounter("images_total",
		"Images whose row this rank has scored and committed, by status. Over all ranks, each image counts once; copied rows do not.", "status")
	Scored = rankCounter("images_processed_total",
		"Images that this rank has processed, committed or not, also those that another rank committed first.")
	Failed = rankCounter("images_failed_total", "Of the images that this rank has processed, those without an answer.")
	Read   = rankCounter("read_bytes_total", "Bytes of images read from the storage.")

	Chunks       = rankCounter("chunks_committed_total", "Chunks that this rank committed.")
	ChunksStolen = rankCounter("chunks_stolen_total", "Of the committed chunks, those from the share of another rank.")
	ChunksRaced  = rankCounter("chunks_doubled_total", "Chunks that this rank scored although a slow rank held them.")
	ChunksLost   = rankCounter("chunks_lost_total", "Chunks that this rank scored and another rank committed first.")
	LastCommit   = rankGauge("last_commit_timestamp_seconds", "When this rank last committed a chunk; absent before the first.")

	Busy = rankCounter("stage_busy_seconds_total",
		"Seconds in which goroutines of a stage worked, added up over them; they wait for the rest of the time.", "stage")
	Workers = rankGauge("stage_workers", "Goroutines of a stage.", "stage")
	Took    = rankHistogram("stage_duration_seconds",
		"Time to fetch or decode one image, to infer one batch, or to commit one chunk, by stage.", "stage")
	Batch       = rankHistogram("batch_images", "Images in each call of the device.")
	BatchSize   = rankGauge("batch_size_images", "Images of a full batch of the job.")
	BatchHalved = rankCounter("batch_halved_total", "Times that the batch was halved, as the device could not hold it.")

	Ahead    = rankGauge("read_ahead_bytes", "Bytes of images that were read and are not decoded yet.")
	AheadMax = rankGauge("read_ahead_limit_bytes", "Most bytes that may be read before they are decoded.")

	StorageCalls = rankCounter("storage_calls_total", "Calls of a storage on a network, repeated ones included.", "storage")
	StorageRetry = rankCounter("storage_retries_total", "Calls of a storage that were repeated.", "storage")
	StorageSlow  = rankCounter("storage_throttled_total", "Answers of a storage that asked for fewer calls.", "storage")
	StorageStall = rankCounter("storage_stalled_total", "Calls of a storage that were ended because no data came.", "storage")
	StoragePause = rankCounter("storage_paused_seconds_total", "Seconds of waiting before calls are repeated, added up over goroutines.", "storage")
	StorageLimit = rankGauge("storage_calls_limit", "Calls that may be under way at present.", "storage")
	StorageOpen  = rankGauge("storage_calls_under_way", "Calls that are under way.", "storage")

	GPUUtil     = rankGauge("gpu_utilization_ratio", "Share of the last second in which a kernel ran on the GPU of the rank, 0 to 1.")
	GPUBusy     = rankCounter("gpu_busy_seconds_total", "Seconds in which a kernel ran on the GPU of the rank, while images were scored.")
	GPUSeen     = rankCounter("gpu_observed_seconds_total", "Seconds in which the GPU of the rank reported whether a kernel ran.")
	GPUMemory   = rankGauge("gpu_memory_used_bytes", "Memory of the GPU in use, by all processes.")
	GPUTemp     = rankGauge("gpu_temperature_celsius", "Temperature of the GPU.")
	GPUEnergy   = rankCounter("gpu_energy_joules_total", "Energy that the GPU used while images were scored, whoever used it.")
	GPUThrottle = rankCounter("gpu_throttled_seconds_total", "Seconds in which the clock of the GPU was lowered.")
)

// The metrics of a job, read from its output.
var (
	JobUp = jobGauge("up", "1 if the output could be read at the last try, else 0.")
	// JobReadErrors counts, but only while the program that reads runs.
	JobReadErrors = define(OfJob, Counter, "batchscore_job_read_errors_total", "Tries to read the output that failed.", nil)
	JobRead       = jobGauge("read_timestamp_seconds", "When the output was last read; the other values are of that time.")
	JobReadTook   = jobGauge("read_duration_seconds", "How long it took to read the output.")
	JobInfo       = jobGauge("info", "Always 1; the labels say which job it is.", "out", "job_id", "model", "model_digest", "device")
	JobFolder     = jobGauge("folder_of_runs", "1 if the place is a folder of runs, of which the values are those of the last, else 0.")
	JobState      = jobGauge("state", "1 for each state that the job is in, 0 for the others.", "state", "out")

	JobExpected = jobGauge("expected_images", "Images of the job.")
	JobImages   = jobGauge("images", "Images that have their row, by status.", "status")
	JobJudged   = jobGauge("judged_images", "Of those, the ones that --max-errors is about: all, or of an increment the new and changed ones.", "status")
	JobDone     = jobGauge("done_images", "Images that have their row.")
	JobChunks   = jobGauge("chunks", "Chunks of the job.")
	JobChunked  = jobGauge("done_chunks", "Chunks that are committed.")
	JobRate     = jobGauge("images_per_second", "Images per second of the last parts; of a complete job, from its start to its end.")
	JobLeft     = jobGauge("left_seconds", "How long the missing images take at that rate; absent if that is not known.")
	JobRanks    = jobGauge("ranks", "Ranks of the job, by whether they are at work.", "alive")

	JobStart    = jobGauge("start_timestamp_seconds", "When the job was created.")
	JobLast     = jobGauge("last_commit_timestamp_seconds", "When the last chunk was committed; absent before the first.")
	JobSign     = jobGauge("last_sign_timestamp_seconds", "When a rank last committed a chunk, renewed a claim or ended.")
	JobEnd      = jobGauge("end_timestamp_seconds", "When the job was complete; absent before.")
	JobDeadline = jobGauge("deadline_timestamp_seconds", "When the job has to be complete; only with --due.")
	JobChange   = jobGauge("increment_images", "Images of a complete increment, by what became of them since the output before.", "change")
	JobKept     = jobGauge("collection_images", "Images of the whole collection of a complete job, kept ones included, by status.", "status")
	JobWorked   = jobGauge("worked_seconds", "Seconds that devices worked for the job, and machines, added up, as far as is known.", "of")
	JobCost     = jobGauge("cost", "What that cost by the prices that ranks were given; absent without a price.", "currency")
	JobStorage  = jobGauge("storage_calls", "Calls of storages by the ranks that have ended, by kind.", "kind")
)

// The metrics of a result. Those are also the figures of --fail-on, whose names are without
// the first two words. Package gate says which values a figure has and what it needs.
var (
	// ReportBroken is no figure, but what the conditions say of them.
	ReportBroken = reportGauge("broken", "1 if the exit code is not 0 because of --fail-on, else 0; absent without --fail-on.")

	ReportImages  = reportGauge("images", "Images that have their row.")
	ReportMissing = reportGauge("missing", "Images of the job that have no row yet.")
	ReportOK      = reportGauge("ok", "Images that have an answer.")
	ReportFailed  = reportGauge("failed", "Images that have no answer.")
	ReportStatus  = reportGauge("status", "Images with a status.", "status")
	ReportLabels  = reportGauge("labels", "Different labels of the answers.")
	ReportShare   = reportGauge("share", "Share of the answers that have a label.", "label")
	ReportScore   = reportGauge("mean_score", "Mean score of the best classes.")

	ReportJudged        = reportGauge("judged", "Images that have an answer and a truth.")
	ReportCoverage      = reportGauge("coverage", "Share of the images with a truth that have an answer.")
	ReportAccuracy      = reportGauge("accuracy", "Share of the judged images whose best class is right.")
	ReportAccuracyLow   = reportGauge("accuracy_low", "Lower bound of the accuracy, with a confidence of 95%.")
	ReportAccuracyOfAll = reportGauge("accuracy_of_all", "Share of the images with a truth whose best class is right; images that failed are wrong.")
	ReportTop           = reportGauge("top", "Share of the judged images of which one of the k best classes is right; k is 1, 2, 3, 5 or 10.", "k")
	ReportMistakes      = reportGauge("mistakes", "Judged images whose best class is wrong.")
	ReportPrecision     = reportGauge("precision", "Share of the judged images said to be of a label that are of it.", "label")
	ReportRecall        = reportGauge("recall", "Share of the judged images of a label that are said to be of it.", "label")
	ReportF1            = reportGauge("f1", "Harmonic mean of precision and recall of a label.", "label")
	ReportMacroP        = reportGauge("macro_precision", "Mean of the precisions of all labels; one that does not exist counts as 0.")
	ReportMacroR        = reportGauge("macro_recall", "Mean of the recalls of all labels; one that does not exist counts as 0.")
	ReportMacroF1       = reportGauge("macro_f1", "Mean of F1 of all labels.")
	ReportWeightedF1    = reportGauge("weighted_f1", "Mean of F1 of all labels, each weighed by its images in truth.")
	ReportECE           = reportGauge("ece", "Expected calibration error: how far scores are from the share that is right, on average, in 15 bins.")
	ReportMCE           = reportGauge("mce", "How far they are apart in the worst bin.")
	ReportBrier         = reportGauge("brier", "Mean square of how far the score of the best class is from 1 if it is right, and from 0 if not.")

	ReportCompared  = reportGauge("compared", "Images that have an answer here and in the other output.")
	ReportFlips     = reportGauge("flips", "Compared images with another label than in the other output.")
	ReportChanges   = reportGauge("status_changes", "Images in both outputs with another status than in the other output.")
	ReportOnlyHere  = reportGauge("only_here", "Images that have a row here only.")
	ReportOnlyThere = reportGauge("only_there", "Images that have a row in the other output only.")
	ReportNew       = reportGauge("new_labels", "Labels of answers that the other output does not have.")
	ReportVanished  = reportGauge("vanished_labels", "Labels of answers that only the other output has.")
	ReportDrift     = reportGauge("drift", "The larger one of psi and psi_scores. By a rule of thumb, from 0.2 on is much.")
	ReportPSI       = reportGauge("psi", "How far shares of labels are from those of the other output: the population stability index.")
	ReportPSIScores = reportGauge("psi_scores", "The same for scores of the best class, in 20 bins.")
	ReportPSINoise  = reportGauge("psi_noise", "What psi stays below by chance alone in 95% of cases, with as many images.")
	ReportPSISNoise = reportGauge("psi_scores_noise", "The same for psi_scores.")
	ReportJS        = reportGauge("js", "How far shares of labels are from those of the other output: the Jensen-Shannon divergence in bits, from 0 to 1.")
	ReportJSScores  = reportGauge("js_scores", "The same for scores of the best class, in 20 bins.")
)
