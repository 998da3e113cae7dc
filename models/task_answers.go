package models

import (
	"bytes"
	"cmp"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/models/labels"
)

// Thresholds are the thresholds of classes, by their labels. In YAML they are a map.
type Thresholds []LabelThreshold

// LabelThreshold is the score from which the label of a class applies.
type LabelThreshold struct {
	Label     string
	Threshold float32 // from 0 to 1
}

// UnmarshalYAML reads a map of labels to numbers.
func (t *Thresholds) UnmarshalYAML(n *yaml.Node) error {
	var list Thresholds
	if n.Kind != yaml.MappingNode {
		return errors.New("thresholds: want a map of labels to numbers, such as {cat: 0.3}")
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		v, err := parseThreshold(n.Content[i+1].Value)
		if err != nil {
			return fmt.Errorf("thresholds: %s: %w", n.Content[i].Value, err)
		}
		list = append(list, LabelThreshold{n.Content[i].Value, v})
	}
	*t = list
	return nil
}

// MarshalYAML returns the map.
func (t Thresholds) MarshalYAML() (any, error) {
	n := &yaml.Node{Kind: yaml.MappingNode, Tag: "!!map"}
	for _, one := range t {
		n.Content = append(n.Content, &yaml.Node{Kind: yaml.ScalarNode, Tag: "!!str", Value: one.Label},
			&yaml.Node{Kind: yaml.ScalarNode, Tag: "!!float", Value: strconv.FormatFloat(float64(one.Threshold), 'g', -1, 32)})
	}
	return n, nil
}

// parseThreshold reads a number from 0 to 1.
func parseThreshold(text string) (float32, error) {
	v, err := strconv.ParseFloat(strings.TrimSpace(text), 32)
	if err != nil || !(v >= 0 && v <= 1) {
		return 0, fmt.Errorf("%q is not a threshold from 0 to 1", text)
	}
	return float32(v), nil
}

