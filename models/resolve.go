package models

import (
	"cmp"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/labels"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// collectAnswers returns the answers to a model's questions from all origins but
// presets, the strongest first: those given by hand, those of the sidecar, those
// of the file's metadata. It also returns the contract in the metadata, if there
// is one.
func (m *Model) collectAnswers(f *onnxfile.File, o OpenOptions) (layers []Given, own *Contract, err error) {
	if o.Contract != nil {
		return []Given{{From: "contract", Answers: answersOf(o.Contract)}}, nil, nil
	}
	layers = slices.Clone(o.Given)
	side, err := readSidecar(m.Path)
	if err != nil {
		return nil, nil, err
	}
	if side != nil {
		layers = append(layers, *side)
	}
	if text, ok := f.Lookup(MetadataKey); ok {
		if own, err = ParseContract([]byte(text)); err != nil {
			return nil, nil, err
		}
		layers = append(layers, Given{From: metadataOrigin, Answers: answersOf(own)})
	}
	return layers, own, nil
}

// resolve finds the contract of m from the collected answers and those of a
// preset. What none of them answers is asked for; nothing is guessed.
func (m *Model) resolve(layers []Given, own *Contract) error {
	layers, err := m.withPreset(layers)
	if err != nil {
		return err
	}
	if err := m.readLabelFiles(layers, own); err != nil {
		return err
	}
	a := merge(layers)
	if own != nil {
		m.Contract = *own
	} else {
		m.Contract = Contract{Source: filepath.Base(m.Path), SourceDigest: m.Digest}
		m.readGraph(a)
	}
	m.Conflicts = append(m.Conflicts, a.conflicts...)
	if err := m.activate(a); err != nil {
		return err
	}
	if err := m.checkOutput(a); err != nil {
		return err
	}
	if (a.is(Embed) || a.is(Raw)) && m.Contract.Classes == 0 {
		return fmt.Errorf("how many numbers its output %q has is not in its graph: %v; write it there, N being how many: python3 -c 'import onnx;"+
			" m = onnx.load(\"IN\"); o = next(o for o in m.graph.output if o.name == \"%s\"); o.type.tensor_type.shape.dim[1].dim_value = N;"+
			" onnx.save(m, \"OUT\")'", m.OutputName, m.OutputShape, m.OutputName)
	}
	if open := m.openQuestions(a); len(open) > 0 {
		return m.ask(open, slices.ContainsFunc(layers, func(g Given) bool { return g.Preset != "" }), own != nil)
	}
	if own == nil || len(layers) > 1 {
		m.apply(a)
		if err := m.applyColours(a); err != nil {
			return err
		}
	}
	if p := &m.Contract.Preprocess; own == nil && p.DType == preprocess.Uint8 && (p.Scale != 0 || p.Mean != nil || p.Std != nil) {
		return fmt.Errorf("its input takes bytes, pixels of 0 to 255 as they are, and scales them itself: leave out scale, mean and std (%s)",
			cmp.Or(a.from["scale"], a.from["mean"], a.from["std"]))
	}
	if a.Task != nil {
		m.Contract.Task = *a.Task
	}
	if a.Output != nil {
		m.Contract.Output = *a.Output
	}
	if own == nil || len(layers) > 1 {
		if m.Contract.Settings, err = a.settings(&m.Contract); err != nil {
			return err
		}
	}
	if m.Contract.Classifies() && m.Contract.Classes == 1 && len(m.Contract.Labels) == 0 {
		m.Conflicts = append(m.Conflicts, "there are no labels, so every image has the label 0, whatever its score:"+
			" --labels FILE takes one, that of the score, or two, those of 0 and of 1")
	}
	return nil
}

// withPreset adds the answers of the preset that is named first, before those of
// the metadata. It leaves out what the graph shows to be otherwise.
func (m *Model) withPreset(layers []Given) ([]Given, error) {
	i := slices.IndexFunc(layers, func(g Given) bool { return g.Preset != "" })
	if i < 0 {
		return layers, nil
	}
	name, at := layers[i].Preset, len(layers)
	if layers[at-1].From == metadataOrigin {
		at--
	}
	preset, err := presetAnswers(name, m, merge(layers))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", layers[i].From, err)
	}
	answered := slices.ContainsFunc(layers[:at], func(g Given) bool { return g.Output != nil })
	if preset.Output != nil && !answered && m.ending.overrules(*preset.Output) {
		is := "not"
		if own := m.ending.activation(); own != "" {
			is = string(own) + ", not"
		}
		m.Conflicts = append(m.Conflicts, fmt.Sprintf("output is %s %s (%s%s): the graph %s", is, *preset.Output, presetOrigin, name, m.ending))
		preset.Output = nil
	}
	return slices.Insert(layers, at, Given{From: presetOrigin + name, Answers: preset}), nil
}

