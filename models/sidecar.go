package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxSidecar holds the labels of any classifier, and keeps a file given by
// mistake from being read whole.
const maxSidecar = 4 << 20

// sidecar is the YAML file beside a model that another tool wrote.
type sidecar struct {
	Answers `yaml:",inline"`
	// LabelsFile is a file of labels; a relative path begins at the sidecar's
	// folder.
	LabelsFile string `yaml:"labels_file,omitempty"`
}

// sidecarPath is where the answers to a model's questions lie: model.yaml for
// model.onnx.
func sidecarPath(model string) string {
	return strings.TrimSuffix(model, filepath.Ext(model)) + ".yaml"
}

// readSidecar reads the answers beside a model; nil when there is no such file.
func readSidecar(model string) (*Given, error) {
	path := sidecarPath(model)
	text, err := readSmall(path, maxSidecar)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("sidecar: %w", err)
	}
	s, err := parseSidecar(text)
	if err != nil {
		return nil, fmt.Errorf("sidecar %s: %w", path, err)
	}
	if s.LabelsFile != "" {
		s.LabelsPath = s.LabelsFile
		if !filepath.IsAbs(s.LabelsPath) {
			s.LabelsPath = filepath.Join(filepath.Dir(path), s.LabelsPath)
		}
	}
	return &Given{path, s.Answers}, nil
}

// parseSidecar is strict: a key that is not known might be a misspelt answer.
func parseSidecar(text []byte) (*sidecar, error) {
	var s sidecar
	var n yaml.Node
	if err := yaml.Load(text, &n); err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if err := asFlags(&n); err != nil {
		return nil, err
	}
	if err := n.Load(&s, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if s.Labels != nil && s.LabelsFile != "" {
		return nil, errors.New("labels and labels_file exclude each other")
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	return &s, nil
}

// asFlags turns keys and values that are written as flags are into the form of
// a sidecar: resize-to, activation, scale: 1/255, mean: 0.5,0.5,0.5, labels:
// FILE.
func asFlags(n *yaml.Node) error {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode {
		return nil // an error of its own, later
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		key.Value = strings.ReplaceAll(key.Value, "-", "_")
		switch {
		case key.Value == "activation":
			key.Value = "output"
		case key.Value == "labels" && v.Kind == yaml.ScalarNode:
			key.Value = "labels_file"
		case key.Value == "scale" && v.Kind == yaml.ScalarNode:
			if err := asNumber(v); err != nil {
				return fmt.Errorf("scale: %w", err)
			}
		case key.Value == "mean" || key.Value == "std":
			if v.Kind == yaml.ScalarNode {
				var list []*yaml.Node
				for part := range strings.SplitSeq(v.Value, ",") {
					list = append(list, &yaml.Node{Kind: yaml.ScalarNode, Value: part, Line: v.Line, Column: v.Column})
				}
				*v = yaml.Node{Kind: yaml.SequenceNode, Tag: "!!seq", Content: list, Line: v.Line, Column: v.Column}
			}
			for _, part := range v.Content {
				if err := asNumber(part); err != nil {
					return fmt.Errorf("%s: %w", key.Value, err)
				}
			}
		}
	}
	return nil
}

// asNumber makes a number of a scalar such as 1/255.
func asNumber(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Value == ".nan" {
		return nil // an error of its own, later
	}
	v, err := ParseNumber(n.Value)
	if err != nil {
		return fmt.Errorf("%q is no number; write 0.5 or 1/255", n.Value)
	}
	n.Tag, n.Style, n.Value = "!!float", 0, strconv.FormatFloat(float64(v), 'g', -1, 32)
	return nil
}

// ParseNumber reads 0.5 or 1/255.
func ParseNumber(text string) (float32, error) {
	over, under, fraction := strings.Cut(text, "/")
	v, err := strconv.ParseFloat(strings.TrimSpace(over), 32)
	if err != nil || !fraction {
		return float32(v), err
	}
	by, err := strconv.ParseFloat(strings.TrimSpace(under), 32)
	return float32(v / by), err
}

// Check refuses answers that no model could have. What depends on the model is
// checked when it is opened.
func (a Answers) Check() error {
	if a.Resize != nil && !slices.Contains(Resizes(), string(*a.Resize)) {
		return fmt.Errorf("resize %q is none of %s", *a.Resize, strings.Join(Resizes(), ", "))
	}
	if a.Fit != nil && !slices.Contains(Fits(), string(*a.Fit)) {
		return fmt.Errorf("fit %q is none of %s", *a.Fit, strings.Join(Fits(), ", "))
	}
	if _, ok := layouts[a.Layout]; a.Layout != "" && !ok {
		return fmt.Errorf("layout %q is not NCHW or NHWC", a.Layout)
	}
	if a.Orientation != nil && *a.Orientation != Upright && *a.Orientation != Stored {
		return fmt.Errorf("orientation %q is not %s or %s", *a.Orientation, Upright, Stored)
	}
	if a.Output != nil && !slices.Contains(Activations(), string(*a.Output)) {
		return fmt.Errorf("activation %q is none of %s", *a.Output, strings.Join(Activations(), ", "))
	}
	if a.Preset != "" {
		if _, err := findPreset(a.Preset); err != nil {
			return err
		}
	}
	return nil
}

// parseYAML reads the one document in text. The library bounds aliases and
// depth itself.
func parseYAML(text []byte, v any) error {
	if err := yaml.Load(text, v, yaml.WithKnownFields()); err != nil {
		return fmt.Errorf("%w", err)
	}
	return nil
}

// readSmall reads a file of at most limit bytes.
func readSmall(path string, limit int64) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, limit+1))
	if err != nil {
		return nil, err
	}
	if int64(len(text)) > limit {
		return nil, fmt.Errorf("%w: %s has more than %d bytes", ErrModel, path, limit)
	}
	return text, nil
}
