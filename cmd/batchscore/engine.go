package main

import (
	"context"
	"errors"
	"slices"
	"strings"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/shard"
)

var providers = []string{ort.Auto, ort.CPU, ort.CPUDirect, ort.CUDA, ort.TensorRT}

// simulated is the device that --provider simulate:... describes; false for any
// other provider.
func simulated(provider string) (simulate.Spec, bool, error) {
	text, ok := strings.CutPrefix(provider, simulate.Prefix)
	if !ok {
		if !slices.Contains(providers, provider) {
			return simulate.Spec{}, false, usagef("--provider %q is none of %s, %sDEVICE or %srate=N",
				provider, strings.Join(providers, ", "), simulate.Prefix, simulate.Prefix)
		}
		return simulate.Spec{}, false, nil
	}
	s, err := simulate.Parse(text)
	if err != nil {
		return s, false, usage(err)
	}
	return s, true, nil
}

// openSimulated loads a model's contract on a simulated device.
func openSimulated(ctx context.Context, s simulate.Spec, m *models.Model, w shard.World, log zerolog.Logger) (scorer.Engine, error) {
	s, err := s.For(m.Architecture, m.Contract.Precision)
	if err != nil {
		return nil, err
	}
	e, err := simulate.Open(ctx, s, m.Contract, w.Rank)
	if err != nil {
		return nil, err
	}
	if s.Estimated() {
		log.Warn().Str("device", e.Device()).Msg("the rate of this device on this model is an estimate: none was published")
	}
	log.Warn().Str("device", e.Device()).Msg("simulated: nothing is computed, and no label means anything")
	return e, nil
}

// begunSaturating reports whether out holds a job with a model of 8 bits that an
// older release began, whose sums may saturate on this processor: its parts are
// finished with the same arithmetic, so that all of them are alike.
func begunSaturating(ctx context.Context, out store.Store, m *models.Model, log zerolog.Logger) (bool, error) {
	if !m.Int8 {
		return false, nil
	}
	job, err := output.ReadJob(ctx, out)
	switch {
	case errors.Is(err, store.ErrNotExist):
		return false, nil
	case err != nil:
		return false, err
	case job.Int8 == output.ExactInt8:
		return false, nil
	}
	if ort.Int8Saturates() {
		log.Warn().Str("out", out.String()).Msg("an older release began this job: on this processor, which has no VNNI, its sums of" +
			" 8-bit products saturate, and it is finished so; another output folder gets exact scores")
	}
	return true, nil
}

// openReal loads a model in ONNX Runtime.
func openReal(o ort.Options, m *models.Model, versions map[string]string) (*ort.Engine, error) {
	e, err := ort.Open(m, o)
	if err != nil {
		return nil, err
	}
	versions["onnxruntime"] = e.Version()
	o.Logger.Info().Str("device", e.Device()).Int("lanes", e.Lanes()).Str("onnxruntime", e.Version()).Msg("model loaded")
	return e, nil
}

// tryOut refuses, before anything is written, a model whose rows depend on more
// than their image in batches of that many, unless that is allowed, and one that
// no longer gives the scores of the golden images that it carries.
func tryOut(ctx context.Context, e *ort.Engine, m *models.Model, batch int, dependent bool, log zerolog.Logger) error {
	err := checkRows(ctx, e, m, batch)
	var depends *ort.DependentError
	if errors.As(err, &depends) && dependent {
		log.Warn().Str("model", m.Path).Str("device", e.Device()).Bool("chance", depends.Chance).
			Float64("difference", depends.Largest).Str("cause", depends.Cause()).
			Msg("rows depend on the other images of their batch, or on chance: allowed by --allow-dependent-rows")
		if depends.Chance {
			return nil // golden images would prove nothing
		}
		err, batch = nil, 1 // as golden images were scored
	}
	if err != nil {
		return err
	}
	return checkGolden(ctx, e, m, batch, log)
}

// checkRows tries out with a few images whether rows depend on more than their
// image: those that the model carries, and made ones.
func checkRows(ctx context.Context, e *ort.Engine, m *models.Model, batch int) error {
	var images [][]byte
	if m.Golden != nil {
		for _, g := range m.Golden.Images {
			images = append(images, g.Image)
		}
	}
	return e.CheckRows(ctx, batch, images)
}
