package models

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/labels"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Orientation says what becomes of an image's EXIF orientation.
type Orientation string

// The values of an Orientation.
const (
	Upright Orientation = "upright" // turned as EXIF says; the default
	Stored  Orientation = "stored"  // taken as the pixels lie in the file
)

// Answers are the parts of a contract that a graph does not tell, each given
// or left open (nil). Layout, element type, size and classes are read from the
// graph; Width and Height answer for a graph that takes any size. The YAML
// form is that of a sidecar and of the registry.
type Answers struct {
	// Preset names a set of answers that stands behind those given here.
	Preset string `yaml:"preset,omitempty"`
	Name   string `yaml:"name,omitempty"`
	// Layout is NCHW or NHWC, for a graph that leaves all axes open.
	Layout string `yaml:"layout,omitempty"`
	// OutputName is the output that holds the scores, for a graph with several.
	OutputName  string             `yaml:"output_name,omitempty"`
	Width       *int               `yaml:"width,omitempty"`
	Height      *int               `yaml:"height,omitempty"`
	Resize      *preprocess.Resize `yaml:"resize,omitempty"`
	Fit         *preprocess.Fit    `yaml:"fit,omitempty"`
	ResizeTo    *int               `yaml:"resize_to,omitempty"`
	Fraction    *float64           `yaml:"fraction,omitempty"`
	BGR         *bool              `yaml:"bgr,omitempty"`
	Scale       *float32           `yaml:"scale,omitempty"`
	Mean        []float32          `yaml:"mean,omitempty,flow"`
	Std         []float32          `yaml:"std,omitempty,flow"`
	Orientation *Orientation       `yaml:"orientation,omitempty"`
	Output      *Activation        `yaml:"output,omitempty"`
	Labels      []string           `yaml:"labels,omitempty"`
	// LabelsPath is a file of labels that is read once the number of classes is
	// known; see ReadLabels.
	LabelsPath string `yaml:"-"`
}

// Given are answers and where they come from, as a message names it: "flags".
type Given struct {
	From string
	Answers
}

// Origins of answers, as messages name them.
const (
	metadataOrigin = "metadata"
	presetOrigin   = "preset "
)

// answersOf is a whole contract as answers.
func answersOf(c *Contract) Answers {
	p := c.Preprocess
	orientation := Upright
	if p.IgnoreOrientation {
		orientation = Stored
	}
	scale := p.Scale
	if scale == 0 {
		scale = 1
	}
	a := Answers{
		Name: c.Name, Layout: layoutNames[p.Layout], OutputName: c.OutputName, Width: &p.Width, Height: &p.Height,
		Resize: &p.Resize, Fit: &p.Fit, BGR: &p.BGR, Scale: &scale, Mean: p.Mean, Std: p.Std,
		Orientation: &orientation, Output: &c.Output, Labels: c.Labels,
	}
	if p.ResizeTo != 0 {
		a.ResizeTo = &p.ResizeTo
	}
	if p.Fraction != 0 {
		a.Fraction = &p.Fraction
	}
	return a
}

// merged are answers put together from several, the strongest first.
type merged struct {
	Answers
	conflicts []string
	from      map[string]string // the origin of each answer, by its key
}

func merge(given []Given) *merged {
	m := &merged{from: map[string]string{}}
	for _, g := range given {
		if g.Name != "" && m.Name == "" {
			m.Name = g.Name // no answer of another name is contradicted
		}
		take(m, "width", &m.Width, g.Width, g.From)
		take(m, "height", &m.Height, g.Height, g.From)
		take(m, "resize", &m.Resize, g.Resize, g.From)
		take(m, "fit", &m.Fit, g.Fit, g.From)
		take(m, "resize_to", &m.ResizeTo, g.ResizeTo, g.From)
		take(m, "fraction", &m.Fraction, g.Fraction, g.From)
		take(m, "bgr", &m.BGR, g.BGR, g.From)
		take(m, "scale", &m.Scale, g.Scale, g.From)
		takeList(m, "mean", &m.Mean, g.Mean, g.From)
		takeList(m, "std", &m.Std, g.Std, g.From)
		take(m, "orientation", &m.Orientation, g.Orientation, g.From)
		take(m, "output", &m.Output, g.Output, g.From)
		takeList(m, "labels", &m.Labels, g.Labels, g.From)
	}
	return m
}

