package deploy

// Exit codes of a worker, by what an engine should do about them. 0 is success.
// Any code in neither list is a failure that a retry may mend.
var (
	// FinalCodes are those that a retry cannot mend: too many bad images, other images, an
	// output folder that is not this job's, wrong flags, wrong configuration.
	FinalCodes = []int{3, 4, 6, 10, 11, 64, 78}
	// RetryCodes are those of a worker that was stopped, or lacked something for
	// a while. Started again, it continues where it was.
	RetryCodes = []int{75, 143}
)
