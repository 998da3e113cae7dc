package evaluate

// MaxLabels is how many different labels are told apart. Images with further ones are counted
// together, so that an output with a new label in each row does not fill the memory.
const MaxLabels = 100_000

// MaxLabelBytes is how many bytes all labels may have together.
const MaxLabelBytes = 32 << 20

// MaxPairs is how many different pairs of labels are told apart.
const MaxPairs = 1 << 20