// take keeps the first answer to a question, and any later one that differs as
// a conflict.
func take[T comparable](m *merged, key string, have **T, v *T, from string) {
	switch {
	case v == nil:
	case *have == nil:
		*have, m.from[key] = v, from
	case **have != *v:
		m.conflicts = append(m.conflicts, fmt.Sprintf("%s is %v (%s), not %v (%s)", key, **have, m.from[key], *v, from))
	}
}

func takeList[T comparable](m *merged, key string, have *[]T, v []T, from string) {
	switch {
	case v == nil:
	case *have == nil:
		*have, m.from[key] = v, from
	case !slices.Equal(*have, v):
		m.conflicts = append(m.conflicts, fmt.Sprintf("%s are %s (%s), not %s (%s)", key, short(*have), m.from[key], short(v), from))
	}
}

func short[T any](list []T) string {
	if len(list) > 3 {
		return fmt.Sprintf("%d values", len(list))
	}
	return fmt.Sprint(list)
}

// answers are the layers of answers to a model's questions but for those of a
// preset, the strongest first: what is given by hand, what is next to the file,
// what its metadata say. The contract in these is returned too, if there is one.
func (m *Model) answers(h *header, o OpenOptions) (layers []Given, own *Contract, err error) {
	if o.Contract != nil {
		return []Given{{"contract", answersOf(o.Contract)}}, nil, nil
	}
	layers = slices.Clone(o.Given)
	side, err := readSidecar(m.Path)
	if err != nil {
		return nil, nil, err
	}
	if side != nil {
		layers = append(layers, *side)
	}
	if h.hasContract {
		if own, err = ParseContract([]byte(h.contract)); err != nil {
			return nil, nil, err
		}
		layers = append(layers, Given{metadataOrigin, answersOf(own)})
	}
	return layers, own, nil
}

// resolve finds the contract of m: what is given by hand, then what is
// next to the file, then a preset, then the metadata. What none of them knows
// is asked for; nothing is guessed.
func (m *Model) resolve(layers []Given, own *Contract) error {
	layers, err := m.withPreset(layers)
	if err != nil {
		return err
	}
	if err := m.readLabels(layers, own); err != nil {
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
	if err := m.settleOutput(a); err != nil {
		return err
	}
	if open := m.open(a); len(open) > 0 {
		return m.ask(open, slices.ContainsFunc(layers, func(g Given) bool { return g.Preset != "" }))
	}
	if own == nil || len(layers) > 1 {
		m.apply(a)
	}
	if p := &m.Contract.Preprocess; own == nil && p.DType == preprocess.Uint8 && (p.Scale != 0 || p.Mean != nil || p.Std != nil) {
		return fmt.Errorf("its input takes bytes, pixels of 0 to 255 as they are, and scales them itself: leave out scale, mean and std (%s)",
			cmp.Or(a.from["scale"], a.from["mean"], a.from["std"]))
	}
	m.Contract.Output = *a.Output
	if m.Contract.Classes == 1 && len(m.Contract.Labels) == 0 {
		m.Conflicts = append(m.Conflicts, "there are no labels, so every image has the label 0, whatever its score:"+
			" --labels FILE takes one, that of the score, or two, those of 0 and of 1")
	}
	return nil
}

// withPreset adds the answers of the preset that is named first, before those of
// the metadata. What the graph knows better is left out of them.
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
	said := slices.ContainsFunc(layers[:at], func(g Given) bool { return g.Output != nil })
	if preset.Output != nil && !said && m.ending.overrules(*preset.Output) {
		is := "not"
		if own := m.ending.tells(); own != "" {
			is = string(own) + ", not"
		}
		m.Conflicts = append(m.Conflicts, fmt.Sprintf("output is %s %s (%s%s): the graph %s", is, *preset.Output, presetOrigin, name, m.ending))
		preset.Output = nil
	}
	return slices.Insert(layers, at, Given{presetOrigin + name, preset}), nil
}

