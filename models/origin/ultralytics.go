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
	"pose": models.KindPose, "obb": models.KindRotated,
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
	r.is(strings.TrimSpace(what), kind)
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
	if len(r.file.Outputs) == 1 && len(r.file.Outputs[0].Shape) == 3 {
		a.Detector = r.arrangement(int64(len(a.Labels)), r.file.Outputs[0].Shape, a)
	}
	switch {
	case a.Detector == nil:
		r.note("its outputs do not show how its boxes are arranged: say --detector %s", strings.Join(models.Detectors(), "|"))
	case *a.Detector == models.Boxes:
		a.Overlap = nil
	}
}

// arrangement returns how the boxes of n classes are arranged in an output of that shape,
// [1,rows,columns]; nil if that is not certain. A graph that suppresses boxes itself gives 6
// numbers of each, as many as the older arrangement has for a single class: the metadata tells
// them apart, or the number of boxes.
func (r *reader) arrangement(n int64, shape []int64, a *models.Answers) *models.Detector {
	args, _ := r.file.Lookup("args")
	end2end, _ := r.file.Lookup("end2end")
	width, height := int64(r.width), int64(r.height)
	if a.Width != nil {
		width = int64(*a.Width)
	}
	if a.Height != nil {
		height = int64(*a.Height)
	}
	cells := int64(0)
	for _, stride := range []int64{8, 16, 32} {
		cells += (width / stride) * (height / stride)
	}
	rows, columns := shape[1], shape[2]
	switch {
	case columns == 6 && (end2end == "True" || strings.Contains(args, "'nms': True")):
		return to(models.Boxes)
	case rows == 4+n && columns != 6, rows == 4+n && columns == cells:
		return to(models.YOLOv8)
	case columns == 5+n && columns != 6, columns == 5+n && rows == 3*cells && cells > 0:
		return to(models.YOLOv5)
	case columns == 6 && (n != 1 || rows > 0 && cells > 0):
		return to(models.Boxes)
	}
	return nil
}
