package output

// MixedDecodingNote says, for people, what Success.MixedDecoding means.
const MixedDecodingNote = "Some rows come from a program with other decoders than that which began the job: they may differ from what it would have said."
