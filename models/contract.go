// Package models holds what a model needs to be run and believed: its contract
// (input size, layout, preprocessing, labels), and golden images to check it
// with.
//
// Open reads a model file and completes its contract in four steps:
//
//  1. onnxfile reads what the file declares.
//  2. The answers to what a graph does not tell are collected, the strongest
//     first: flags, the sidecar next to the file, a preset, the file's metadata.
//  3. They are compared with the graph. Conflicts are reported, and what nobody
//     answers is asked for; nothing is guessed.
//  4. The contract is checked against the graph once more and returned as part
//     of a Model, which an engine runs.
package models

import (
	"errors"
	"strconv"

	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/preprocess"
)

// ErrModel means that a model file, its contract or its labels cannot be used.
// It is the error of package onnxfile, so that what is wrong with a file is
// reported the same way by both.
var ErrModel = onnxfile.ErrUnusable

// ErrProvider means that the requested execution provider is not available.
var ErrProvider = errors.New("execution provider unavailable")

// ErrDevice means that a device which could be used has failed. Another process, or another
// device, may do the same work.
var ErrDevice = errors.New("device failed")

// ErrOutOfMemory means that a device could not hold a batch; a smaller batch
// may fit.
var ErrOutOfMemory = errors.New("device out of memory")

// ErrNothingFits means that no batch, however small, fits into a device's memory. An
// error that wraps it wraps ErrOutOfMemory, too.
var ErrNothingFits = errors.New("no batch fits into the device's memory")

// ErrHostMemory means that the memory of the machine does not hold what was asked for.
// An error that wraps it is an ErrOutOfMemory, too.
var ErrHostMemory error = hostMemoryError{}

type hostMemoryError struct{}

func (hostMemoryError) Error() string { return "the machine has too little memory" }

func (hostMemoryError) Is(target error) bool { return target == ErrOutOfMemory }

// MetadataKey is the ONNX metadata_props key that carries the Contract as JSON.
const MetadataKey = "batchscore.contract"

// Activation says what a model's output row holds, and so which function is
// applied to it.
type Activation string

// The kinds of output rows. With the first two an image has one class; with the
// others every class is judged independently.
const (
	Probabilities Activation = "probabilities" // sum to 1; used as they are
	Logits        Activation = "logits"        // a softmax is applied
	Sigmoid       Activation = "sigmoid"       // a sigmoid is applied to each score
	Independent   Activation = "independent"   // each from 0 to 1; used as they are
)

// Activations returns all of them, as flags and sidecars spell them.
func Activations() []string { return spelled(Probabilities, Logits, Sigmoid, Independent) }

// Contract is what must be known about a model to score images with it. It
// travels in the ONNX file's metadata.
type Contract struct {
	Name string `json:"name"`
	// Task is what is made of the model's output; one of Tasks. Empty is Classify.
	Task       string          `json:"task,omitempty"`
	Preprocess preprocess.Spec `json:"preprocess"`
	Output     Activation      `json:"output"`
	// OutputName is the graph's output that holds the scores, where it has
	// several.
	OutputName string `json:"output_name,omitempty"`
	// Classes is how many classes the model tells apart. Models of Embed and Raw have
	// none: then it is how many numbers they give for an image.
	Classes int `json:"classes"`
	// Labels are one for each class. A row of one independent score may have two:
	// the label of 0 and the label of 1.
	Labels []string `json:"labels,omitempty"`
	// Settings are those of the task; zero for Classify.
	Settings Settings `json:"settings,omitzero"`
	// Outputs are those that a task takes that needs more than a row of Classes: several,
	// or one of several axes. OutputName is then empty.
	Outputs []Output `json:"outputs,omitempty"`
	// Heads are further answers, made of other outputs or of the same. HeadName is then
	// the name of the first answer, which the contract's own fields describe.
	HeadName string `json:"head_name,omitempty"`
	Heads    []Head `json:"heads,omitempty"`
	// Precision is what the weights were converted to: "fp16" or "int8"; empty
	// for float32.
	Precision string `json:"precision,omitempty"`
	// TransformInput tells, for torchvision's Inception V3 only, whether its graph
	// converts the pixels from ImageNet's normalisation to -1..1; nil for any
	// other model.
	TransformInput *bool `json:"transform_input,omitempty"`
	// Source and SourceDigest identify the file that the model was made from; the
	// digest is "sha256:" and hex.
	Source       string `json:"source,omitempty"`
	SourceDigest string `json:"source_digest,omitempty"`
}

// Classifies reports whether the model's output is a score for each class, so
// that Output and Labels say something.
func (c *Contract) Classifies() bool { return c.Task == "" || c.Task == Classify }

// HasLabels reports whether the answers name classes, so that Labels say something.
func (c *Contract) HasLabels() bool {
	return c.Classifies() || c.Task == MultiLabel || c.Task == Detect
}

// Numbered reports whether the classes have no names: each label is a number, counted
// from 0.
func (c *Contract) Numbered() bool {
	for i, label := range c.Labels {
		if label != strconv.Itoa(i) {
			return false
		}
	}
	return true
}

// Label returns the label of a class, its number if it has none.
func (c *Contract) Label(class int) string {
	if class < len(c.Labels) {
		return c.Labels[class]
	}
	return strconv.Itoa(class)
}

// Binary reports whether the one score of a row stands for two classes: the
// second class has that score, and the first has 1 minus it.
func (c *Contract) Binary() bool { return c.Classes == 1 && len(c.Labels) == 2 }

// Labelled returns how many classes a row of the result chooses from.
func (c *Contract) Labelled() int {
	if c.Binary() {
		return 2
	}
	return c.Classes
}

// Listed returns how many of the best classes an answer lists where so many are asked for;
// 0 where an answer does not list them.
func (c *Contract) Listed(asked int) int {
	if c.Classifies() {
		return min(asked, c.Labelled())
	}
	return 0
}

// A Limit is how many images one call of an engine takes. Any number of goroutines may use it.
type Limit interface {
	// Size returns how many; at least 1.
	Size() int
	// Lower halves it, after a call with that many was too large for the device. Only the first of
	// several calls that find that out does.
	Lower(size int)
}

// Batch is the memory of one batch, owned by one goroutine at a time. The
// decoder writes into Pixels; the engine reads Pixels and writes Scores.
type Batch struct {
	// Pixels is [capacity][Spec.RowBytes()], in the contract's layout and
	// element type (native byte order).
	Pixels []byte
	// Scores is [capacity][Contract.Numbers()], as the model returns them: the numbers of
	// all outputs of all heads, flattened and one after another.
	Scores []float32
	// Size is how many images a GPU computes in each call: fewer are filled up with
	// zeros. Its libraries make plans for one number of images, and the bits of scores
	// may depend on that number. 0 means the capacity. Set it to less once that many do
	// not fit into the device's memory. Other devices compute the images that they are
	// given.
	Size int
	// Engine is private to the engine that made the batch.
	Engine any
}
