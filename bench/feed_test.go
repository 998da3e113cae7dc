package bench

import (
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rs/zerolog"
	"golang.org/x/sync/errgroup"

	"github.com/batchscore/batchscore/bench/measure"
	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/device"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/models/simulate"
	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/azblob/azuritetest"
	"github.com/batchscore/batchscore/scorer/store/dir"
	"github.com/batchscore/batchscore/scorer/store/patient"
)

// BenchmarkFeed runs VGG-16 on a simulated P100 over photographs of photoPixels,
// from a folder and from the emulator on the same cores, and reports what
// measure.Run does: above all device-busy, beside what decoders and storage give
// alone.
func BenchmarkFeed(b *testing.B) {
	photos := photographs(b)
	for _, c := range []struct {
		images string
		copies int // of each photograph: enough for the start to weigh little
		open   func(b *testing.B, photos string, copies int) store.Store
	}{
		{"folder", 36, linkedPhotos},
		{"azurite", 18, storedPhotos},
	} {
		b.Run("images="+c.images, func(b *testing.B) {
			st := c.open(b, photos, c.copies)
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

func linkedPhotos(b *testing.B, photos string, copies int) store.Store {
	b.Helper()
	folder := b.TempDir()
	eachPhoto(b, photos, copies, func(from, name string) error { return os.Link(from, filepath.Join(folder, name)) })
	st, err := dir.New(folder, dir.Options{})
	if err != nil {
		b.Fatal(err)
	}
	return st
}

func storedPhotos(b *testing.B, photos string, copies int) store.Store {
	b.Helper()
	server := azuritetest.Start(b)
	st := azuritetest.Open(b, server.Options(b, server.Container(b), ""))
	eachPhoto(b, photos, copies, func(from, name string) error {
		body, err := os.ReadFile(from)
		if err != nil {
			return err
		}
		_, err = st.Create(b.Context(), name, body)
		return err
	})
	return patient.New(st, patient.Options{})
}

// eachPhoto calls put for every copy of every photograph, several at a time.
func eachPhoto(b *testing.B, photos string, copies int, put func(from, name string) error) {
	b.Helper()
	files, err := os.ReadDir(photos)
	if err != nil {
		b.Fatal(err)
	}
	var g errgroup.Group
	g.SetLimit(16)
	for i := range copies {
		for _, f := range files {
			g.Go(func() error { return put(filepath.Join(photos, f.Name()), fmt.Sprintf("%02d-%s", i, f.Name())) })
		}
	}
	if err := g.Wait(); err != nil {
		b.Fatal(err)
	}
}
