package convert

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"image"
	"image/png"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/preprocess"
)

// FuzzConvert reads hostile models. Errors wrap ErrModel, and written models can be
// opened.
func FuzzConvert(f *testing.F) {
	f.Add(seed(f))
	var picture bytes.Buffer
	if err := png.Encode(&picture, image.NewGray(image.Rect(0, 0, 4, 4))); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, model []byte) {
		dir := t.TempDir()
		in, photo := filepath.Join(dir, "in.onnx"), filepath.Join(dir, "photo.png")
		for path, data := range map[string][]byte{in: model, photo: picture.Bytes()} {
			if err := os.WriteFile(path, data, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		for name, convert := range map[string]func(*network, *meter) error{
			"fuse":     func(n *network, _ *meter) error { return n.fuse() },
			"half":     func(n *network, m *meter) error { return n.toHalf(context.Background(), m) },
			"quantize": func(n *network, m *meter) error { return n.toInt8(context.Background(), m) },
		} {
			n, err := open(in, models.OpenOptions{})
			if err != nil {
				if !errors.Is(err, models.ErrModel) {
					t.Errorf("%v does not wrap ErrModel", err)
				}
				return
			}
			err = convert(n, &meter{network: n, open: openStill, images: []string{photo}, folder: dir})
			switch {
			case errors.Is(err, errTooLarge):
			case err != nil && !errors.Is(err, models.ErrModel) && name != "fuse":
				t.Errorf("%s: %v does not wrap ErrModel", name, err)
			case err == nil:
				var b bytes.Buffer
				if _, err := n.WriteTo(&b); err != nil {
					t.Errorf("%s: %v", name, err)
				}
				if _, err := parse(b.Bytes(), dir); err != nil {
					t.Errorf("%s: the result cannot be read: %v", name, err)
				}
			}
		}
	})
}

// FuzzSeparate replaces the convolutions of hostile models.
func FuzzSeparate(f *testing.F) {
	f.Add(seed(f))
	f.Fuzz(func(t *testing.T, model []byte) {
		s, err := Separate(model, t.TempDir(), Operator{
			Takes: func(Convolution) bool { return true },
			Add: func(c Convolution, weights, bias []float32) (int, error) {
				if n := c.Filters * c.Channels * c.Kernel[0] * c.Kernel[1]; len(weights) != n || bias != nil && len(bias) != c.Filters {
					t.Errorf("%+v has %d weights and a bias of %d", c, len(weights), len(bias))
				}
				return 0, nil
			},
		})
		switch {
		case err != nil && !errors.Is(err, models.ErrModel):
			t.Errorf("%v does not wrap ErrModel", err)
		case err == nil && s != nil:
			var b bytes.Buffer
			if n, err := s.WriteTo(&b); err != nil || n != s.Size() {
				t.Errorf("%d of %d bytes written: %v", n, s.Size(), err)
			}
			if _, err := parse(b.Bytes(), ""); err != nil {
				t.Errorf("the result cannot be read: %v", err)
			}
		}
	})
}

// seed returns a model of a few hundred bytes with a layer of each kind.
func seed(f *testing.F) []byte {
	g := graph.New("seed")
	ones := func(name string, shape ...int64) graph.Value {
		n, _ := elements(shape)
		return g.Weights(name, func() ([]float32, error) { return slices.Repeat([]float32{1}, int(n)), nil }, shape...)
	}
	x := g.Input("x", graph.Float32, graph.Dynamic, 3, 2, 2)
	x = g.Conv("c", x, ones("k", 2, 3, 1, 1), graph.Value{}, graph.Window{})
	x = g.Relu("r", g.BatchNorm("n", x, ones("g", 2), ones("b", 2), ones("m", 2), ones("v", 2), 1))
	x = g.Concat("j", 1, x, g.MaxPool("p", x, graph.Window{Kernel: [2]int64{1, 1}}))
	x = g.Conv("d", x, ones("l", 1, 4, 1, 1), ones("a", 1), graph.Window{})
	x = g.Flatten("f", g.Add("s", x, g.AveragePool("q", x, graph.Window{Kernel: [2]int64{1, 1}})))
	x = g.Gemm("e", x, ones("w", 4, 2), ones("o", 2))
	g.Output("y", g.Gemm("h", x, ones("z", 2, 2), graph.Value{}))
	text, err := json.Marshal(models.Contract{Name: "seed", Output: models.Logits, Classes: 2, Preprocess: preprocess.Spec{
		Width: 2, Height: 2, Layout: preprocess.CHW, DType: preprocess.Float32,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch,
	}})
	if err != nil {
		f.Fatal(err)
	}
	g.Metadata(models.MetadataKey, string(text))
	model, err := g.Bytes()
	if err != nil {
		f.Fatal(err)
	}
	return model
}

// still is an engine whose scores are all one half, because a fuzzer creates more models
// per second than could be loaded.
type still struct{ row, classes int }

var errTooLarge = errors.New("too large to fuzz with")

func openStill(m *models.Model) (Engine, error) {
	s := still{m.Contract.Preprocess.RowBytes(), m.Contract.Classes}
	if s.row > 1<<20 || s.classes > 1<<16 {
		return nil, errTooLarge
	}
	return s, nil
}

func (s still) Lanes() int { return 1 }

func (s still) NewBatch(n int) (*models.Batch, error) {
	b := &models.Batch{Pixels: make([]byte, n*s.row), Scores: make([]float32, n*s.classes)}
	for i := range b.Scores {
		b.Scores[i] = 0.5
	}
	return b, nil
}

func (s still) Score(context.Context, *models.Batch, int, int) error { return nil }

func (s still) Close() error { return nil }
