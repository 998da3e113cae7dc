package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/rs/zerolog"
	"github.com/spf13/cobra"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/onnxfile"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// scoreImages decodes and scores encoded images as a run does, and returns the
// scores of each, one per class. Batches hold at most batch images. In batches of
// more than one, the first image is blank and the others are in another order than
// in images, so that images which were scored alone show whether they get the same
// scores in a batch.
func scoreImages(ctx context.Context, e *ort.Engine, m *models.Model, spec preprocess.Spec, names []string, images [][]byte, batch int,
	decoder decodeChoice,
) ([][]float32, error) {
	d, err := preprocess.NewDecoder(spec, preprocess.Options{JPEG: decoder.device})
	if err != nil {
		return nil, err
	}
	defer d.Close()
	size := max(batch, 1) // of the run
	batch = max(min(batch, len(images)+1, e.DefaultBatch()), 1)
	b, err := e.NewBatch(batch)
	if err != nil {
		return nil, err
	}
	b.Size = size
	order := make([]int, len(images))
	for i := range order {
		order[i] = i
	}
	blank := 0
	if batch > 1 {
		blank = 1
		slices.SortFunc(order, func(i, j int) int { return cmp.Or(j%2-i%2, j-i) }) // the odd ones first, each from the last to the first
	}
	row, classes := spec.RowBytes(), m.Contract.Numbers()
	scores := make([][]float32, len(images))
	for some := range slices.Chunk(order, batch-blank) {
		for place, i := range some {
			if err := d.Decode(b.Pixels[(blank+place)*row:][:row], images[i]); err != nil {
				return nil, fmt.Errorf("%w: image %q: %w", models.ErrModel, names[i], err)
			}
		}
		err := b.InParts(0, blank+len(some), func(lo, hi int) error { return e.Score(ctx, b, lo, hi) }) // as the run will do
		if err != nil {
			return nil, err
		}
		for place, i := range some {
			scores[i] = slices.Clone(b.Scores[(blank+place)*classes:][:classes])
		}
	}
	return scores, nil
}

// judgeGolden scores the golden images in a model, in batches of this size, and
// compares the scores with those in the model.
func judgeGolden(ctx context.Context, e *ort.Engine, m *models.Model, batch int, decoder decodeChoice) (models.Verdict, error) {
	var names []string
	var images [][]byte
	for _, g := range m.Golden.Images {
		names, images = append(names, g.Name), append(images, g.Image)
	}
	spec := m.Contract.Preprocess
	spec.ScaledDecode = m.Golden.ScaledDecode // --scaled-decode is a choice, not a fault
	scores, err := scoreImages(ctx, e, m, spec, names, images, batch, decoder)
	if err != nil {
		return models.Verdict{}, fmt.Errorf("golden images of %s: %w", m.Path, err)
	}
	v, err := m.Golden.Check(scores, decoder.kind)
	if err != nil {
		err = fmt.Errorf("%s on %s: %w", m.Path, e.Device(), err)
		if i := slices.IndexFunc(m.Dependences, func(d onnxfile.Dependence) bool { return !d.Chance }); i >= 0 && batch == 1 {
			err = fmt.Errorf("%w; or they were scored as one batch, and depend on one another through %s", err, m.Dependences[i].Operator)
		}
		return v, err
	}
	return v, nil
}

// checkGolden returns an error if a model's golden images, in batches of this size,
// do not get the scores in the model.
func checkGolden(ctx context.Context, e *ort.Engine, m *models.Model, batch int, decoder decodeChoice, log zerolog.Logger) error {
	if m.Golden == nil {
		return nil
	}
	v, err := judgeGolden(ctx, e, m, batch, decoder)
	if err != nil {
		return err
	}
	event.GoldenChecked.On(log).Int("images", v.Images).Float64("largest_difference", v.Largest).Float64("tolerance", v.Tolerance).
		Msg("golden images score as they should")
	return nil
}

// goldenOptions say which golden images to put into a model, and how.
type goldenOptions struct {
	images, file, provider string  // folder of images, model to write, device
	batch                  int     // the largest; 0 for any
	tolerance              float64 // 0 for the one that suits the model's precision
}

// goldenFlag adds the flag for golden images to a command that writes a model.
func goldenFlag(cmd *cobra.Command, images *string) {
	cmd.Flags().StringVar(images, "golden", "", "put the images in `FOLDER` and their scores into the model, to be checked before every run")
}

// withGolden puts the images of a folder, if there is one, into the model that was
// just written.
func withGolden(cmd *cobra.Command, file, images string) error {
	if images == "" {
		return nil
	}
	m, err := models.Open(file, models.OpenOptions{})
	if err != nil {
		return config(err)
	}
	return addGolden(cmd, m, goldenOptions{images: images, file: file, provider: ort.CPU})
}

// addGolden scores images and writes a model that holds them, their scores and the
// contract that they were scored with.
func addGolden(cmd *cobra.Command, m *models.Model, o goldenOptions) (err error) {
	names, contents, err := models.GoldenFiles(o.images)
	if err != nil {
		return config(err)
	}
	e, err := ort.Open(m, ort.Options{Provider: o.provider, Lanes: 1, Batch: o.batch, Logger: zerolog.Nop()})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, e.Close()) }()
	scores, err := scoreImages(cmd.Context(), e, m, m.Contract.Preprocess, names, contents, 1, onCPU())
	if err != nil {
		return config(err)
	}
	if err := e.CheckRows(cmd.Context(), e.DefaultBatch(), contents); err != nil {
		return fmt.Errorf("this model cannot have golden images: %w", err)
	}
	swapped := m.Contract.Preprocess
	swapped.BGR = !swapped.BGR
	wrong, err := scoreImages(cmd.Context(), e, m, swapped, names, contents, 1, onCPU())
	if err != nil {
		return config(err)
	}
	g := &models.Golden{
		Tolerance:    models.GoldenTolerance(m.Contract.Precision),
		ScaledDecode: m.Contract.Preprocess.ScaledDecode,
		JPEGDecoder:  jpegKind(),
		MadeWith:     fmt.Sprintf("ONNX Runtime %s on %s, JPEG by %s", e.Version(), e.Device(), jpegName()),
	}
	if o.tolerance > 0 {
		g.Tolerance = o.tolerance
	}
	for i := range names {
		g.Images = append(g.Images, models.GoldenImage{Name: names[i], Image: contents[i], Scores: scores[i]})
	}
	if _, err := g.Check(wrong, g.JPEGDecoder); err == nil {
		return config(fmt.Errorf("%w: with red and blue swapped, the images in %s get the same scores within %.2g, so they would tell nothing;"+
			" use photographs with colours, of several classes", models.ErrModel, o.images, g.Tolerance))
	}
	if err := models.Annotate(m.Path, o.file, models.Annotations{Contract: &m.Contract, Golden: g}); err != nil {
		return config(err)
	}
	written := *m
	written.Path = o.file
	printf(cmd.OutOrStdout(), "%s: %d golden images, tolerance %.2g\n", o.file, len(names), g.Tolerance)
	_, err = fmt.Fprint(cmd.OutOrStdout(), weightFiles(&written))
	return err
}
