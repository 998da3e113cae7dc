package event

// What launch says of a job on its engine.
var (
	JobLaunched   = info("job_launched", "The engine has the job", "`engine`")
	JobWaits      = info("job_waits", "What the job or a part of it waits for, as the engine says", "`engine`")
	JobNotNeeded  = warn("job_not_needed", "The output is complete and the job waits on its engine all the same: launch cancels it", "`engine`")
	EngineSilent  = warn("engine_silent", "The engine does not answer, and is asked again", "`engine`")
	EngineAnswers = info("engine_answers", "The engine answers again", "`engine`")
	OutputUnread  = warn("rank_output_unread", "What the ranks print cannot be followed; the job continues", "`engine`")
	NodesKept     = ask("nodes_kept", "The nodes of a job that has ended could not be given back", "`engine`")
	ResultUnseen  = ask("result_unseen", "The engine reports success, and this machine cannot see the result to check it", "`engine`")
	RanksFailed   = warn("ranks_failed", "Ranks failed, but the result is complete", "`engine`")
	RankPrinted   = info("rank_printed", "A line that a rank printed and that is not a line of its log", "`rank`")
)
