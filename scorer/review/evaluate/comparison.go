package evaluate

// OK is the status of an image that has an answer.
const OK = "ok"

// Answer is what an output says of an image. Its zero value says that the output has no row of
// the image.
type Answer struct {
	Status string
	Label  string  // of the best class, if Status is OK
	Score  float32 // of Label
}

// Comparison collects how the rows of two outputs differ. Its zero value is ready.
type Comparison struct{}

// Add adds what this output and the other one say of one image. Strings are copied where they
// are kept.
func (c *Comparison) Add(here, there Answer) {}

// Drift returns the figures of the images so far.
func (c *Comparison) Drift() *Drift { return &Drift{} }
