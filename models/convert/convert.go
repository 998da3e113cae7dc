package convert

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/batchscore/batchscore/models"
)

// The precisions that Convert supports, as in Contract.Precision.
const (
	FP16 = "fp16"
	INT8 = "int8"
)

// Precisions are all of them.
var Precisions = []string{FP16, INT8}

// GoodAgreement is the percentage of images for which a good converted model names
// the same first class as the float32 model.
const GoodAgreement = 99

// ErrDisagrees means that a converted model answers differently too often.
var ErrDisagrees = errors.New("the converted model does not agree with the float32 model")

// Options control Convert.
type Options struct {
	Precision string // FP16 or INT8
	// Open opens the engine that runs the models.
	Open Opener
	// Calibrate are images to measure the model with. INT8 needs them to learn its
	// scales; for FP16 they show which layers compute numbers that are too large.
	Calibrate []string
	// Check are images to compare the models on; at least one is needed.
	Check []string
	// Least is the smallest percentage of agreement that is accepted.
	Least float64
	// Model supplies what the model file does not say.
	Model models.OpenOptions
}

// Convert writes the float32 model in to out in another precision and compares the
// two. If they agree on less than o.Least percent of the images, the result is
// removed, and the error wraps ErrDisagrees and models.ErrModel. The Agreement is
// returned in both cases.
func Convert(ctx context.Context, in, out string, o Options) (*models.Contract, Agreement, error) {
	folder, err := scratch(out)
	if err != nil {
		return nil, Agreement{}, err
	}
	defer os.RemoveAll(folder)
	made := filepath.Join(folder, filepath.Base(out))
	by := Calibration{Open: o.Open, Images: o.Calibrate}
	var c *models.Contract
	switch o.Precision {
	case FP16:
		c, err = Half(ctx, in, made, o.Model, by)
	case INT8:
		c, err = Quantize(ctx, in, made, o.Model, by)
	default:
		err = fmt.Errorf("precision %q is neither %s nor %s", o.Precision, FP16, INT8)
	}
	if err != nil {
		return nil, Agreement{}, err
	}
	g, err := Compare(ctx, o.Open, in, made, o.Check, o.Model)
	if err != nil {
		return nil, g, err
	}
	if g.Percent() < o.Least {
		return nil, g, fmt.Errorf("%w: %w: %v; want %g%%", models.ErrModel, ErrDisagrees, g, o.Least)
	}
	if err := keep(made, out); err != nil {
		return nil, g, fmt.Errorf("convert model: %w", err)
	}
	return c, g, nil
}

// keep copies the model that was made to out. To rename it there would lose the mode and the
// group of a file that it replaces, and replace a link instead of what that leads to.
func keep(made, out string) error {
	f, err := os.Open(made)
	if err != nil {
		return err
	}
	defer f.Close()
	return models.Save(out, func(w io.Writer) error {
		_, err := io.Copy(w, f)
		return err
	})
}
