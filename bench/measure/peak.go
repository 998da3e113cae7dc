package measure

import (
	"context"
	"errors"
	"io"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/preprocess"
	"github.com/batchscore/batchscore/scorer/tune"
)

const (
	peakSide  = 32 // an image of 3*32*32 numbers is one row of the product
	peakWidth = 3 * peakSide * peakSide
	peakBatch = 384
)

// product is what ONNX Runtime does best on a provider: a float32 matrix product, of
// 384 x 3072 with 3072 x 3072, on every core or lane at once. It is used as the peak
// of the machine. It is not a strict limit: a convolution whose operands stay in the
// innermost caches may exceed it slightly.
type product struct {
	device *tune.Device
	engine *ort.Engine
	remove func() error
}

// openProduct loads the product on a provider. The caller closes it.
func openProduct(o ort.Options) (*product, error) {
	m, remove, err := peakModel()
	if err != nil {
		return nil, err
	}
	o.Logger = zerolog.Nop() // the model has warned
	e, err := ort.Open(m, o)
	if err != nil {
		return nil, errors.Join(err, remove())
	}
	return &product{tune.NewDevice(e, m.Contract, peakBatch), e, remove}, nil
}

// multiplyAdds computes the product for at least that time and returns the
// multiply-adds per second.
func (p *product) multiplyAdds(ctx context.Context, least time.Duration) (float64, error) {
	rate, _, err := p.device.Rate(ctx, p.engine.Lanes(), peakBatch, least)
	return rate * peakWidth * peakWidth, err
}

// close frees the product.
func (p *product) close() error { return errors.Join(p.engine.Close(), p.remove()) }

// peakModel returns the product as a model of images.
func peakModel() (m *models.Model, remove func() error, err error) {
	folder, err := os.MkdirTemp("", "batchscore-peak-")
	if err != nil {
		return nil, nil, err
	}
	remove = func() error { return os.RemoveAll(folder) }
	defer func() {
		if err != nil {
			err = errors.Join(err, remove())
		}
	}()
	g := graph.New("peak")
	x := g.Flatten("row", g.Input("images", graph.Float32, graph.Dynamic, 3, peakSide, peakSide))
	weights := g.Weights("weights", func() ([]float32, error) {
		rnd := rand.New(rand.NewPCG(1, 2))
		w := make([]float32, peakWidth*peakWidth)
		for i := range w {
			w[i] = rnd.Float32()
		}
		return w, nil
	}, peakWidth, peakWidth)
	g.Output("scores", g.Gemm("product", x, weights, graph.Value{}))
	file := filepath.Join(folder, "peak.onnx")
	err = models.Save(file, func(w io.Writer) error {
		_, err := g.WriteTo(w)
		return err
	})
	if err != nil {
		return nil, nil, err
	}
	m, err = models.Open(file, models.OpenOptions{Contract: &models.Contract{
		// It is not a classifier: nothing is asked of its rows.
		Name: "peak", Task: "product", Classes: peakWidth,
		Preprocess: preprocess.Spec{Width: peakSide, Height: peakSide, Layout: preprocess.CHW, DType: preprocess.Float32,
			Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
	}})
	return m, remove, err
}
