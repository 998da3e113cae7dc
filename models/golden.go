package models

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// GoldenKey is the ONNX metadata_props key that carries a Golden as JSON.
const GoldenKey = "batchscore.golden"

// Bounds of a Golden.
const (
	MaxGoldenImages = 8
	MaxGoldenBytes  = 2 << 20 // of all encoded images together
	maxGoldenScores = 1 << 18 // of all rows together
)

// Golden is images with the scores that a model gave them when it was made. A
// worker that computes other scores uses another preprocessing, another library
// or another model.
type Golden struct {
	Images []GoldenImage `json:"images"`
	// Tolerance is the largest Difference that passes as the same answer.
	Tolerance float64 `json:"tolerance"`
	// ScaledDecode reports whether the decoder was allowed to shrink the images.
	ScaledDecode bool `json:"scaled_decode,omitempty"`
	// JPEGDecoder is the kind of decoder that the scores were made with.
	JPEGDecoder string `json:"jpeg_decoder,omitempty"`
	// MadeWith names library, device and decoder, for people.
	MadeWith string `json:"made_with,omitempty"`
}

// GoldenImage is an encoded image and its row of scores.
type GoldenImage struct {
	Name string `json:"name"`
	// Image is the bytes of a JPEG, PNG or other file, so that the check covers
	// all of the preprocessing.
	Image []byte `json:"image"`
	// Scores is the output row as the model gives it, [Classes].
	Scores []float32 `json:"scores"`
}

// tolerances are by Contract.Precision, for the same images on other devices.
// float32 differs by the order of sums, and the lower precisions round at every
// layer.
var tolerances = map[string]float64{
	"":     1e-3,
	"fp16": 2e-2,
	"int8": 1e-1,
}

// otherDecoder is added to the tolerance where another decoder decodes JPEG. The
// pixels of libjpeg-turbo and of Go differ by a unit or two, which changed the
// scores of Inception V3 by up to 3.3e-3.
const otherDecoder = 5e-3

// GoldenTolerance returns the tolerance for models of a precision.
func GoldenTolerance(precision string) float64 {
	if t, ok := tolerances[precision]; ok {
		return t
	}
	return tolerances[""]
}

// ParseGolden parses a Golden from the JSON of a model's metadata. As in a
// contract, an unknown field is an error.
func ParseGolden(text []byte) (*Golden, error) {
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	var g Golden
	if err := d.Decode(&g); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("text follows the JSON value")
	}
	if err := g.Validate(); err != nil {
		return nil, err
	}
	return &g, nil
}

// Validate returns an error that says what makes g unusable.
func (g *Golden) Validate() error {
	if n := len(g.Images); n < 1 || n > MaxGoldenImages {
		return fmt.Errorf("%d images are not within 1..%d", n, MaxGoldenImages)
	}
	if t := g.Tolerance; !(t > 0 && t < 1) {
		return fmt.Errorf("tolerance %v is not between 0 and 1", t)
	}
	var size, scores int
	for _, img := range g.Images {
		if len(img.Image) == 0 || len(img.Scores) == 0 {
			return fmt.Errorf("image %q has %d bytes and %d scores", img.Name, len(img.Image), len(img.Scores))
		}
		if len(img.Scores) != len(g.Images[0].Scores) {
			return fmt.Errorf("image %q has %d scores, the first has %d", img.Name, len(img.Scores), len(g.Images[0].Scores))
		}
		size, scores = size+len(img.Image), scores+len(img.Scores)
		for class, s := range img.Scores {
			if math.IsNaN(float64(s)) || math.IsInf(float64(s), 0) {
				return fmt.Errorf("image %q: the score of class %d is %v", img.Name, class, s)
			}
		}
	}
	if size > MaxGoldenBytes {
		return fmt.Errorf("the images have %d bytes together, more than %d", size, MaxGoldenBytes)
	}
	if scores > maxGoldenScores {
		return fmt.Errorf("there are %d scores, more than %d; take fewer images", scores, maxGoldenScores)
	}
	return nil
}

func (g *Golden) fits(c Contract) error {
	if n := len(g.Images[0].Scores); n != c.Numbers() {
		return fmt.Errorf("%d scores per image for a model of %d classes", n, c.Numbers())
	}
	return nil
}

// Difference returns the largest distance between the scores of two rows,
// divided by the largest absolute score of want: 0 for equal rows. It is infinite
// for rows of unequal length or with a NaN.
func Difference(want, got []float32) float64 {
	if len(want) != len(got) {
		return math.Inf(1)
	}
	var scale, most float64
	for i := range want {
		w, d := float64(want[i]), math.Abs(float64(want[i])-float64(got[i]))
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		scale, most = max(scale, math.Abs(w)), max(most, d)
	}
	switch {
	case most == 0:
		return 0
	case scale == 0:
		return math.Inf(1)
	}
	return most / scale
}

// Verdict is the result of a check against golden images.
type Verdict struct {
	Images    int     `json:"images"`
	Worst     string  `json:"worst"` // the image of the largest difference
	Largest   float64 `json:"largest_difference"`
	Tolerance float64 `json:"tolerance"`
}

// Check compares scores, one row for each golden image in their order, with those
// they should have. decoder is the kind of decoder that decoded JPEG. A
// difference beyond the tolerance is an error that wraps ErrModel.
func (g *Golden) Check(scores [][]float32, decoder string) (Verdict, error) {
	v := Verdict{Images: len(g.Images), Tolerance: g.Tolerance, Worst: g.Images[0].Name}
	if decoder != g.JPEGDecoder {
		v.Tolerance += otherDecoder
	}
	if len(scores) != len(g.Images) {
		return v, fmt.Errorf("%d rows of scores for %d golden images", len(scores), len(g.Images))
	}
	for i, img := range g.Images {
		if d := Difference(img.Scores, scores[i]); d > v.Largest {
			v.Largest, v.Worst = d, img.Name
		}
	}
	if v.Largest > v.Tolerance {
		made := ""
		if g.MadeWith != "" {
			made = " (made with " + g.MadeWith + ")"
		}
		return v, fmt.Errorf("%w: the scores of golden image %q differ by %.2g of the largest score, more than %.2g%s:"+
			" the preprocessing, the library or the weights are not those the model was made with",
			ErrModel, v.Worst, v.Largest, v.Tolerance, made)
	}
	return v, nil
}

// GoldenFiles returns the names and contents of the images in a folder that fit
// into a Golden, the first in order of their names.
func GoldenFiles(dir string) (names []string, images [][]byte, err error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, nil, fmt.Errorf("golden images: %w", err)
	}
	size := int64(0)
	for _, e := range entries {
		info, err := e.Info()
		if err != nil {
			return nil, nil, fmt.Errorf("golden images: %w", err)
		}
		if len(names) == MaxGoldenImages || !info.Mode().IsRegular() || !preprocess.KnownExtension(e.Name()) || strings.HasPrefix(e.Name(), ".") ||
			size+info.Size() > MaxGoldenBytes {
			continue
		}
		image, err := readSmall(filepath.Join(dir, e.Name()), MaxGoldenBytes-size)
		if err != nil {
			return nil, nil, fmt.Errorf("golden images: %w", err)
		}
		size += int64(len(image))
		names, images = append(names, e.Name()), append(images, image)
	}
	if len(names) == 0 {
		return nil, nil, fmt.Errorf("golden images: there is no image of at most %d bytes in %s", MaxGoldenBytes, dir)
	}
	return names, images, nil
}
