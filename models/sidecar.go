package models

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
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
	if err := parseYAML(text, &s); err != nil {
		return nil, err
	}
	if s.Labels != nil && s.LabelsFile != "" {
		return nil, errors.New("labels and labels_file exclude each other")
	}
	if err := s.Check(); err != nil {
		return nil, err
	}
	return &s, nil
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
