package models

import (
	"fmt"

	"github.com/batchscore/batchscore/models/preprocess"
)

// Model is a model file that was read, checked against its contract, and found
// fit for images. Its weights stay in the file.
type Model struct {
	Path string
	// Digest is "sha256:" and hex, over the whole file and those beside it that
	// its weights lie in.
	Digest string
	// Size of the file, or of all of these, in bytes.
	Size int64
	// External reports whether there are weights beside the file.
	External bool
	// Contract is complete: Labels has Classes entries, which are the class
	// numbers where nothing names the classes.
	Contract Contract

	InputName string
	// InputShape is [N,H,W,3] or [N,3,H,W]; -1 is an axis of any size.
	InputShape []int64
	// DType and Layout of the input, as the graph declares them. Float16 is
	// float32 here: the engine converts. Layout is empty while nothing tells.
	DType preprocess.DType
	// HalfInput reports whether the graph takes float16.
	HalfInput bool
	Layout    preprocess.Layout

	OutputName string
	// OutputShape is [N,Classes], without axes of 1; -1 is an axis of any size.
	OutputShape []int64
	// outputs is how many outputs the graph has.
	outputs int

	// ending is how the graph ends before that output.
	ending ending

	// Batch is the only batch that the graph accepts; 0 is any.
	Batch int
	// Architecture is that of a network that is recognised by its structure.
	Architecture Architecture
	// Int8 reports whether the graph multiplies integers of 8 bits.
	Int8 bool

	// Dependences are operators that the graph shows by which the row of an
	// image depends on its neighbours or on chance.
	Dependences []Dependence
	// Half reports whether some of the weights are float16 or bfloat16.
	Half bool

	// Conflicts says, one sentence each, where answers to the same question
	// differ, and which was taken.
	Conflicts []string
	// LabelsForm says what a file of labels was read as that is no plain text.
	LabelsForm string
	// Golden is what the file carries to be checked against; nil if nothing.
	Golden *Golden
}

// OpenOptions say what a model file does not, or differently.
type OpenOptions struct {
	// Contract replaces the one in the file, and whatever lies beside it.
	Contract *Contract
	// Given are answers that stand before those of the sidecar (the YAML file
	// beside the model), of presets and of the metadata; the strongest first.
	Given []Given
	// Labels replace those of the contract, one for each class.
	Labels []string
}

// Open reads what a model file declares of itself, in one pass that takes the
// file's digest and skips its weights, and completes its contract. Every error
// about the content of the file or of its sidecar wraps ErrModel; where the
// contract of an image model cannot be known, it asks what must be answered.
func Open(path string, o OpenOptions) (*Model, error) {
	h, size, err := readFile(path)
	if err != nil {
		return nil, err
	}
	m := &Model{Path: path, Digest: h.digest, Size: size + h.externalSize, External: len(h.external) > 0}
	if err := m.fill(h, o); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	return m, nil
}

// fill takes over what the header declares and holds it against the contract.
func (m *Model) fill(h *header, o OpenOptions) error {
	layers, own, err := m.answers(h, o)
	if err != nil {
		return err
	}
	if err := m.readInput(h, layers); err != nil {
		return err
	}
	if err := m.readOutput(h, layers); err != nil {
		return err
	}
	if n := m.InputShape[0]; n > 0 {
		m.Batch = int(n)
	}
	m.Architecture = architecture(h, m.Batch)
	m.Int8 = h.computesInt8()
	m.Dependences, m.Half = dependences(h), half(h)

	switch {
	case o.Contract != nil:
		m.Contract = *o.Contract
	default:
		if err := m.resolve(layers, own); err != nil {
			return err
		}
	}
	if o.Labels != nil {
		m.Contract.Labels = o.Labels
	}
	if err := m.Contract.Validate(); err != nil {
		return err
	}
	m.Contract.Labels = m.Contract.classNames()
	if err := m.agree(); err != nil {
		return err
	}
	if h.hasGolden {
		golden, err := ParseGolden([]byte(h.golden))
		if err == nil {
			err = golden.fits(m.Contract)
		}
		if err != nil {
			return fmt.Errorf("golden images in the metadata: %w", err)
		}
		m.Golden = golden
	}
	return nil
}

// agree compares the contract with the graph.
func (m *Model) agree() error {
	c, p := m.Contract, m.Contract.Preprocess
	width, height := m.side()
	fits := func(graph int64, contract int) bool { return graph == -1 || graph == int64(contract) }
	switch {
	case p.DType != m.DType || p.Layout != m.Layout:
		return fmt.Errorf("contract and graph disagree on the input: %s %s in the contract, %s %s in the graph",
			p.DType, p.Layout, m.DType, m.Layout)
	case !fits(height, p.Height) || !fits(width, p.Width):
		return fmt.Errorf("contract and graph disagree on the image size: %dx%d in the contract, %dx%d in the graph",
			p.Width, p.Height, width, height)
	case !fits(m.OutputShape[1], c.Classes):
		return fmt.Errorf("contract and graph disagree on the classes: %d in the contract, %d in the graph",
			c.Classes, m.OutputShape[1])
	}
	return nil
}
