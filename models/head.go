package models

import (
	"fmt"
	"regexp"
)

// Output is one output of a graph, as far as one image fills it.
type Output struct {
	Name string `json:"name"`
	// Shape is the sizes of its axes without that of the batch.
	Shape []int `json:"shape"`
	// Varies reports whether the graph decides how many of the Shape[0] rows an image
	// has, as one that suppresses overlapping boxes itself. Such a graph is given one
	// image at a time.
	Varies bool `json:"varies,omitempty"`
}

// Numbers returns how many numbers an engine gives for the output and one image. Rows that
// a graph did not give are zeros; more than Shape[0] are an error.
func (o *Output) Numbers() int {
	n := 1
	for _, d := range o.Shape {
		n *= d
	}
	return n
}

// Head is one further answer of a model: what is made of some of its outputs. The
// fields mean what those of a Contract mean.
type Head struct {
	// Name begins the names of its columns.
	Name       string     `json:"name"`
	Task       string     `json:"task,omitempty"`
	Output     Activation `json:"output,omitempty"`
	OutputName string     `json:"output_name,omitempty"`
	Outputs    []Output   `json:"outputs,omitempty"`
	Classes    int        `json:"classes"`
	Labels     []string   `json:"labels,omitempty"`
	Settings   Settings   `json:"settings,omitzero"`
}

// maxHeads bounds the columns of a row, maxNumbers the memory of an image's numbers.
const (
	maxHeads   = 64
	maxNumbers = 1 << 24
)

// headName is what a head may be called: a part of a column's name.
var headName = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_]{0,39}$`)

// HeadCount returns how many answers an image has: 1, and the further heads.
func (c *Contract) HeadCount() int { return 1 + len(c.Heads) }

// Head returns the contract of one answer, 0 <= i < HeadCount, which has no further
// heads. That of the only one is c without a HeadName.
func (c *Contract) Head(i int) *Contract {
	h := *c
	h.Heads = nil
	if i > 0 {
		o := &c.Heads[i-1]
		h.HeadName, h.Task, h.Output, h.OutputName, h.Outputs = o.Name, o.Task, o.Output, o.OutputName, o.Outputs
		h.Classes, h.Labels, h.Settings = o.Classes, o.Labels, o.Settings
	}
	return &h
}

// HeadOf returns the answer of a contract without further heads as a head of that name.
func (c *Contract) HeadOf(name string) Head {
	return Head{Name: name, Task: c.Task, Output: c.Output, OutputName: c.OutputName, Outputs: c.Outputs,
		Classes: c.Classes, Labels: c.Labels, Settings: c.Settings}
}

// OutputsUsed returns the outputs that one answer is made of, in the order of its
// numbers. That of a row of classes has an empty name if the graph has one output only.
func (c *Contract) OutputsUsed() []Output {
	if len(c.Outputs) > 0 {
		return c.Outputs
	}
	return []Output{{Name: c.OutputName, Shape: []int{c.Classes}}}
}

// Numbers returns how many numbers an engine gives for an image: those of all outputs of
// all heads, in order.
func (c *Contract) Numbers() int {
	n := 0
	for i := range c.HeadCount() {
		n += c.HeadNumbers(i)
	}
	return n
}

// HeadNumbers returns how many of them are those of one head.
func (c *Contract) HeadNumbers(i int) int {
	outputs, classes := c.Outputs, c.Classes
	if i > 0 {
		outputs, classes = c.Heads[i-1].Outputs, c.Heads[i-1].Classes
	}
	if len(outputs) == 0 {
		return classes
	}
	n := 0
	for i := range outputs {
		n += outputs[i].Numbers()
	}
	return n
}

// RowNumbers returns how many numbers the row of an image is made of: Numbers, but with tiles the
// boxes of a detector.
func (c *Contract) RowNumbers() int {
	n := 0
	for i := range c.HeadCount() {
		n += c.HeadRowNumbers(i)
	}
	return n
}

// HeadRowNumbers returns how many of them are those of one head.
func (c *Contract) HeadRowNumbers(i int) int {
	if h := c.Head(i); h.Task == Detect && h.Preprocess.Tile != 0 {
		return NumbersOfBox * h.Settings.MaxBoxes
	}
	return c.HeadNumbers(i)
}

// Varies reports whether the graph decides how large one of the outputs is, so that it
// takes one image at a time.
func (c *Contract) Varies() bool {
	for i := range c.HeadCount() {
		for _, o := range c.Head(i).Outputs {
			if o.Varies {
				return true
			}
		}
	}
	return false
}

// checkHeads returns an error that says what in the heads and outputs is impossible.
func (c *Contract) checkHeads() error {
	if c.HeadCount() > maxHeads {
		return fmt.Errorf("contract: %d heads are more than %d", c.HeadCount(), maxHeads)
	}
	if err := checkOutputs(c.Outputs); err != nil {
		return err
	}
	names := map[string]bool{}
	for i := range c.HeadCount() {
		h := c.Head(i)
		if len(c.Heads) > 0 {
			switch {
			case !headName.MatchString(h.HeadName):
				return fmt.Errorf("contract: head %q: a name begins with a letter and has letters, digits and _, at most 40 of them", h.HeadName)
			case names[h.HeadName]:
				return fmt.Errorf("contract: two heads are called %q", h.HeadName)
			}
			names[h.HeadName] = true
		}
		if i > 0 {
			if err := h.Validate(); err != nil {
				return fmt.Errorf("head %s: %w", h.HeadName, err)
			}
		}
	}
	if n := c.Numbers(); n > maxNumbers {
		return fmt.Errorf("contract: %d numbers per image are more than %d", n, maxNumbers)
	}
	return nil
}

func checkOutputs(outputs []Output) error {
	total := 0
	for _, o := range outputs {
		elements := 1
		for _, d := range o.Shape {
			if d < 1 || d > maxNumbers/elements {
				return fmt.Errorf("contract: output %q has the impossible shape %v", o.Name, o.Shape)
			}
			elements *= d
		}
		if o.Varies && len(o.Shape) == 0 {
			return fmt.Errorf("contract: output %q varies and has no axis", o.Name)
		}
		if total += o.Numbers(); total > maxNumbers {
			return fmt.Errorf("contract: the outputs have more than %d numbers per image", maxNumbers)
		}
	}
	return nil
}
