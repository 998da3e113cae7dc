package output

import "github.com/batchscore/batchscore/scorer/row"

// Older reports whether an older release began the job, and may work on it next to this
// one. It takes a record with a field that it does not know for damaged. So all records of
// such a job are written without the fields that came after it: those that the functions
// called forOlder clear.
func (j *Job) Older() bool { return j.RowForm < row.Nullable }

// forOlder clears them in the record of a retry, which has the form of its job.
func (j *Job) forOlder() {
	j.LabelsFile, j.Preprocess, j.GPU, j.ONNXRuntime = "", nil, nil, ""
	j.MaxErrors = ""
}

func (s *WorkerSummary) forOlder() {
	s.Scored, s.BatchHalved, s.GPU, s.GPUUse = 0, 0, nil, nil
}

func (s *Success) forOlder() {
	s.Answers, s.ImagesPlace, s.WorkedSeconds, s.WorkedImagesPerSecond, s.ScoredTwice = nil, "", 0, 0, 0
	s.MaxErrors, s.GPUKinds, s.GPU = "", nil, nil
}
