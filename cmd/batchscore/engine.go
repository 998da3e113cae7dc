package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rs/zerolog"
	"github.com/spf13/pflag"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device/gpu"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/ort/rowcheck"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer"
	"github.com/batchscore/batchscore/scorer/output"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/telemetry/event"
	"github.com/batchscore/batchscore/shard"
)

// providers are the values of --provider, besides simulated devices.
var providers = []string{ort.Auto, ort.CPU, ort.CPUDirect, ort.CUDA}

// removedProviders are names of a provider that earlier releases had.
var removedProviders = map[string]bool{"tensorrt": true, "trt": true}

const noTensorRT = "--provider tensorrt was taken out, because it had never run: every rank would have built its engines again," +
	" in minutes, float32 would have been TF32, and as TensorRT times its kernels, ranks could differ in the bits of scores; use cuda"

// realProvider returns an error unless provider is one of ONNX Runtime's.
func realProvider(provider string) error {
	switch {
	case removedProviders[strings.ToLower(provider)]:
		return usagef("%s", noTensorRT)
	case !slices.Contains(providers, provider):
		return invalid("provider", provider, strings.Join(providers, ", ")+didYouMean(provider, providers))
	}
	return nil
}

// tf32Flag adds the flag for TF32.
func tf32Flag(fs *pflag.FlagSet, tf32 *bool) {
	fs.BoolVar(tf32, "tf32", false, "let a GPU round the factors of float32 products to 10 bits (TF32), which is faster on Ampere GPUs and newer"+
		" and changes scores; all ranks of a job must agree")
}

// checkTF32 returns an error if --tf32 is given for a device that has no TF32.
func checkTF32(tf32 bool, provider string) error {
	if tf32 && provider != ort.Auto && provider != ort.CUDA {
		return usagef("--tf32 and --provider %s exclude each other: TF32 is arithmetic of NVIDIA GPUs", provider)
	}
	return nil
}

// allProviders returns them, and the simulated devices that have names.
func allProviders() []string {
	all := slices.Clone(providers)
	for _, device := range simulate.Devices() {
		all = append(all, simulate.Prefix+device)
	}
	return all
}

// simulated returns the device that a provider of the form simulate:... describes,
// or false for any other provider.
func simulated(provider string) (simulate.Spec, bool, error) {
	text, ok := strings.CutPrefix(provider, simulate.Prefix)
	if !ok {
		if removedProviders[strings.ToLower(provider)] {
			return simulate.Spec{}, false, usagef("%s", noTensorRT)
		}
		if !slices.Contains(providers, provider) {
			return simulate.Spec{}, false, invalid("provider", provider, fmt.Sprintf("%s, %[2]sDEVICE or %[2]srate=N%s",
				strings.Join(providers, ", "), simulate.Prefix, didYouMean(provider, allProviders())))
		}
		return simulate.Spec{}, false, nil
	}
	s, err := simulate.Parse(text)
	if err != nil {
		return s, false, usage(err)
	}
	return s, true, nil
}

// openSimulated opens a simulated device for models with the contract of m.
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
		event.SimulatedEstimated.On(log).Str("device", e.Device()).Msg("the rate of this device with this model is an estimate: none has been published")
	}
	event.Simulated.On(log).Str("device", e.Device()).Msg("simulated: nothing is computed, and the labels mean nothing")
	return e, nil
}

// beganSaturating reports whether out holds a job with an 8-bit model that an older
// release began. Its sums may saturate on this processor, and the rest of the job
// must be computed the same way.
func beganSaturating(ctx context.Context, out store.Store, m *models.Model, log zerolog.Logger) (bool, error) {
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
		event.Int8Saturates.On(log).Str("out", out.String()).Msg("an older release began this job, in which sums of 8-bit products saturate on this" +
			" processor, because it has no VNNI; the rest is computed the same way; use another output folder for exact scores")
	}
	return true, nil
}

// openReal loads a model into ONNX Runtime, and adds its version to versions, with those
// of what a GPU needs. The GPU is nil if the engine computes on none.
func openReal(o ort.Options, m *models.Model, versions map[string]string) (*ort.Engine, *gpu.GPU, error) {
	e, err := ort.Open(m, o)
	if err != nil {
		return nil, nil, err
	}
	versions["onnxruntime"] = e.Version()
	g := gpuOf(e, o.Logger)
	if g != nil {
		facts := g.Facts()
		facts.Versions(versions)
	}
	if e.StandIn() {
		versions["cuda_stand_in"] = "computes nothing"
		event.StandIn.On(o.Logger).Str("device", e.Device()).Msg("stand-in for CUDA: nothing is computed, and neither the labels nor the speed mean anything")
	}
	line := event.ModelLoaded.On(o.Logger).Str("device", e.Device()).Int("lanes", e.Lanes()).Str("onnxruntime", e.Version())
	logGPU(line, g).Msg("model loaded")
	return e, g, nil
}

// tryOut checks a model before anything is written. It returns an error if the
// scores of an image depend on the rest of a batch of this size, unless dependent
// allows it, or if the model's golden images do not get their scores.
func tryOut(ctx context.Context, e *ort.Engine, m *models.Model, batch int, dependent bool, decoder decodeChoice, log zerolog.Logger) error {
	err := checkRows(ctx, e, m, batch)
	var depends *rowcheck.DependentError
	if errors.As(err, &depends) && dependent {
		event.RowsDependent.On(log).Str("model", m.Path).Str("device", e.Device()).Bool("chance", depends.Chance).
			Float64("difference", depends.Largest).Str("cause", depends.Cause()).
			Msg("rows depend on the other images in their batch, or on chance; --allow-dependent-rows allows it")
		if depends.Chance {
			return nil // golden images cannot prove anything then
		}
		err, batch = nil, 1 // the batch size that golden images were scored with
	}
	if err != nil {
		return err
	}
	return checkGolden(ctx, e, m, batch, decoder, log)
}

// checkRows checks with a few images, the model's golden ones and generated ones,
// that the scores of an image do not depend on the rest of its batch.
func checkRows(ctx context.Context, e *ort.Engine, m *models.Model, batch int) error {
	var images [][]byte
	if m.Golden != nil {
		for _, g := range m.Golden.Images {
			images = append(images, g.Image)
		}
	}
	return e.CheckRows(ctx, batch, images)
}