// ReadThresholds reads a file of thresholds: a JSON or YAML map of labels to numbers, or a
// table of two columns, label and threshold, with commas or tabs. Errors about its content
// wrap ErrModel.
func ReadThresholds(path string) (Thresholds, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("open thresholds: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxLabelFile+1))
	if err == nil && len(text) > maxLabelFile {
		err = fmt.Errorf("%w: more than %d bytes; is it a text file?", ErrModel, maxLabelFile)
	}
	if err != nil {
		return nil, fmt.Errorf("thresholds %s: %w", path, err)
	}
	t, err := parseThresholds(text)
	if err != nil {
		return nil, fmt.Errorf("%w: thresholds %s: %w", ErrModel, path, err)
	}
	return t, nil
}

func parseThresholds(text []byte) (t Thresholds, err error) {
	text = bytes.TrimSpace(bytes.TrimPrefix(text, []byte("\ufeff")))
	first, _, _ := bytes.Cut(text, []byte("\n"))
	switch {
	case len(text) > 0 && text[0] == '{' && json.Valid(text), !bytes.ContainsAny(first, ",\t") && bytes.Contains(first, []byte(":")):
		err = yaml.Load(text, &t)
	default:
		t, err = thresholdTable(text)
	}
	if err != nil {
		return nil, err
	}
	if len(t) == 0 {
		return nil, errors.New("it has none")
	}
	seen := map[string]bool{}
	for _, one := range t {
		if err := labels.Check(one.Label); err != nil {
			return nil, err
		}
		if seen[one.Label] {
			return nil, fmt.Errorf("label %q has two", one.Label)
		}
		seen[one.Label] = true
	}
	return t, nil
}

// thresholdTable reads lines of a label and a number. A first line without a number is a
// header.
func thresholdTable(text []byte) (Thresholds, error) {
	r := csv.NewReader(bytes.NewReader(text))
	if first, _, _ := bytes.Cut(text, []byte("\n")); bytes.ContainsRune(first, '\t') {
		r.Comma = '\t'
	}
	r.FieldsPerRecord = 2
	var t Thresholds
	for line := 1; ; line++ {
		fields, err := r.Read()
		if errors.Is(err, io.EOF) {
			return t, nil
		}
		if err != nil {
			return nil, fmt.Errorf("want a label and a threshold in each line: %w", err)
		}
		v, err := parseThreshold(fields[1])
		if err != nil && line == 1 {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", line, err)
		}
		t = append(t, LabelThreshold{strings.TrimSpace(fields[0]), v})
	}
}

// checkTask refuses settings of tasks that no model could have.
func (a *Answers) checkTask() error {
	part := func(v *float32) bool { return v == nil || *v >= 0 && *v <= 1 }
	switch {
	case a.Task != nil && !slices.Contains(Tasks(), *a.Task):
		return fmt.Errorf("unknown task %q: want one of %s", *a.Task, strings.Join(Tasks(), ", "))
	case !part(a.Threshold):
		return fmt.Errorf("threshold %v is not from 0 to 1", *a.Threshold)
	case !part(a.Overlap):
		return fmt.Errorf("overlap %v is not from 0 to 1", *a.Overlap)
	case a.Element != nil && !slices.Contains(Elements(), string(*a.Element)):
		return fmt.Errorf("invalid element %q: want one of %s", *a.Element, strings.Join(Elements(), ", "))
	case a.Detector != nil && !slices.Contains(Detectors(), string(*a.Detector)):
		return fmt.Errorf("invalid detector %q: want one of %s", *a.Detector, strings.Join(Detectors(), ", "))
	case a.Units != nil && !slices.Contains(AllUnits(), string(*a.Units)):
		return fmt.Errorf("invalid units %q: want one of %s", *a.Units, strings.Join(AllUnits(), ", "))
	case a.FirstClass != nil && *a.FirstClass != 0 && *a.FirstClass != 1:
		return fmt.Errorf("first_class %d is not 0 or 1", *a.FirstClass)
	case a.MaxBoxes != nil && (*a.MaxBoxes < 1 || *a.MaxBoxes > maxBoxes):
		return fmt.Errorf("max_boxes %d is not within 1..%d", *a.MaxBoxes, maxBoxes)
	}
	for _, name := range a.Columns {
		if err := CheckColumn(name); err != nil {
			return err
		}
	}
	return nil
}

// takeSettings takes the answers over that a whole contract has about its task.
func (a *Answers) takeSettings(c *Contract) {
	s := c.Settings
	switch c.Task {
	case MultiLabel:
		a.Threshold = &s.Threshold
		for i, v := range s.Thresholds {
			if v != s.Threshold {
				a.Thresholds = append(a.Thresholds, LabelThreshold{c.Label(i), v})
			}
		}
	case Embed:
		// The defaults are not answers, so that a flag does not contradict them.
		if s.Normalize {
			a.Normalize = &s.Normalize
		}
		if s.Element != "" {
			a.Element = &s.Element
		}
	case Raw:
		a.Columns = s.Columns
	case Detect:
		a.Threshold, a.Detector, a.Background, a.FirstClass = &s.Threshold, &s.Detector, &s.Background, &s.FirstClass
		a.Units, a.MaxBoxes = to(cmp.Or(s.Units, Pixels)), &s.MaxBoxes
		if s.Detector.Suppresses() {
			a.Overlap, a.Agnostic = &s.Overlap, &s.Agnostic
		}
	}
}

// foreign returns the keys of answers that only other tasks take, with those tasks.
func (a *Answers) foreign(task string) string {
	for _, one := range []struct {
		given bool
		key   string
		tasks []string
	}{
		{given: a.Threshold != nil, key: "threshold", tasks: []string{MultiLabel, Detect}},
		{given: a.Thresholds != nil, key: "thresholds", tasks: []string{MultiLabel}},
		{given: a.Normalize != nil, key: "normalize", tasks: []string{Embed}},
		{given: a.Element != nil, key: "element", tasks: []string{Embed}},
		{given: a.Columns != nil, key: "columns", tasks: []string{Raw}},
		{given: a.Detector != nil, key: "detector", tasks: []string{Detect}},
		{given: a.Background != nil, key: "background", tasks: []string{Detect}},
		{given: a.FirstClass != nil, key: "first_class", tasks: []string{Detect}},
		{given: a.Units != nil, key: "units", tasks: []string{Detect}},
		{given: a.Overlap != nil, key: "overlap", tasks: []string{Detect}},
		{given: a.Agnostic != nil, key: "agnostic", tasks: []string{Detect}},
		{given: a.MaxBoxes != nil, key: "max_boxes", tasks: []string{Detect}},
	} {
		if one.given && !slices.Contains(one.tasks, task) {
			says := fmt.Sprintf("%s belongs to the task %s, and this model's is %s", one.key, strings.Join(one.tasks, " or "), task)
			if one.key == "overlap" {
				says += "; of tiles it needs run --tile SIZE"
			}
			return says
		}
	}
	return ""
}

// settings returns the settings of a task from the answers, with defaults where they leave
// them open. c has its Task, Classes, Labels and Output.
func (a *merged) settings(c *Contract) (s Settings, err error) {
	task := cmp.Or(c.Task, Classify)
	if says := a.foreign(task); says != "" {
		return s, errors.New(says)
	}
	value := func(p *float32, otherwise float32) float32 {
		if p != nil {
			return *p
		}
		return otherwise
	}
	switch task {
	case MultiLabel:
		s.Threshold = value(a.Threshold, DefaultThreshold)
		s.Thresholds, err = a.Thresholds.of(c, s.Threshold)
	case Embed:
		s.Normalize = a.Normalize != nil && *a.Normalize
		if a.Element != nil && *a.Element != ElementFloat32 {
			s.Element = *a.Element
		}
	case Raw:
		s.Columns = a.Columns
		if s.Columns == nil {
			s.Columns = rawColumns(c)
		}
	case Detect:
		s.Threshold = value(a.Threshold, DefaultDetection)
		s.MaxBoxes = DefaultMaxBoxes
		if a.MaxBoxes != nil {
			s.MaxBoxes = *a.MaxBoxes
		}
		if a.Detector != nil {
			s.Detector = *a.Detector
		}
		if a.FirstClass != nil {
			s.FirstClass = *a.FirstClass
		}
		if a.Units != nil && *a.Units != Pixels {
			s.Units = *a.Units
		}
		s.Background = a.Background != nil && *a.Background
		if s.Detector.Suppresses() {
			s.Overlap = value(a.Overlap, DefaultOverlap)
			s.Agnostic = a.Agnostic != nil && *a.Agnostic
		} else if a.Overlap != nil || a.Agnostic != nil {
			return s, fmt.Errorf("overlap and agnostic belong to detectors whose boxes are not chosen yet, and %s are", s.Detector)
		}
	}
	return s, err
}

// of returns the thresholds of all classes; nil if all are the common one.
func (t Thresholds) of(c *Contract, common float32) ([]float32, error) {
	if len(t) == 0 {
		return nil, nil
	}
	all := slices.Repeat([]float32{common}, c.Labelled())
	for _, one := range t {
		found := false
		for i := range all {
			if c.Label(i) == one.Label {
				all[i], found = one.Threshold, true
			}
		}
		if !found {
			return nil, fmt.Errorf("there is a threshold for the label %q, which the model does not have", one.Label)
		}
	}
	return all, nil
}

// rawColumns returns the names of columns that nobody has named: the labels where those
// can be names, else numbers.
func rawColumns(c *Contract) []string {
	n := c.AnswerWidth()
	if len(c.Labels) == n && !c.Numbered() && !slices.ContainsFunc(c.Labels, func(l string) bool { return CheckColumn(l) != nil }) {
		return c.Labels
	}
	if n == 1 {
		return []string{"value"}
	}
	if n > MaxColumns {
		return nil // Validate says what to do
	}
	names := make([]string, n)
	for i := range names {
		names[i] = "value_" + strconv.Itoa(i)
	}
	return names
}

// is reports whether the task that was answered is that one.
func (a *merged) is(task string) bool { return a.Task != nil && *a.Task == task }

// activate answers what the numbers are where the task leaves one way only. Those of vectors
// and measurements are what they are, whatever the graph's last operator is.
func (m *Model) activate(a *merged) error {
	from := a.from["output"]
	switch {
	case a.is(Embed) || a.is(Raw):
		switch hint := m.cutHint(); {
		case a.Output == nil:
		case from == metadataOrigin && hint != "":
			return fmt.Errorf("its own contract says that it gives scores of classes (%s), not what the task %s takes%s", *a.Output, *a.Task, hint)
		case from != graphOrigin && !strings.HasPrefix(from, presetOrigin):
			return fmt.Errorf("activation belongs to scores of classes, and the numbers of the task %s are taken as they are (%s)", *a.Task, from)
		case a.is(Embed) && from == graphOrigin && hint != "":
			m.Conflicts = append(m.Conflicts, fmt.Sprintf("the vectors hold scores of classes, because the graph %s%s", m.ending, hint))
		}
		a.Output = nil
	case a.is(Detect):
		if strings.HasPrefix(from, presetOrigin) {
			a.Output = nil // a preset is about classifiers
		}
		if a.Output == nil && a.Detector != nil && *a.Detector != DETR {
			a.Output = to(Independent)
		}
	case a.is(MultiLabel):
		if strings.HasPrefix(from, presetOrigin) && (*a.Output == Logits || *a.Output == Probabilities) {
			a.Output = nil
		}
		if a.Output == nil && m.ending.IsProduct() {
			a.Output = to(Sigmoid)
		}
	}
	return nil
}
