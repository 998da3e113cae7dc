// Package models holds what a model needs to be run and believed: its input
// size, layout, preprocessing and labels, and where its file lies.
package models

import (
	"errors"

	"github.com/batchscore/batchscore/models/preprocess"
)

// ErrModel means that a model file, its contract or its labels cannot be used.
var ErrModel = errors.New("unusable model")

// ErrProvider means that the execution provider asked for is not there.
var ErrProvider = errors.New("execution provider unavailable")

// ErrOutOfMemory means that a device could not hold a batch; a smaller batch
// may fit.
var ErrOutOfMemory = errors.New("device out of memory")

// MetadataKey is the ONNX metadata_props key that carries the Contract as JSON.
const MetadataKey = "batchscore.contract"

// Activation says what a model's output row holds, and so what is done to it.
type Activation string

// The kinds of output rows. Of the first two an image has one class; of the
// others every class is judged by itself.
const (
	Probabilities Activation = "probabilities" // sums to 1 as it is
	Logits        Activation = "logits"        // needs a softmax
	Sigmoid       Activation = "sigmoid"       // each score needs a sigmoid
	Independent   Activation = "independent"   // each score is from 0 to 1 as it is
)

// Activations are all of them, as flags and sidecars spell them.
func Activations() []string { return spelled(Probabilities, Logits, Sigmoid, Independent) }

// Contract is what must be known of a model to score images with it. It
// travels in the ONNX file's metadata.
type Contract struct {
	Name       string          `json:"name"`
	Preprocess preprocess.Spec `json:"preprocess"`
	Output     Activation      `json:"output"`
	// OutputName is the graph's output that holds the scores, where it has
	// several.
	OutputName string `json:"output_name,omitempty"`
	// Classes is the width of the output row.
	Classes int `json:"classes"`
	// Labels are one for each class, or two for a row of one independent score:
	// that of 0 and that of 1.
	Labels []string `json:"labels,omitempty"`
	// Precision is what the weights were converted to: "fp16" or "int8"; empty
	// for float32.
	Precision string `json:"precision,omitempty"`
	// TransformInput says of torchvision's Inception V3 whether its graph takes
	// the pixels from ImageNet's normalisation to -1..1; nil for any other.
	TransformInput *bool `json:"transform_input,omitempty"`
	// Source and SourceDigest name what the file was made from; the digest is
	// "sha256:" and hex.
	Source       string `json:"source,omitempty"`
	SourceDigest string `json:"source_digest,omitempty"`
}

// Binary reports whether the one score of a row stands for two classes: the
// second has it, and the first what it lacks to 1.
func (c *Contract) Binary() bool { return c.Classes == 1 && len(c.Labels) == 2 }

// Labelled is how many classes a row of the result chooses from.
func (c *Contract) Labelled() int {
	if c.Binary() {
		return 2
	}
	return c.Classes
}

// Batch is the memory of one batch, owned by one goroutine at a time. The
// decoder writes into Pixels; the engine reads Pixels and writes Scores.
type Batch struct {
	// Pixels is [capacity][Spec.RowBytes()], in the contract's layout and
	// element type (native byte order).
	Pixels []byte
	// Scores is [capacity][classes], as the model returns them.
	Scores []float32
	// Engine is private to the engine that made the batch.
	Engine any
}
