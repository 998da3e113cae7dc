package output

// What people are told of an output whose rows may not be what they should be.
const (
	// MixedDecodingNote explains Success.MixedDecoding.
	MixedDecodingNote = "Some rows come from a program with other decoders than that which began the job: they may differ from what it would have said."
	// DependentRowsNote explains Job.DependentRows.
	DependentRowsNote = "Rows may depend on the other images of their batch, or on chance: the job runs with --allow-dependent-rows."
)
