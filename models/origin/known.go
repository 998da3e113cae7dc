package origin

import (
	_ "embed"
	"fmt"
	"sync"

	"go.yaml.in/yaml/v4"

	"github.com/batchscore/batchscore/models"
)

//go:embed known.yaml
var knownFile []byte

// knownModel is a model of a package whose files do not say how images are prepared.
type knownModel struct {
	Digest  string         `yaml:"digest"`
	From    string         `yaml:"from"`
	Note    string         `yaml:"note,omitempty"`
	Answers models.Answers `yaml:"answers"`
}

// known returns the models of known.yaml.
var known = sync.OnceValues(func() (list []knownModel, err error) {
	if err := yaml.Load(knownFile, &list, yaml.WithKnownFields()); err != nil {
		return nil, fmt.Errorf("known.yaml: %w", err)
	}
	return list, nil
})

// readKnown answers for a model that is known by its digest.
func (r *reader) readKnown() {
	list, err := known()
	if err != nil {
		r.note("%v", err)
	}
	for _, k := range list {
		if k.Digest != r.file.Digest {
			continue
		}
		kind := models.Kind("")
		if k.Answers.Task != nil && *k.Answers.Task == models.Detect {
			kind = models.KindDetector
		}
		r.is("of the "+k.From, kind)
		if k.Note != "" {
			r.note("%s", k.Note)
		}
		a := k.Answers
		if a.Width != nil && (r.width > 0 || r.height > 0) {
			a.Width, a.Height = nil, nil
		}
		r.answer("code of the "+k.From, a)
	}
}
