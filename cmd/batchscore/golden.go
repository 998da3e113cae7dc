package main

import (
	"context"
	"fmt"
	"slices"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
)

// scoreImages decodes and scores encoded images as a run does, and returns a
// row of scores for each.
func scoreImages(ctx context.Context, e *ort.Engine, m *models.Model, spec preprocess.Spec, names []string, images [][]byte) ([][]float32, error) {
	d, err := preprocess.NewDecoder(spec, preprocess.Options{})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	batch := min(len(images), e.DefaultBatch())
	b, err := e.NewBatch(batch)
	if err != nil {
		return nil, err
	}
	row, classes := spec.RowBytes(), m.Contract.Classes
	var scores [][]float32
	for first := 0; first < len(images); first += batch {
		n := min(batch, len(images)-first)
		for i := range n {
			if err := d.Decode(b.Pixels[i*row:(i+1)*row], images[first+i]); err != nil {
				return nil, fmt.Errorf("%w: image %q: %w", models.ErrModel, names[first+i], err)
			}
		}
		if err := e.Score(ctx, b, 0, n); err != nil {
			return nil, err
		}
		for i := range n {
			scores = append(scores, slices.Clone(b.Scores[i*classes:(i+1)*classes]))
		}
	}
	return scores, nil
}

// judgeGolden scores the golden images that a model carries and holds them
// against what they should be.
func judgeGolden(ctx context.Context, e *ort.Engine, m *models.Model) (models.Verdict, error) {
	var names []string
	var images [][]byte
	for _, g := range m.Golden.Images {
		names, images = append(names, g.Name), append(images, g.Image)
	}
	spec := m.Contract.Preprocess
	spec.ScaledDecode = m.Golden.ScaledDecode // --scaled-decode is a choice, not a fault
	scores, err := scoreImages(ctx, e, m, spec, names, images)
	if err != nil {
		return models.Verdict{}, fmt.Errorf("golden images of %s: %w", m.Path, err)
	}
	v, err := m.Golden.Check(scores, jpegKind())
	if err != nil {
		return v, fmt.Errorf("%s on %s: %w", m.Path, e.Device(), err)
	}
	return v, nil
}

// checkGolden refuses a model that no longer gives the scores that it carries,
// before anything is scored with it.
func checkGolden(ctx context.Context, e *ort.Engine, m *models.Model, log zerolog.Logger) error {
	if m.Golden == nil {
		return nil
	}
	v, err := judgeGolden(ctx, e, m)
	if err != nil {
		return err
	}
	log.Info().Int("images", v.Images).Float64("largest_difference", v.Largest).Float64("tolerance", v.Tolerance).
		Msg("golden images score as they should")
	return nil
}

// jpegKind is the kind of JPEG decoder in use, without its version.
func jpegKind() string {
	if _, err := preprocess.JPEGBackend(); err != nil {
		return "go"
	}
	return "libjpeg-turbo"
}
