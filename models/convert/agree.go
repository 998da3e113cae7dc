package convert

import (
	"context"
	"fmt"
	"math"
	"slices"

	"github.com/batchscore/batchscore/models"
)

// Agreement is how far the answers of two models agree.
type Agreement struct {
	// Images is how many images both models scored; Same of them have the same
	// first class.
	Images, Same int
	// Skipped is how many files could not be decoded.
	Skipped int
	// Difference is the largest difference between two probabilities of a class. It
	// was found in the file Worst.
	Difference float64
	Worst      string
}

// Percent returns the percentage of images with the same first class.
func (a Agreement) Percent() float64 { return 100 * float64(a.Same) / float64(max(a.Images, 1)) }

func (a Agreement) String() string {
	return fmt.Sprintf("top-1 agreement %d of %d images (%.2f%%), largest score difference %.5f",
		a.Same, a.Images, a.Percent(), a.Difference)
}

// Compare scores image files with the models in two files, each with its own
// preprocessing. Raw scores are converted to probabilities, as in rows, before they
// are compared.
func Compare(ctx context.Context, lend Opener, a, b string, images []string, o models.OpenOptions) (Agreement, error) {
	var rows [2][][]float32
	for i, path := range []string{a, b} {
		m, err := models.Open(path, o)
		if err != nil {
			return Agreement{}, err
		}
		if rows[i], err = scoresOf(ctx, lend, m, images); err != nil {
			return Agreement{}, fmt.Errorf("score with %s: %w", path, err)
		}
		// The second model carries the contract that the first was given.
		o = models.OpenOptions{}
	}
	var g Agreement
	for i, path := range images {
		x, y := rows[0][i], rows[1][i]
		if x == nil || y == nil {
			g.Skipped++
			continue
		}
		if len(x) != len(y) {
			return g, fmt.Errorf("%w: %s has %d classes and %s has %d", models.ErrModel, a, len(x), b, len(y))
		}
		g.Images++
		if first(x) == first(y) {
			g.Same++
		}
		for c := range x {
			if d := math.Abs(float64(x[c]) - float64(y[c])); d > g.Difference || g.Worst == "" {
				g.Difference, g.Worst = d, path
			}
		}
	}
	if g.Images == 0 {
		return g, fmt.Errorf("%w: none of the %d files to compare on is an image", models.ErrModel, len(images))
	}
	return g, nil
}

// scoresOf opens an engine, scores the images and closes it.
func scoresOf(ctx context.Context, lend Opener, m *models.Model, images []string) (_ [][]float32, err error) {
	e, err := lend(m)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err2 := e.Close(); err == nil {
			err = err2
		}
	}()
	rows, err := scoreImages(ctx, e, m, images)
	for _, row := range rows {
		switch m.Contract.Output {
		case models.Logits:
			softmax(row)
		case models.Sigmoid:
			sigmoid(row)
		}
	}
	return rows, err
}

// first returns the class of the highest score. For a single score, it tells whether
// the score is above one half.
func first(row []float32) int {
	if len(row) == 1 {
		if row[0] >= 0.5 {
			return 1
		}
		return 0
	}
	return slices.Index(row, slices.Max(row))
}

func sigmoid(row []float32) {
	for i, v := range row {
		row[i] = float32(1 / (1 + math.Exp(-float64(v))))
	}
}

func softmax(row []float32) {
	if len(row) == 0 {
		return
	}
	most, sum := float64(slices.Max(row)), 0.0
	for _, v := range row {
		sum += math.Exp(float64(v) - most)
	}
	for i, v := range row {
		row[i] = float32(math.Exp(float64(v)-most) / sum)
	}
}
