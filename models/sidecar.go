package models

import (
	"errors"
	"fmt"
	"path/filepath"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v4"
)

// maxSidecar is more bytes than the labels of any classifier need. It keeps a
// file that was given by mistake from being read whole.
const maxSidecar = 4 << 20

// sidecar is the YAML file next to a model from another tool.
type sidecar struct {
	Answers `yaml:",inline"`
	// LabelsFile is a file of labels; a relative path starts at the sidecar's
	// folder.
	LabelsFile string `yaml:"labels_file,omitempty"`
}

// sidecarPath returns the path of a model's sidecar: model.yaml for model.onnx.
func sidecarPath(model string) string {
	return strings.TrimSuffix(model, filepath.Ext(model)) + ".yaml"
}

// readSidecar reads the answers next to a model; nil if there is no such file.
func readSidecar(model string) (*Given, error) {
	path := sidecarPath(model)
	s, err := ReadSettings("sidecar", path, maxSidecar, parseSidecar)
	if s == nil || err != nil {
		return nil, err
	}
	if s.LabelsFile != "" {
		s.LabelsPath, s.LabelsBeside = s.LabelsFile, true
		if !filepath.IsAbs(s.LabelsPath) {
			s.LabelsPath = filepath.Join(filepath.Dir(path), s.LabelsPath)
		}
	}
	s.placeLabels(path)
	return &Given{From: path, Answers: s.Answers}, nil
}

// parseSidecar is strict: an unknown key might be a misspelt answer.
func parseSidecar(text []byte) (*sidecar, error) {
	var s sidecar
	var n yaml.Node
	if err := yaml.Load(text, &n); err != nil {
		return nil, fmt.Errorf("%w", err)
	}
	if err := acceptFlagForms(&n); err != nil {
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

// acceptFlagForms rewrites keys and values that are spelled like flags into the
// form of a sidecar: resize-to, activation, scale: 1/255, mean: 0.5,0.5,0.5,
// labels: FILE.
func acceptFlagForms(n *yaml.Node) error {
	if n.Kind == yaml.DocumentNode && len(n.Content) == 1 {
		n = n.Content[0]
	}
	if n.Kind != yaml.MappingNode {
		return nil // loading it reports the error
	}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, v := n.Content[i], n.Content[i+1]
		key.Value = strings.ReplaceAll(key.Value, "-", "_")
		switch {
		case key.Value == "activation":
			key.Value = "output"
		case key.Value == "heads" && v.Kind == yaml.SequenceNode:
			for _, head := range v.Content {
				if err := acceptFlagForms(head); err != nil {
					return err
				}
			}
		case key.Value == "labels" && v.Kind == yaml.ScalarNode:
			key.Value = "labels_file"
		case key.Value == "scale" && v.Kind == yaml.ScalarNode:
			if err := rewriteNumber(v); err != nil {
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
				if err := rewriteNumber(part); err != nil {
					return fmt.Errorf("%s: %w", key.Value, err)
				}
			}
		}
	}
	return nil
}

// rewriteNumber turns a scalar such as 1/255 into a number.
func rewriteNumber(n *yaml.Node) error {
	if n.Kind != yaml.ScalarNode || n.Value == ".nan" {
		return nil // loading it reports the error
	}
	v, err := ParseNumber(n.Value)
	if err != nil {
		return fmt.Errorf("%q is not a number; write 0.5 or 1/255", n.Value)
	}
	n.Tag, n.Style, n.Value = "!!float", 0, strconv.FormatFloat(float64(v), 'g', -1, 32)
	return nil
}

// ParseNumber parses a number such as 0.5, or a fraction such as 1/255.
func ParseNumber(text string) (float32, error) {
	over, under, fraction := strings.Cut(text, "/")
	v, err := strconv.ParseFloat(strings.TrimSpace(over), 32)
	if err != nil || !fraction {
		return float32(v), err
	}
	by, err := strconv.ParseFloat(strings.TrimSpace(under), 32)
	return float32(v / by), err
}
