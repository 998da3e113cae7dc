package event

import "github.com/rs/zerolog"

// What the commands say of the model, of files and of their end.
var (
	RunEnded = add(Kind{Name: "run_ended", Levels: []zerolog.Level{zerolog.InfoLevel, zerolog.WarnLevel, zerolog.ErrorLevel},
		Means: "The last line of a log in JSON: the command ends. Level `info`: it did what it was for; `warn`: it was stopped, or the same" +
			" command is to be run again (codes 75, 130, 143); `error`: a person is needed",
		Fields: "`exit_code`, `why` (what the code means), `error`, `command`, `took_s`"})

	LabelsForm       = info("labels_form", "Which form the file of labels has", "")
	ContractConflict = ask("contract_conflict", "What is known of the model does not fit together", "`model`")
	LabelsMissing    = warn("labels_missing", "There are no labels, and rows name classes by number", "`model`")
	WeightsRandom    = ask("weights_random", "The model has random weights, and its scores mean nothing", "`model`")
	RowsDependent    = warn("rows_dependent", "Rows depend on the other images in their batch, or on chance, as `--allow-dependent-rows` allows",
		"`model`, `device`, `chance`, `difference`, `cause`")
	GoldenChecked = info("golden_checked", "The golden images score as they should", "`images`, `largest_difference`, `tolerance`")
	Int8Saturates = warn("int8_saturates", "An older release began this job, in which sums of 8-bit products saturate here, and so does the rest",
		"`out`")

	GPUsMixed     = warn("gpus_mixed", "Several kinds of GPU scored a complete job", "`kinds`")
	BatchesHalved = warn("batches_halved", "Batches were halved in a complete job", "`least_batch`")

	MetricsServed     = info("metrics_served", "Metrics can be scraped", "`address`")
	MetricsUnserved   = warn("metrics_unserved", "The address for metrics cannot be used, and the rank scores without serving any", "`address`, `error`")
	ExportDamaged     = ask("export_damaged", "jobs export found that rows of a complete output are lost; said once for each reason", "`place`, `error`")
	ExportUnread      = warn("export_unread", "jobs export could not read a place, which is said once as long as the reason stays", "`place`, `error`")
	MetricsFileFailed = warn("metrics_file_failed", "The file of metrics could not be written, which is said once", "`error`")

	MergeOneMachine = warn("merge_one_machine", "One rank writes the file of all rows, on its own machine, which others may not see", "`file`")
	RowsMerged      = info("rows_merged", "All rows are in one file", "`file`")
)
