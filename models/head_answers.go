package models

import (
	"errors"
	"fmt"
	"path/filepath"
	"reflect"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/onnxfile"
)

// HeadAnswers say what is made of some outputs of a graph. Of the answers they take those
// about outputs, labels and tasks; what they leave open is answered by those outside of
// them.
type HeadAnswers struct {
	Answers `yaml:",inline"`
	// LabelsFile is that of a sidecar; a relative path starts at the sidecar's folder.
	LabelsFile string `yaml:"labels_file,omitempty"`
}

// checkHeads refuses heads that no model could have.
func (a *Answers) checkHeads() error {
	if len(a.Heads) == 0 {
		return nil
	}
	if a.OutputName != "" || a.OutputNames != nil {
		return errors.New("heads name their outputs themselves: leave out output_name and output_names")
	}
	names := map[string]bool{}
	for i := range a.Heads {
		h := &a.Heads[i]
		switch rest := h.Answers.ofHead(); {
		case !headName.MatchString(h.Name):
			return fmt.Errorf("heads: %q: a name begins with a letter and has letters, digits and _, at most 40 of them", h.Name)
		case names[h.Name]:
			return fmt.Errorf("heads: two are called %s", h.Name)
		case len(h.Heads) > 0 || h.Labels != nil && h.LabelsFile != "":
			return fmt.Errorf("head %s: it has heads itself, or labels and labels_file", h.Name)
		case !reflect.DeepEqual(rest, h.Answers):
			return fmt.Errorf("head %s: it says how images are prepared, which is the same for all heads; say that outside of them", h.Name)
		}
		if err := h.Answers.Check(); err != nil {
			return fmt.Errorf("head %s: %w", h.Name, err)
		}
		names[h.Name] = true
	}
	if len(a.Heads) > maxHeads {
		return fmt.Errorf("%d heads are more than %d", len(a.Heads), maxHeads)
	}
	return nil
}

// pixelKeys are the answers that say how an image becomes pixels, or what the whole model is:
// they are the same for all heads.
var pixelKeys = []string{"preset", "layout", "width", "height", "resize", "fit", "resize_to", "resize_to_height", "fraction", "pad", "pad_zero",
	"position", "background_colour", "grey", "bgr", "scale", "mean", "std", "orientation", "heads"}

// ofHead returns the answers that may differ between the heads of a model.
func (a *Answers) ofHead() Answers {
	h := *a
	v := reflect.ValueOf(&h).Elem()
	for i := range v.NumField() {
		key, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("yaml"), ",")
		if slices.Contains(pixelKeys, key) {
			v.Field(i).SetZero()
		}
	}
	return h
}

// splitHeads takes the heads out of the answers, the strongest first. The first head's
// answers take the place of those that named it; the others are returned, as is how each is
// called. There are none if a stronger answer names an output.
func splitHeads(layers []Given) (rest []Given, heads []HeadAnswers, from string) {
	for i := range layers {
		l := &layers[i]
		named := l.OutputName != "" || l.OutputNames != nil
		all := l.Heads
		l.Heads = nil
		if len(all) > 0 && heads == nil && !slices.ContainsFunc(rest, func(g Given) bool { return g.OutputName != "" || g.OutputNames != nil }) {
			heads, from = all, l.From
			rest = append(rest, all[0].given(from))
		}
		if named && heads != nil {
			l.OutputName, l.OutputNames = "", nil
		}
		rest = append(rest, *l)
	}
	for i := range rest {
		if heads != nil && rest[i].From != heads[0].given(from).From {
			rest[i] = heads[0].otherwise(rest[i])
		}
	}
	return rest, heads, from
}

// given returns the answers of a head. Its name is not that of the model.
func (h *HeadAnswers) given(from string) Given {
	g := Given{From: from + ", head " + h.Name, Answers: h.Answers}
	g.Name = ""
	return g
}

// otherwise returns what answers outside of the heads say of one: nothing of scores and
// classes if its numbers are neither.
func (h *HeadAnswers) otherwise(g Given) Given {
	if h.Task != nil && (*h.Task == Embed || *h.Task == Raw) {
		g.Labels, g.LabelsPath, g.Output = nil, "", nil
	}
	return g
}

// resolveHeads completes the contract with the heads after the first.
func (m *Model) resolveHeads(f *onnxfile.File, layers []Given, heads []HeadAnswers, from string) error {
	if m.Contract.HeadName, m.Contract.Heads = heads[0].Name, nil; len(heads) == 1 {
		m.Contract.HeadName = "" // its columns need no prefix
	}
	first := heads[0].given(from).From
	pixels := answersOf(&Contract{Preprocess: m.Contract.Preprocess})
	for _, h := range heads[1:] {
		own := []Given{{From: pixelOrigin, Answers: pixels}, h.given(from)}
		for _, l := range layers {
			if l.From == first {
				continue
			}
			l.OutputName, l.OutputNames = "", nil
			own = append(own, h.otherwise(l))
		}
		sub := *m
		sub.Contract, sub.Conflicts, sub.used, sub.ending = Contract{}, nil, used{}, ending{}
		err := sub.readOutput(f, own)
		if err == nil {
			err = sub.resolve(own, nil)
		}
		if err != nil {
			return fmt.Errorf("head %s: %w", h.Name, err)
		}
		if sub.Contract.HasLabels() {
			sub.Contract.Labels = sub.Contract.classNames()
		}
		for _, c := range sub.Conflicts {
			if !strings.Contains(c, "("+pixelOrigin+")") && !slices.Contains(m.Conflicts, c) {
				m.Conflicts = append(m.Conflicts, "head "+h.Name+": "+c)
			}
		}
		m.Contract.Heads = append(m.Contract.Heads, sub.Contract.HeadOf(h.Name))
	}
	return nil
}

// pixelOrigin is the origin of answers that a head shares with the first one.
const pixelOrigin = "the first head"

// placeLabels makes the files of labels that heads of a sidecar name paths.
func (a *Answers) placeLabels(sidecar string) {
	for i := range a.Heads {
		h := &a.Heads[i]
		if h.LabelsFile == "" {
			continue
		}
		h.LabelsPath, h.LabelsBeside = h.LabelsFile, true
		if !filepath.IsAbs(h.LabelsPath) {
			h.LabelsPath = filepath.Join(filepath.Dir(sidecar), h.LabelsPath)
		}
	}
}