// readGraph adds what the graph of a model without a contract answers.
func (m *Model) readGraph(a *merged) {
	c := &m.Contract
	c.Name = strings.TrimSuffix(filepath.Base(m.Path), filepath.Ext(m.Path))
	c.Preprocess.DType, c.Preprocess.Layout = m.DType, m.Layout
	graph := Given{From: graphOrigin}
	width, height := m.side()
	if width > 0 {
		graph.Width = to(int(width))
	}
	if height > 0 {
		graph.Height = to(int(height))
	}
	if act := m.ending.activation(); act != "" {
		graph.Output = &act
	}
	a.add(graph)
	c.Classes = int(max(m.OutputShape[1], 0))
	if c.Classes == 0 {
		c.Classes = len(a.Labels)
	}
	c.Outputs = m.used.outputs
}

// side returns the image size that the graph accepts; -1 is any.
func (m *Model) side() (width, height int64) {
	if m.Layout == preprocess.CHW {
		return m.InputShape[3], m.InputShape[2]
	}
	return m.InputShape[2], m.InputShape[1]
}

// readLabelFiles reads the files of labels that the answers name.
func (m *Model) readLabelFiles(layers []Given, own *Contract) error {
	classes := int(max(m.OutputShape[1], 0))
	if own != nil {
		classes = own.Classes
	}
	for i := range layers {
		if layers[i].LabelsPath == "" {
			continue
		}
		open, path := os.Open, layers[i].LabelsPath // the user may have named a pipe
		if layers[i].LabelsBeside {
			open, path = atomicfile.OpenRegular, "."+string(filepath.Separator)+path // not a word
			if filepath.IsAbs(layers[i].LabelsPath) {
				path = layers[i].LabelsPath
			}
		}
		l, err := readLabels(path, classes, open)
		if err != nil {
			return err
		}
		layers[i].Labels = l.Names
		if m.LabelsFile == "" { // the strongest answer comes first
			m.LabelsFile = layers[i].LabelsPath
		}
		if l.Form != labels.Plain {
			m.LabelsForm = fmt.Sprintf("%s was read as %s", layers[i].LabelsPath, l.Form)
		}
	}
	return nil
}

// checkOutput compares the activation that was answered with the graph's ending.
func (m *Model) checkOutput(a *merged) error {
	if m.ending.IsIndex() {
		return m.ending.refuse("", "")
	}
	if a.Output == nil {
		return nil
	}
	if *a.Output == Sigmoid && m.ending.IsSigmoid() {
		m.Conflicts = append(m.Conflicts, fmt.Sprintf("output is %s: the graph %s itself, so none is applied again", Independent, m.ending))
		a.Output = to(Independent)
	}
	return m.ending.refuse(*a.Output, a.from["output"])
}

// apply writes the answers into the contract.
func (m *Model) apply(a *merged) {
	c := &m.Contract
	p := &c.Preprocess
	if a.Name != "" {
		c.Name = a.Name
	}
	p.Width, p.Height, p.Resize, p.Fit = *a.Width, *a.Height, *a.Resize, *a.Fit
	m.applyFit(a)
	// Values without effect are left out, so that contracts of the same meaning
	// have the same digest.
	p.Scale, p.Mean, p.Std = 0, nil, nil
	if a.Scale != nil && *a.Scale != 1 {
		p.Scale = *a.Scale
	}
	if !all(a.Mean, 0) {
		p.Mean = a.Mean
	}
	if !all(a.Std, 1) {
		p.Std = a.Std
	}
	if a.Orientation != nil {
		p.IgnoreOrientation = *a.Orientation == Stored
	}
	c.Labels = a.Labels
	c.OutputName = ""
	if m.outputs > 1 && m.used.outputs == nil {
		c.OutputName = m.OutputName
	}
}

func all(list []float32, v float32) bool {
	return !slices.ContainsFunc(list, func(x float32) bool { return x != v })
}
