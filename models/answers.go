package models

import (
	"fmt"
	"reflect"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// Orientation says what is done with an image's EXIF orientation.
type Orientation string

// The values of an Orientation.
const (
	Upright Orientation = "upright" // turn the image as EXIF says; the default
	Stored  Orientation = "stored"  // keep the pixels as they are in the file
)

// Orientations returns all of them, as flags and sidecars spell them.
func Orientations() []string { return spelled(Upright, Stored) }

// Answers are the parts of a contract that a graph does not tell. Each is given
// or left open (nil). Layout, element type, size and classes are read from the
// graph; Width and Height answer for a graph that accepts any size. The YAML
// form is that of a sidecar and of the registry.
//
// A further answer is a field with its YAML key: a pointer or a slice is merged
// with the answers of other origins without further code.
type Answers struct {
	// Preset names a set of answers that are used where those here are nil.
	Preset string `yaml:"preset,omitempty"`
	Name   string `yaml:"name,omitempty"`
	// Layout is NCHW or NHWC, for a graph that leaves all axes open.
	Layout string `yaml:"layout,omitempty"`
	// OutputName is the output that holds the scores, for a graph with several.
	OutputName string `yaml:"output_name,omitempty"`
	// OutputNames are the outputs of a task that takes several, in the task's order.
	OutputNames []string           `yaml:"output_names,omitempty,flow"`
	Width       *int               `yaml:"width,omitempty"`
	Height      *int               `yaml:"height,omitempty"`
	Resize      *preprocess.Resize `yaml:"resize,omitempty"`
	Fit         *preprocess.Fit    `yaml:"fit,omitempty"`
	ResizeTo    *int               `yaml:"resize_to,omitempty"`
	// ResizeToHeight is the height before a stretch-crop that is not square.
	ResizeToHeight *int                 `yaml:"resize_to_height,omitempty"`
	Fraction       *float64             `yaml:"fraction,omitempty"`
	Pad            []float32            `yaml:"pad,omitempty,flow"`
	PadZero        *bool                `yaml:"pad_zero,omitempty"`
	Position       *preprocess.Position `yaml:"position,omitempty"`
	// BackgroundColour is what transparent pixels are blended over.
	BackgroundColour []int            `yaml:"background_colour,omitempty,flow"`
	Grey             *preprocess.Grey `yaml:"grey,omitempty"`
	BGR              *bool            `yaml:"bgr,omitempty"`
	Scale            *float32         `yaml:"scale,omitempty"`
	Mean             []float32        `yaml:"mean,omitempty,flow"`
	Std              []float32        `yaml:"std,omitempty,flow"`
	Orientation      *Orientation     `yaml:"orientation,omitempty"`
	Task             *string          `yaml:"task,omitempty"`
	Output           *Activation      `yaml:"output,omitempty"`
	Labels           []string         `yaml:"labels,omitempty"`
	// These are the Settings of tasks. Thresholds are by label, and override Threshold.
	Threshold  *float32   `yaml:"threshold,omitempty"`
	Thresholds Thresholds `yaml:"thresholds,omitempty"`
	Normalize  *bool      `yaml:"normalize,omitempty"`
	Element    *Element   `yaml:"element,omitempty"`
	Columns    []string   `yaml:"columns,omitempty"`
	Detector   *Detector  `yaml:"detector,omitempty"`
	Background *bool      `yaml:"background,omitempty"`
	FirstClass *int       `yaml:"first_class,omitempty"`
	Units      *Units     `yaml:"units,omitempty"`
	Overlap    *float32   `yaml:"overlap,omitempty"`
	Agnostic   *bool      `yaml:"agnostic,omitempty"`
	MaxBoxes   *int       `yaml:"max_boxes,omitempty"`
	// Heads are what is made of several outputs, each on its own.
	Heads []HeadAnswers `yaml:"heads,omitempty"`
	// LabelsPath is a file of labels, which is read once the number of classes is
	// known; see ReadLabels.
	LabelsPath string `yaml:"-"`
	// LabelsBeside says that a file next to the model names LabelsPath, and not the user.
	LabelsBeside bool `yaml:"-"`
}

// Given are answers with their origin, as a message names it: "flags".
type Given struct {
	From string
	Answers
}

// Origins of answers, as messages name them.
const (
	metadataOrigin = "metadata"
	presetOrigin   = "preset " // followed by its name
	graphOrigin    = "graph"
)

// Check refuses answers that no model could have. What depends on the model is
// checked when the model is opened.
func (a Answers) Check() error {
	if err := a.checkPixels(); err != nil {
		return err
	}
	if _, ok := layouts[a.Layout]; a.Layout != "" && !ok {
		return fmt.Errorf("layout %q is not NCHW or NHWC", a.Layout)
	}
	if a.Orientation != nil && *a.Orientation != Upright && *a.Orientation != Stored {
		return fmt.Errorf("orientation %q is not %s or %s", *a.Orientation, Upright, Stored)
	}
	if a.Output != nil && !slices.Contains(Activations(), string(*a.Output)) {
		return fmt.Errorf("invalid activation %q: want one of %s", *a.Output, strings.Join(Activations(), ", "))
	}
	if err := a.checkTask(); err != nil {
		return err
	}
	if err := a.checkHeads(); err != nil {
		return err
	}
	if a.Preset != "" {
		if _, err := findPreset(a.Preset); err != nil {
			return err
		}
	}
	return nil
}

// answersOf returns a whole contract as answers.
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
		Orientation: &orientation, Labels: c.Labels,
	}
	if c.Task != "" {
		a.Task = &c.Task
	}
	if c.Output != "" {
		a.Output = &c.Output
	}
	for _, o := range c.Outputs {
		a.OutputNames = append(a.OutputNames, o.Name)
	}
	a.takeSettings(c)
	a.takePixels(&c.Preprocess)
	return a
}

