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

// openReal loads a model in ONNX Runtime and scores its golden images, if it
// carries any.
func openReal(ctx context.Context, o ort.Options, m *models.Model, versions map[string]string) (scorer.Engine, error) {
	e, err := ort.Open(m, o)
	if err != nil {
		return nil, err
	}
	if err := checkGolden(ctx, e, m, o.Logger); err != nil {
		return nil, errors.Join(err, e.Close())
	}
	versions["onnxruntime"] = e.Version()
	o.Logger.Info().Str("device", e.Device()).Int("lanes", e.Lanes()).Str("onnxruntime", e.Version()).Msg("model loaded")
	return e, nil
}
