package bench

import (
	"testing"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer/store"
)

// BenchmarkFeed runs VGG-16 on a simulated P100 over photographs of photoPixels,
// from a folder and from the emulator on the same cores. It reports what measure.Run
// does: mainly device-busy, next to the rates of decoders and storage alone.
func BenchmarkFeed(b *testing.B) {
	photos := photographs(b)
	const n = 9000 // enough for the start not to matter
	for _, c := range []struct {
		images string
		open   func(b *testing.B, files []string, n int) store.Store
	}{
		{images: "folder", open: linkedPhotos},
		{images: "azurite", open: storedPhotos},
	} {
		b.Run("images="+c.images, func(b *testing.B) {
			st := c.open(b, photos, n)
			contract := models.Contract{
				Name: "vgg16", Output: models.Probabilities, Classes: 1000,
				Preprocess: preprocess.Spec{Width: 224, Height: 224, Layout: preprocess.CHW, DType: preprocess.Float32, Scale: 1. / 255,
					Resize: preprocess.PillowBilinear, Fit: preprocess.CenterCrop, ResizeTo: 256},
			}
			spec, err := simulate.Parse("p100")
			if err != nil {
				b.Fatal(err)
			}
			if spec, err = spec.For(models.VGG16, ""); err != nil {
				b.Fatal(err)
			}
			e, err := simulate.Open(b.Context(), spec, contract, 0)
			if err != nil {
				b.Fatal(err)
			}
			defer e.Close()
			for b.Loop() {
				samples, _, err := measure.Run(b.Context(), measure.RunOptions{
					Images: st, Model: &models.Model{Contract: contract}, Engine: e, Simulated: true,
					Batch: e.DefaultBatch(), Decoders: device.CPUs(1).Usable, Rounds: 1, Least: 2 * time.Second, Log: zerolog.Nop(),
				})
				if err != nil {
					b.Fatal(err)
				}
				for _, v := range samples[0].Values {
					b.ReportMetric(v.Value, v.Unit)
				}
			}
			b.ReportMetric(0, "ns/op")
		})
	}
}