// readGraph adds what the graph of a foreign model answers.
func (m *Model) readGraph(a *merged) {
	c := &m.Contract
	c.Name = strings.TrimSuffix(filepath.Base(m.Path), filepath.Ext(m.Path))
	c.Preprocess.DType, c.Preprocess.Layout = m.DType, m.Layout
	width, height := m.side()
	graph := Given{From: "graph"}
	if width > 0 {
		w := int(width)
		graph.Width = &w
	}
	if height > 0 {
		h := int(height)
		graph.Height = &h
	}
	if act := m.ending.tells(); act != "" {
		graph.Output = &act
	}
	c.Classes = int(max(m.OutputShape[1], 0))
	if c.Classes == 0 {
		c.Classes = len(a.Labels)
	}
	take(a, "width", &a.Width, graph.Width, graph.From)
	take(a, "height", &a.Height, graph.Height, graph.From)
	take(a, "output", &a.Output, graph.Output, graph.From)
}

// side is the image size that the graph takes; -1 is any.
func (m *Model) side() (width, height int64) {
	if m.Layout == preprocess.CHW {
		return m.InputShape[3], m.InputShape[2]
	}
	return m.InputShape[2], m.InputShape[1]
}

// readLabels reads the files of labels that the answers name.
func (m *Model) readLabels(layers []Given, own *Contract) error {
	classes := int(max(m.OutputShape[1], 0))
	if own != nil {
		classes = own.Classes
	}
	for i := range layers {
		if layers[i].LabelsPath == "" {
			continue
		}
		l, err := readLabels(layers[i].LabelsPath, classes)
		if err != nil {
			return err
		}
		layers[i].Labels = l.Names
		if l.Form != labels.Plain {
			m.LabelsForm = fmt.Sprintf("%s was read as %s", layers[i].LabelsPath, l.Form)
		}
	}
	return nil
}

// settleOutput compares what is said of the scores with how the graph ends.
func (m *Model) settleOutput(a *merged) error {
	if m.ending.numbers() {
		return m.ending.refuse("", "")
	}
	if a.Output == nil {
		return nil
	}
	if *a.Output == Sigmoid && m.ending.sigmoid() {
		m.Conflicts = append(m.Conflicts, fmt.Sprintf("output is %s: the graph %s itself, and none is applied again", Independent, m.ending))
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
	p.Width, p.Height, p.Resize, p.Fit, p.BGR = *a.Width, *a.Height, *a.Resize, *a.Fit, *a.BGR
	p.ResizeTo, p.Fraction = 0, 0
	// What goes with another fit is dropped where a preset or the metadata gave
	// it along with that fit. Validate refuses what somebody asked for.
	asked := func(key string) bool {
		return a.from[key] != metadataOrigin && !strings.HasPrefix(a.from[key], presetOrigin)
	}
	if a.ResizeTo != nil && (crops(p.Fit) || asked("resize_to")) {
		p.ResizeTo = *a.ResizeTo
	}
	if a.Fraction != nil && (p.Fit == preprocess.CentralFraction || asked("fraction")) {
		p.Fraction = *a.Fraction
	}
	// What does nothing is left out: one meaning, one digest.
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
	c.Output, c.Labels = *a.Output, a.Labels
	c.OutputName = ""
	if m.outputs > 1 {
		c.OutputName = m.OutputName
	}
}

func all(list []float32, v float32) bool {
	return !slices.ContainsFunc(list, func(x float32) bool { return x != v })
}

// crops tells the fits that cut from an image of ResizeTo.
func crops(f preprocess.Fit) bool {
	return f == preprocess.CenterCrop || f == preprocess.SlimCenterCrop
}
