package event

// Lines about outputs that keep rows of earlier ones.
var DependentUnmarked = warn("dependent_unmarked",
	"An output whose rows this one keeps cannot be marked as needed: `prune` of another folder may delete it", "`error`")