// merged are the strongest answers of several origins.
type merged struct {
	Answers
	conflicts []string
	from      map[string]string // the origin of each answer, by its YAML key
}

// merge combines answers, the strongest first.
func merge(given []Given) *merged {
	m := &merged{from: map[string]string{}}
	for _, g := range given {
		m.add(g)
	}
	return m
}

// Combine returns the strongest answers of several origins as those of one. given has
// the strongest first.
func Combine(given []Given) Answers {
	a := merge(given).Answers
	first := func(have *string, v string) {
		if *have == "" {
			*have = v
		}
	}
	for _, g := range given {
		first(&a.Preset, g.Preset)
		first(&a.Layout, g.Layout)
		first(&a.OutputName, g.OutputName)
	}
	return a
}

// add takes over the answers of g to questions that are still open, and records
// as a conflict each answer that differs from an earlier one. Another name is
// not a conflict.
func (m *merged) add(g Given) {
	if m.Name == "" {
		m.Name = g.Name
	}
	if m.Detector != nil && !m.Detector.Suppresses() {
		g.Overlap, g.Agnostic = nil, nil // of the detector that a weaker origin took it for
	}
	mine, its := reflect.ValueOf(&m.Answers).Elem(), reflect.ValueOf(g.Answers)
	for i := range its.NumField() {
		have, v := mine.Field(i), its.Field(i)
		if k := v.Kind(); k != reflect.Pointer && k != reflect.Slice || v.IsNil() {
			continue
		}
		key, _, _ := strings.Cut(its.Type().Field(i).Tag.Get("yaml"), ",")
		switch {
		case have.IsNil():
			have.Set(v)
			m.from[key] = g.From
		case !reflect.DeepEqual(have.Interface(), v.Interface()):
			verb := "is"
			if v.Kind() == reflect.Slice {
				verb = "are"
			}
			m.conflicts = append(m.conflicts, fmt.Sprintf("%s %s %s (%s), not %s (%s)", key, verb, show(have), m.from[key], show(v), g.From))
		}
	}
}

// show formats an answer for a message.
func show(v reflect.Value) string {
	switch {
	case v.Kind() == reflect.Pointer:
		return fmt.Sprint(v.Elem())
	case v.Len() > 3:
		return fmt.Sprintf("%v and %d more", v.Slice(0, 3), v.Len()-3)
	}
	return fmt.Sprint(v)
}
