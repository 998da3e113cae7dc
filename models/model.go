package models

import (
	"errors"
	"fmt"
	"os"

	"github.com/batchscore/batchscore/models/formats"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Model is a model file that was read, checked against its contract, and found
// fit for images. Its weights stay in the file.
type Model struct {
	Path string
	// Digest is "sha256:" and hex, over the file and the weight files next to it.
	Digest string
	// Size is the bytes of all these files.
	Size int64
	// External reports whether there are weight files next to the file.
	External bool
	// WeightFiles are their names.
	WeightFiles []string
	// Contract is complete: Labels has Classes entries, which are the class
	// numbers if nothing names the classes.
	Contract Contract

	InputName string
	// InputShape is [N,H,W,3] or [N,3,H,W], or with 1 for 3; -1 is an axis of any size.
	InputShape []int64
	// DType and Layout of the input, as the graph declares them. Float16 is
	// float32 here, because the engine converts it. Layout is empty as long as
	// nothing tells.
	DType preprocess.DType
	// Grey reports whether the graph takes one channel.
	Grey bool
	// HalfInput reports whether the graph takes float16.
	HalfInput bool
	Layout    preprocess.Layout

	OutputName string
	// OutputShape is [N,Classes], without axes of size 1; -1 is an axis of any
	// size. A detector has others; see Contract.Outputs.
	OutputShape []int64
	// outputs is how many outputs the graph has.
	outputs int
	// used is which of them the answer is made of, for a task that takes no row.
	used used
	// ending is how the graph ends before that output.
	ending ending
	// features is the tensor that suits as a vector of an image, with its sizes for one
	// image; empty if the graph does not show it.
	features     string
	featureSizes []int64

	// Batch is the only batch size that the graph accepts; 0 means any.
	Batch int
	// Architecture of the network, if its structure is recognised.
	Architecture Architecture
	// PlainPools reports whether no MaxPool can take what a Pad gives.
	PlainPools bool
	// Int8 reports whether the graph multiplies integers of 8 bits.
	Int8 bool

	// Dependences are operators of the graph by which the row of an image depends
	// on its neighbours or on chance.
	Dependences []onnxfile.Dependence
	// Half reports whether some of the weights are float16 or bfloat16.
	Half bool

	// Conflicts are sentences, one for each question to which answers differed,
	// that say which answer was used.
	Conflicts []string
	// LabelsFile is the file that the labels were read from; empty if they are the
	// model's own.
	LabelsFile string
	// LabelsForm says how a file of labels was read if it is not plain text.
	LabelsForm string
	// Golden is the file's golden images; nil if it has none.
	Golden *Golden
}

// OpenOptions supply what a model file does not say, or override it.
type OpenOptions struct {
	// Contract replaces the one in the file, and all answers next to it.
	Contract *Contract
	// Given are answers that override those of the sidecar (the YAML file next to
	// the model), of presets and of the metadata; the strongest first.
	Given []Given
	// Labels replace those of the contract, one for each class.
	Labels []string
}

// Open reads what a model file declares, in one pass that takes the file's
// digest and skips its weights, and completes its contract. Every error about
// the content of the file or of its sidecar wraps ErrModel. If the contract of
// an image model is incomplete, the error lists the open questions.
func Open(path string, o OpenOptions) (*Model, error) {
	f, err := readFile(path)
	if err != nil {
		return nil, err
	}
	m := newModel(path, f)
	if err := m.complete(f, o); err != nil {
		return nil, fmt.Errorf("%w: %s: %w", ErrModel, path, err)
	}
	return m, nil
}

// readFile is onnxfile.Read. If the path is something else, the error says what
// it is and how to make a model of it.
func readFile(path string) (*onnxfile.File, error) {
	if info, err := os.Stat(path); err == nil && info.IsDir() {
		return nil, fmt.Errorf("%w: %s %s", ErrModel, path, formats.DescribeFolder(path))
	}
	f, err := onnxfile.Read(path)
	if errors.Is(err, onnxfile.ErrNotONNX) {
		if kind := formats.DescribeFile(path); kind != "" {
			return nil, fmt.Errorf("%w: %s: %w: %s", ErrModel, path, onnxfile.ErrNotONNX, kind)
		}
	}
	return f, err
}

func newModel(path string, f *onnxfile.File) *Model {
	return &Model{Path: path, Digest: f.Digest, Size: f.Size + f.ExternalSize, External: f.HasExternal(), WeightFiles: f.External()}
}

// complete adds what the file declares and finds the contract.
func (m *Model) complete(f *onnxfile.File, o OpenOptions) error {
	layers, own, err := m.collectAnswers(f, o)
	if err != nil {
		return err
	}
	var heads []HeadAnswers
	from := ""
	if o.Contract == nil {
		layers, heads, from = splitHeads(layers)
	}
	if err := m.readInput(f, layers); err != nil {
		return err
	}
	if err := m.readOutput(f, layers); err != nil {
		return err
	}
	if o.Contract == nil && own == nil && heads == nil {
		layers = m.withNames(f, layers)
	}
	if n := m.InputShape[0]; n > 0 {
		m.Batch = int(n)
	}
	m.Architecture = architecture(f, m.Batch)
	m.Int8, m.Half = f.ComputesInt8(), f.HasHalfWeights()
	m.PlainPools = !f.PadsMaxima()
	m.Dependences = f.Dependences()

	if o.Contract != nil {
		m.Contract = *o.Contract
	} else if err := m.resolve(layers, own); err != nil {
		return err
	} else if heads != nil {
		if err := m.resolveHeads(f, layers, heads, from); err != nil {
			return err
		}
	}
	if o.Labels != nil {
		m.Contract.Labels = o.Labels
	}
	if err := m.Contract.Validate(); err != nil {
		return err
	}
	if m.Contract.HasLabels() {
		m.Contract.Labels = m.Contract.classNames()
	}
	if err := m.checkGraph(); err != nil {
		return err
	}
	return m.readGolden(f)
}

// checkGraph compares the contract with the graph.
func (m *Model) checkGraph() error {
	c, p := m.Contract, m.Contract.Preprocess
	width, height := m.side()
	fits := func(graph int64, contract int) bool { return graph == -1 || graph == int64(contract) }
	switch {
	case p.DType != m.DType || p.Layout != m.Layout:
		return fmt.Errorf("contract and graph disagree on the input: %s %s in the contract, %s %s in the graph",
			p.DType, p.Layout, m.DType, m.Layout)
	case p.Augment != "":
		return fmt.Errorf("its contract asks for several views of an image (%s), which is chosen for a run: --augment", p.Augment)
	case p.Tile != 0:
		return fmt.Errorf("its contract asks for tiles of %d pixels, which are chosen for a run: --tile", p.Tile)
	case (p.Grey != "") != m.Grey:
		return fmt.Errorf("contract and graph disagree on the input: %d channels in the contract, shape %v in the graph", p.Channels(), m.InputShape)
	case !fits(height, p.Height) || !fits(width, p.Width):
		return fmt.Errorf("contract and graph disagree on the image size: %dx%d in the contract, %dx%d in the graph",
			p.Width, p.Height, width, height)
	case !fits(m.OutputShape[1], c.Classes):
		return fmt.Errorf("contract and graph disagree on the classes: %d in the contract, %d in the graph",
			c.Classes, m.OutputShape[1])
	}
	return m.checkOutputs()
}

func (m *Model) readGolden(f *onnxfile.File) error {
	text, ok := f.Lookup(GoldenKey)
	if !ok {
		return nil
	}
	golden, err := ParseGolden([]byte(text))
	if err == nil {
		err = golden.fits(m.Contract)
	}
	if err != nil {
		return fmt.Errorf("golden images in the metadata: %w", err)
	}
	m.Golden = golden
	return nil
}
