package gpucheck

import (
	"context"
	"encoding/json"
	"io"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/preprocess"
)

// copierSize is the width and height of the images of the copier, in pixels: those of
// Inception V3.
const copierSize = 299

// copierBytes is the size of one of its images.
const copierBytes = copierSize * copierSize * 3 * 4

// copier returns a model whose work is next to nothing, so that its speed is that of
// copying images to the GPU, as float32.
func (s *Session) copier(ctx context.Context) (string, error) {
	return s.once(ctx, "copier.onnx", func(path string) error {
		const classes = 2
		c := models.Contract{
			Name: "copier", Output: models.Logits, Classes: classes, Labels: []string{"a", "b"},
			Preprocess: preprocess.Spec{Width: copierSize, Height: copierSize, Layout: preprocess.CHW, DType: preprocess.Float32,
				Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch, Scale: 1.0 / 255},
		}
		if err := c.Validate(); err != nil {
			return err
		}
		text, err := json.Marshal(c)
		if err != nil {
			return err
		}
		g := graph.New("copier")
		g.Metadata(models.MetadataKey, string(text))
		x := g.Input("images", graph.Float32, graph.Dynamic, 3, copierSize, copierSize)
		x = g.Flatten("means", g.GlobalAveragePool("pool", x))
		kernel := g.Weights("kernel", func() ([]float32, error) { return []float32{1, 0, 0, 1, 1, -1}, nil }, 3, classes)
		bias := g.Weights("bias", func() ([]float32, error) { return make([]float32, classes), nil }, classes)
		g.Output("scores", g.Gemm("dense", x, kernel, bias))
		return models.Save(path, func(w io.Writer) error { _, err := g.WriteTo(w); return err })
	})
}
