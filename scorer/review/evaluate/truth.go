package evaluate

// Scored is one class of an answer.
type Scored struct {
	Label string
	Score float32
}

// Truth collects how well answers agree with what is known to be right. Its zero value is ready.
type Truth struct {
	// Wanted are the precisions for which Result finds thresholds; nil is 0.9, 0.95, 0.99 and
	// 0.999.
	Wanted []float64
}

// Add adds one row. Of labels, any one is right; none means that the truth is not known. ranked
// are the classes of the answer, the best one first; none means that the image failed.
//
// If none of several labels is the answer, the first one counts as the truth in classes and in
// the confusion. Strings are copied where they are kept.
func (t *Truth) Add(labels []string, ranked []Scored) {}

// Result returns the figures of the rows so far.
func (t *Truth) Result() *Result { return &Result{} }
