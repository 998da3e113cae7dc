package origin

import (
	"encoding/json"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// readCustomVision reads an export of Azure's Custom Vision: the pixel format in the
// graph's metadata and in metadata_properties.json, the labels in labels.txt, the kind
// in cvexport.manifest. Images are prepared as by the predict.py in the export: Pillow's
// resize with its default, bicubic, to the input's size.
func (r *reader) readCustomVision() {
	format, inGraph := r.file.Lookup("Image.BitmapPixelFormat")
	values, _ := r.file.Lookup("Image.NominalPixelRange")
	var p map[string]json.RawMessage
	path, _ := r.json("metadata_properties.json", &p)
	text := func(key string) (s string) {
		_ = json.Unmarshal(p[key], &s)
		return s
	}
	if s := text("Image.BitmapPixelFormat"); s != "" && format == "" {
		format, values = s, text("Image.NominalPixelRange")
	}
	var manifest struct {
		Domain string `json:"DomainType"`
		Labels string `json:"LabelFileName"`
	}
	exported, _ := r.json("cvexport.manifest", &manifest)
	if !inGraph && (path == "" || format == "") && manifest.Domain == "" {
		return
	}
	kind := models.Kind("")
	switch method := text("CustomVision.Postprocess.Method"); {
	case manifest.Domain == "Classification":
		kind = models.KindClassifier
		if strings.Contains(method, "MultiLabel") {
			kind = models.KindMultiLabel
		}
	case manifest.Domain == "ObjectDetection":
		kind = models.KindDetector
	case method == "ClassificationMultiClass":
		kind = models.KindClassifier
	case method == "ClassificationMultiLabel":
		kind = models.KindMultiLabel
	}
	r.is("an export of Custom Vision", kind)
	from := "Custom Vision"
	switch {
	case inGraph:
		from = "metadata of Custom Vision"
	case path != "":
		from = path
	case exported != "":
		from = exported
	}
	a := models.Answers{Resize: to(preprocess.PillowBicubic), Fit: to(preprocess.Stretch), OutputName: r.output("loss", "model_output")}
	if kind == models.KindMultiLabel {
		a.Task = to(models.MultiLabel)
	}
	switch {
	case strings.HasPrefix(format, "Bgr"):
		a.BGR = to(true)
	case strings.HasPrefix(format, "Rgb"):
		a.BGR = to(false)
	}
	switch values {
	case "NominalRange_0_255":
		a.Scale = to[float32](1)
	case "Normalized_0_1":
		a.Scale = to(float32(1. / 255))
	case "Normalized_1_1":
		a.Scale, a.Mean = to(float32(2./255)), []float32{1, 1, 1}
	case "":
	default:
		r.note("%s: the range %s of pixels is not known here", from, values)
	}
	name := "labels.txt"
	if manifest.Labels != "" && !strings.ContainsAny(manifest.Labels, `/\`) {
		name = manifest.Labels
	}
	if file, text := r.text(name); file != "" {
		a.Labels = r.labels(file, name, text, r.columns(a.OutputName))
	}
	r.answer(from, a)
}
