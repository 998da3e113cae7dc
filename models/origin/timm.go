package origin

import (
	"cmp"
	"fmt"
	"math"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// timmConfig is the pretrained_cfg in a config.json of timm. What is left out has the default of
// timm.data.resolve_data_config.
type timmConfig struct {
	InputSize     []int     `json:"input_size"` // channels, height, width
	TestInputSize []int     `json:"test_input_size"`
	CropPct       *float64  `json:"crop_pct"`
	TestCropPct   *float64  `json:"test_crop_pct"`
	CropMode      string    `json:"crop_mode"`
	Interpolation string    `json:"interpolation"`
	Mean          []float32 `json:"mean"`
	Std           []float32 `json:"std"`
	Names         []string  `json:"label_names"`
}

// interpolations are the policies by their names in timm, which resizes with Pillow.
var interpolations = map[string]preprocess.Resize{
	"nearest": preprocess.PillowNearest, "bilinear": preprocess.PillowBilinear,
	"bicubic": preprocess.PillowBicubic, "lanczos": preprocess.PillowLanczos,
}

// readTimm reads a config.json that timm has written. Its images are prepared as by
// timm.data.create_transform(**timm.data.resolve_model_data_config(model)).
func (r *reader) readTimm(path string, c *config) {
	kind := models.KindClassifier
	if c.Classes == 0 {
		kind = models.KindEmbedding
	}
	r.is("timm's "+c.Architecture, kind)
	a, notes := c.Pretrained.answers(r.width, r.height)
	for _, n := range notes {
		r.note("%s: %s", path, n)
	}
	if r.open {
		a.Layout = "NCHW"
	}
	if r.found.Kind == models.KindEmbedding {
		a.Task = to(models.Embed)
	}
	if r.found.Kind == models.KindClassifier {
		a.Output = to(models.Logits)
		names := c.Names
		if names == nil {
			names = c.Pretrained.Names
		}
		if n := r.columns(""); names != nil && (n == 0 || n == len(names)) {
			a.Labels = names
		} else if names != nil {
			r.note("the labels in %s are not used: %d labels for an output of %d classes", path, len(names), n)
		}
	}
	r.answer(path, a)
}

// answers returns what the settings say for a graph that takes images of width x
// height, 0 where it takes any.
func (t *timmConfig) answers(width, height int) (a models.Answers, notes []string) {
	size, pct := t.InputSize, 0.875
	if len(size) == 0 {
		size = []int{3, 224, 224}
	}
	if t.CropPct != nil && *t.CropPct != 0 {
		pct = *t.CropPct
	}
	if test := t.TestInputSize; len(test) == 3 && test[1] == height && test[2] == width {
		size = test
		if t.TestCropPct != nil && *t.TestCropPct != 0 {
			pct = *t.TestCropPct
		}
	}
	if len(size) == 3 && size[1] > 0 && size[2] > 0 && size[1] <= maxSide && size[2] <= maxSide {
		if height == 0 {
			height = size[1]
			a.Height = &height
		}
		if width == 0 {
			width = size[2]
			a.Width = &width
		}
	}
	if r, ok := interpolations[cmp.Or(t.Interpolation, "bicubic")]; ok {
		a.Resize = &r
	} else {
		notes = append(notes, "interpolation "+t.Interpolation+" is none of the methods here")
	}
	switch {
	case pct <= 0.01:
		notes = append(notes, fmt.Sprintf("crop_pct is %g", pct))
	case width > 0 && height > 0:
		notes = append(notes, t.fit(&a, int(math.Floor(float64(width)/pct)), int(math.Floor(float64(height)/pct)), width, height)...)
	}
	mean, std := t.Mean, t.Std
	if len(mean) == 0 {
		mean = float32s(imagenetMean)
	}
	if len(std) == 0 {
		std = float32s(imagenetStd)
	}
	if len(mean) == 3 && len(std) == 3 {
		a.Scale, a.Mean, a.Std = to(float32(1./255)), mean, std
	} else {
		notes = append(notes, fmt.Sprintf("mean and std have %d and %d numbers, not one for each of 3 channels", len(mean), len(std)))
	}
	a.BGR = to(false)
	return a, notes
}

// fit answers for images that are resized to scaledW x scaledH before the crop.
func (t *timmConfig) fit(a *models.Answers, scaledW, scaledH, width, height int) (notes []string) {
	switch {
	case scaledW < width || scaledH < height:
		notes = append(notes, padded(min(scaledW, scaledH), width, height))
	case t.CropMode == "squash" && scaledW == width && scaledH == height:
		a.Fit = to(preprocess.Stretch)
	case t.CropMode == "squash":
		stretchCrop(a, geometry{resizeW: scaledW, resizeH: scaledH, cropW: width, cropH: height})
	case t.CropMode != "" && t.CropMode != "center":
		notes = append(notes, "crop_mode "+t.CropMode+" is none of the fits here")
	case scaledW != scaledH:
		notes = append(notes, "the input is not square, and timm then keeps the aspect in a way that is none of the fits here")
	default:
		a.Fit, a.ResizeTo = to(preprocess.CenterCrop), &scaledW
	}
	return notes
}
