package event

import "github.com/rs/zerolog"

// What a worker says of the job.
var (
	JobCreated   = info("job_created", "This rank began a new job", "`out`, `images` (their place)")
	JobContinued = info("job_continued", "The job continues where it was", "`done` and `images`: of how many images the rows are there")
	JobComplete  = info("job_complete", "Every image has its row. It comes before `run_ended`",
		"`images`, `ok`, `failed`, `statuses`, `passed_over`, `see`; with `--price` `cost`, `currency`, `device_hours` and `node_hours`; "+
			"with `--after`: `new`, `changed`, `retried`, `renamed`, `kept`, `gone`; "+
			"over the `gpu_workers`, the ranks with a GPU that had ended by then: "+
			"`gpu_busy`, `gpu_joules`, `gpu_images` (what these ranks committed) and `images_per_joule` (the quotient of these two), "+
			"`gpu_throttled_s` (added up over GPUs) and `gpu_throttled_by`")
	JobAlreadyComplete = info("job_already_complete", "The job was complete before this run, and there is nothing to do", "")
	FailuresLeft       = info("failures_left", "The job was complete before this run, with images that failed", "`failed`")

	ListingAwaited = info("listing_awaited", "Another rank lists the images", "`at_most_s` (after which this rank lists them itself)")
	RowsKept       = info("rows_kept", "A new job keeps rows of an earlier output",
		"`after` (the output), `images`, `new`, `changed`, `retried`, `renamed`, `kept`, `gone`")
	NothingKept = add(Kind{Name: "nothing_kept", Levels: []zerolog.Level{zerolog.WarnLevel, zerolog.InfoLevel},
		Means: "A new job keeps no row, and scores all images. Level `warn`: the earlier output is of another model or has other options;" +
			" `info`: there is no earlier one",
		Fields: "`after`, `why`"})
	OutputIncomplete = ask("output_incomplete", "The last output of the folder of `--after` is not complete, and an earlier one is continued",
		"`output`")
	OutputSkipped = warn("output_skipped", "A complete output of the folder of `--after` is of another job, and an earlier one is continued",
		"`output`, `why`, `after` (the earlier one)")
	SourceUnmarked = ask("source_unmarked", "An output whose rows a new job keeps could not be marked as needed, so `batchscore prune` may not know",
		"`error`")
	ListingDuplicates = warn("listing_duplicates", "The listing named images more than once; each gets one row", "`names` (how many)")
	FilesPassedOver   = info("files_passed_over", "The listing passed files over that are not images",
		"`passed_over` (how many, by reason and extension)")
	FoldersClosed = ask("folders_closed", "The listing passed folders over that may not be entered: images in them are not in the job",
		"`passed_over`")
	ListingAgainFailed = warn("listing_again_failed",
		"The images could not be listed again at the end, so it is not known what has changed since the job began",
		"`error`")
	ImagesDrifted  = warn("images_drifted", "Images were added, removed or changed since the job listed them", "`added`, `removed`, `changed`")
	DecodersDiffer = warn("decoders_differ", "The job was begun by a release with other decoders: new rows may differ from existing ones",
		"`job_has`, `this_rank` (versions)")
	DevicesDiffer = warn("devices_differ", "This rank has another kind of GPU, driver or cuDNN than the one that began the job",
		"`job_has`, `this_rank`")
	RuntimesDiffer = warn("runtimes_differ", "This rank has another release of ONNX Runtime than the one that began the job",
		"`job_has`, `this_rank`")
	RetryBegun         = info("retry_begun", "Images are scored again", "`retry` (its number), `status`")
	RetryFinishedFirst = info("retry_finished_first", "A retry that was begun before is finished before the one that was asked for",
		"`retry`, `status`, `max_pixels`, `max_image_memory` (bytes)")
	RetryComplete = info("retry_complete", "All images of a retry are scored again", "`retry`, `images`, `now` (their statuses)")
	RetryEmpty    = info("retry_empty", "No image has the status that was asked for",
		"`status`, `kept` (images with this status whose rows are in earlier outputs)")
	RetryNotBegun   = info("retry_not_begun", "Rank 0 has begun no retry, and this rank ends", "")
	RetryUnfinished = ask("retry_unfinished", "A retry was begun and is not done: the same command with its `--retry` finishes it",
		"`retry`, `status`")
	ImageQuarantined = warn("image_quarantined", "Workers die on an image: it becomes a row", "`chunk`, `image`, `deaths`")
	ChunkCommitted   = debug("chunk_committed", "The rows of a chunk are there",
		"`chunk`, `images`, `failed` and `statuses` (if some failed), `copied` (rows that were copied, besides)")
	ChunkLost         = info("chunk_lost", "Another worker committed a chunk first; its part is kept", "`chunk`")
	ChunkRaced        = info("chunk_raced", "This worker races a slow one for a chunk", "`chunk`")
	ChunkBisected     = warn("chunk_bisected", "Workers died on a chunk: its images are tried in parts, to find the one", "`chunk`")
	TrialNotWithdrawn = warn("trial_not_withdrawn",
		"A trial of images of a chunk on which workers died could not be taken back: it may count as a worker that died",
		"`chunk`, `error`")
	ClaimNotRenewed = warn("claim_not_renewed", "A claim could not be renewed; it holds until its lease ends, and is tried again",
		"`claim` (the right), `chunk`, `error`")
	ClaimLost          = warn("claim_lost", "Another worker took a claim of this one over", "`claim`, `chunk`")
	ClaimNotReleased   = warn("claim_not_released", "A claim could not be given up: it stays until its lease ends", "`claim`, `chunk`, `error`")
	ShareDone          = info("share_done", "The share of this rank is done, and it waits for those of others", "`missing` (chunks)")
	ChunksNotCommitted = info("chunks_not_committed", "The rank ends with chunks in hand that it did not commit",
		"`images` (processed), `rows` (of those, committed by this rank)")
	StopRequested = warn("stop_requested", "The rank was asked to stop, and commits what is in progress", "`grace_s`, `reason`")
	DeliveryLeft  = info("delivery_left", "Another rank writes the file of all rows", "`writer` (its rank), `host`")
	TuningNotKept = warn("tuning_not_kept", "What was measured for the tuning cannot be kept for the next run", "`folder`, `error`")
	DeviceTuned   = info("device_tuned", "Batch and sessions are chosen by measuring",
		"`device`, `batch`, `batch_is`, `sessions`, `threads`, `images_per_s`, `measured`, `from_cache`")
	ImagesTuned = info("images_tuned", "Decoders and read-ahead are chosen by measuring",
		"`decoders`, `fetchers`, `read_ahead_mb`, `decoded_per_s_and_core`, `fetch_ms`, `limit_images_per_s`")
	ImagesNotTuned = info("images_not_tuned", "None of the first images could be read, so decoders and read-ahead are the default", "")
	BatchHalved    = warn("batch_halved", "The device was out of memory: batches are smaller from now on", "`device`, `batch`, `now`")
	ImagesDark     = warn("images_dark", "Images have samples of more than 8 bits, nearly all below a quarter of what these hold: they look black to the"+
		" model; `--value-range` says which value is white", "`images`")
	Progress  = info("progress", "How the rank is doing, once a minute", progressFields)
	GPUSlowed = ask("gpu_slowed", "As `progress`: heat or the hardware lowered the GPU's clock for half of the minute or longer",
		"those of `progress`")
)

const progressFields = "`images`, `failed` (so far, if some did), `images_per_s`, `binds` (the stage that limits the rate), " +
	"`busy` (that stage's share of the time), `of_limit` (share of the measured limit); on a GPU, over the minute, " +
	"`gpu_busy` (share of the time in which a kernel ran), `gpu_watts`, `gpu_clock_mhz`, `gpu_throttled_s` and " +
	"`gpu_throttled_by` (why: `power`, `heat`, `hardware`), and at its end `gpu_memory_mb` and `gpu_celsius`"
