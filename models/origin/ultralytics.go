package origin

import (
	"encoding/json"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// ultralyticsKinds are the kinds by the value of the metadata's key task.
var ultralyticsKinds = map[string]models.Kind{
	"classify": models.KindClassifier, "detect": models.KindDetector, "segment": models.KindSegmenter,
	"pose": models.KindImageMap, "obb": models.KindImageMap,
}

// readUltralytics reads the metadata that Ultralytics' export writes for a YOLO.
func (r *reader) readUltralytics() {
	task, _ := r.file.Lookup("task")
	names, named := r.file.Lookup("names")
	author, _ := r.file.Lookup("author")
	description, _ := r.file.Lookup("description")
	kind := ultralyticsKinds[task]
	if kind == "" || !named || author != "Ultralytics" && !strings.HasPrefix(description, "Ultralytics") {
		return
	}
	what := description
	if !strings.Contains(what, "Ultralytics") {
		what = strings.TrimSpace("Ultralytics " + what)
	}
	r.is(what, kind)
	const from = "metadata of Ultralytics"
	a := models.Answers{BGR: to(false), Scale: to(float32(1. / 255))}
	if r.open {
		a.Layout = "NCHW"
	}
	size, _ := r.file.Lookup("imgsz")
	var sides []int // height, width
	if json.Unmarshal([]byte(size), &sides) == nil && len(sides) == 2 && sides[0] > 0 && sides[1] > 0 && max(sides[0], sides[1]) <= maxSide {
		if r.height == 0 {
			a.Height = &sides[0]
		}
		if r.width == 0 {
			a.Width = &sides[1]
		}
	} else {
		sides = []int{r.height, r.width}
	}
	switch kind {
	case models.KindClassifier:
		// classify_transforms: Resize(size) by the shortest side and CenterCrop(size), on
		// an image of Pillow; the exported graph ends in a softmax.
		a.Resize = to(preprocess.PillowBilinear)
		switch {
		case sides[0] > 0 && sides[0] == sides[1]:
			a.Fit, a.ResizeTo = to(preprocess.CenterCrop), &sides[0]
		case sides[0] > 0:
			r.note("its input is not square: how Ultralytics crops for it is not known here")
		}
		a.Labels = r.labels("its metadata", "names", []byte(names), r.columns(""))
	case models.KindDetector:
		a.Labels = r.labels("its metadata", "names", []byte(names), 0)
		r.detector(&a)
	}
	r.answer(from, a)
}

// detector answers how Ultralytics prepares images for a detector, LetterBox, and which
// boxes its predictor keeps: non_max_suppression with its defaults.
func (r *reader) detector(a *models.Answers) {
	a.Task, a.Resize, a.Fit = to(models.Detect), to(preprocess.OpenCVLinear), to(preprocess.Letterbox)
	a.Pad, a.Overlap = []float32{114, 114, 114}, to[float32](0.7)
	n := int64(len(a.Labels))
	shape := r.file.Outputs[0].Shape
	switch {
	case len(shape) != 3 || len(r.file.Outputs) != 1:
	case shape[1] == 4+n:
		a.Detector = to(models.YOLOv8)
	case shape[2] == 5+n:
		a.Detector = to(models.YOLOv5)
	case shape[2] == 6:
		a.Detector, a.Overlap = to(models.Boxes), nil
	}
	if a.Detector == nil {
		r.note("its outputs are none of the arrangements of boxes here")
	}
}
