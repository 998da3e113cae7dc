package convert_test

import (
	"encoding/binary"
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/convert"
	"github.com/batchscore/batchscore/models/graph"
	"github.com/batchscore/batchscore/models/ort"
	"github.com/batchscore/batchscore/models/ort/orttest"
	"github.com/batchscore/batchscore/models/preprocess"
)

// opener returns an opener of ONNX Runtime on the CPU.
func opener(t testing.TB) convert.Opener {
	t.Helper()
	o := orttest.Options(t)
	return func(m *models.Model) (convert.Engine, error) { return ort.Open(m, o) }
}

// picture returns n images of bytes, [n,height,width,3]: smooth, with noise.
func picture(n, height, width int) []byte {
	p := make([]byte, 0, n*height*width*3)
	state := uint32(1)
	for i := range n {
		for y := range height {
			for x := range width {
				for c := range 3 {
					state = state*1664525 + 1013904223
					v := 128 + 90*math.Sin(float64(x*(i+1))/9+float64(c))*math.Cos(float64(y)/float64(7+i)) + float64(state>>28)
					p = append(p, byte(min(max(v, 0), 255)))
				}
			}
		}
	}
	return p
}

// scores runs a model on images of bytes of the model's size. For a model of float32 it
// prepares each image as the host does.
func scores(t testing.TB, path string, images []byte) []float32 {
	t.Helper()
	m, e := orttest.Open(t, path)
	s := m.Contract.Preprocess
	area := s.Width * s.Height
	n := len(images) / (3 * area)
	b, err := e.NewBatch(n)
	if err != nil {
		t.Fatal(err)
	}
	if s.DType == preprocess.Uint8 {
		copy(b.Pixels, images)
	} else {
		for i, v := range images {
			image, pixel, channel := i/(3*area), i/3%area, i%3
			place := channel
			if s.BGR {
				place = 2 - channel
			}
			at := (image*area+pixel)*3 + place
			if s.Layout == preprocess.CHW {
				at = (image*3+place)*area + pixel
			}
			binary.NativeEndian.PutUint32(b.Pixels[4*at:], math.Float32bits(normalised(s, channel, v)))
		}
	}
	if err := e.Score(t.Context(), b, 0, n); err != nil {
		t.Fatal(err)
	}
	return append([]float32(nil), b.Scores...)
}

func normalised(s preprocess.Spec, channel int, pixel byte) float32 {
	v := float32(pixel)
	if s.Scale != 0 {
		v *= s.Scale
	}
	if len(s.Mean) != 0 {
		v -= s.Mean[channel]
	}
	if len(s.Std) != 0 {
		v /= s.Std[channel]
	}
	return v
}

// relative returns the largest difference between two rows of scores, divided by the
// largest score.
func relative(t testing.TB, a, b []float32) float64 {
	t.Helper()
	if len(a) != len(b) || len(a) == 0 {
		t.Fatalf("%d and %d scores", len(a), len(b))
	}
	worst, largest := 0.0, 0.0
	for i := range a {
		worst = max(worst, math.Abs(float64(a[i])-float64(b[i])))
		largest = max(largest, math.Abs(float64(a[i])))
	}
	return worst / largest
}

func inFolder(t testing.TB, name string) string { return filepath.Join(t.TempDir(), name) }

// write writes a graph with its contract to a file.
func write(t testing.TB, g *graph.Graph, c models.Contract) string {
	t.Helper()
	text, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	g.Metadata(models.MetadataKey, string(text))
	model, err := g.Bytes()
	if err != nil {
		t.Fatal(err)
	}
	path := inFolder(t, "model.onnx")
	if err := os.WriteFile(path, model, 0o644); err != nil {
		t.Fatal(err)
	}
	return path
}
