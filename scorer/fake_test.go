package scorer

import (
	"bytes"
	"context"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"io"
	"sync/atomic"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// fakeEngine derives scores from the pixels alone, so that equal images get
// equal rows whatever the batch, the lane or the rank.
type fakeEngine struct {
	spec    preprocess.Spec
	classes int
	lanes   int
	// score is called before each run and may fail it.
	score  func(ctx context.Context, lo, hi int) error
	runs   atomic.Int64
	closed atomic.Bool
}

var fakeContract = models.Contract{
	Name: "fake", Output: models.Probabilities, Classes: 7,
	Labels: []string{"red", "orange", "yellow", "green", "blue", "indigo", "violet"},
	Preprocess: preprocess.Spec{Width: 8, Height: 8, Layout: preprocess.HWC, DType: preprocess.Uint8,
		Resize: preprocess.PillowBilinear, Fit: preprocess.Stretch},
}

func newFakeEngine() *fakeEngine {
	return &fakeEngine{spec: fakeContract.Preprocess, classes: fakeContract.Classes, lanes: 2}
}

func (e *fakeEngine) Device() string    { return "fake" }
func (e *fakeEngine) Lanes() int        { return e.lanes }
func (e *fakeEngine) DefaultBatch() int { return 4 }
func (e *fakeEngine) Close() error      { e.closed.Store(true); return nil }

func (e *fakeEngine) NewBatch(capacity int) (*models.Batch, error) {
	return &models.Batch{
		Pixels: make([]byte, capacity*e.spec.RowBytes()),
		Scores: make([]float32, capacity*e.classes),
	}, nil
}

func (e *fakeEngine) Score(ctx context.Context, b *models.Batch, lo, hi int) error {
	e.runs.Add(1)
	if err := ctx.Err(); err != nil {
		return err
	}
	if e.score != nil {
		if err := e.score(ctx, lo, hi); err != nil {
			return err
		}
	}
	stride := e.spec.RowBytes()
	for i := lo; i < hi; i++ {
		scores := b.Scores[i*e.classes:][:e.classes]
		clear(scores)
		total := float32(0)
		for j, p := range b.Pixels[i*stride:][:stride] {
			scores[(j+int(p))%e.classes] += float32(p)
			total += float32(p)
		}
		for j := range scores {
			scores[j] /= max(total, 1)
		}
	}
	return nil
}

// picture returns a small JPEG that is different for each n.
func picture(t testing.TB, n int) []byte {
	img := image.NewRGBA(image.Rect(0, 0, 16, 12))
	for y := range 12 {
		for x := range 16 {
			img.Set(x, y, color.RGBA{uint8(n * 37), uint8(n*11 + x*9), uint8(n>>3 + y*17), 255})
		}
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pictureName(n int) string { return fmt.Sprintf("folder %d/%05d.jpg", n%3, n) }

type readCloser = io.ReadCloser

type nopCloser struct{ io.Reader }

func (nopCloser) Close() error { return nil }
