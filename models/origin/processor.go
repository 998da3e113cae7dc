package origin

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// processor is a preprocessor_config.json of transformers. Keys that are left out have
// the default of the class that the file names.
type processor struct {
	Class     string          `json:"image_processor_type"`
	Extractor string          `json:"feature_extractor_type"` // its former name
	Resize    *bool           `json:"do_resize"`
	Resample  json.RawMessage `json:"resample"`
	Size      json.RawMessage `json:"size"`
	CropPct   *float64        `json:"crop_pct"`
	Crop      *bool           `json:"do_center_crop"`
	CropSize  json.RawMessage `json:"crop_size"`
	Rescale   *bool           `json:"do_rescale"`
	Factor    *float64        `json:"rescale_factor"`
	Offset    *bool           `json:"rescale_offset"`
	Normalize *bool           `json:"do_normalize"`
	Mean      json.RawMessage `json:"image_mean"`
	Std       json.RawMessage `json:"image_std"`
	Flip      *bool           `json:"do_flip_channel_order"`
	Top       *bool           `json:"include_top"`
	Pad       *bool           `json:"do_pad"`
}

// Means and deviations that transformers gives names.
var (
	imagenetMean, imagenetStd = []float64{0.485, 0.456, 0.406}, []float64{0.229, 0.224, 0.225}
	halves                    = []float64{0.5, 0.5, 0.5}
	clipMean, clipStd         = []float64{0.48145466, 0.4578275, 0.40821073}, []float64{0.26862954, 0.26130258, 0.27577711}
)

// defaults are what a class of transformers does unless its file says otherwise.
type defaults struct {
	resample preprocess.Resize
	size     int  // of a side
	shortest bool // size is that of the shortest side, and the aspect is kept
	crop     int  // of both sides; 0 for none
	mean     []float64
	std      []float64
	raw      bool // no normalisation unless the file asks for it
	flip     bool // blue comes first
	pct      float64
	form     form
}

// form is how a class uses its size.
type form int

const (
	plain    form = iota
	convnext      // below 384 pixels, resizes to size/crop_pct and crops; else stretches
	levit         // resizes to size*256/224
	pool          // resizes to size/crop_pct, by the shortest side whatever the form of size
	efficientnet
	detr    // without a size, one that follows from the image's
	unknown // not one of these classes: nothing has a default
)

// classes are the image processors whose defaults are known, by their names without
// "ImageProcessor".
var classes = map[string]defaults{
	"ViT":             {resample: preprocess.PillowBilinear, size: 224, mean: halves, std: halves},
	"DeiT":            {resample: preprocess.PillowBicubic, size: 256, crop: 224, mean: halves, std: halves},
	"Beit":            {resample: preprocess.PillowBicubic, size: 256, crop: 224, mean: halves, std: halves},
	"CLIP":            {resample: preprocess.PillowBicubic, size: 224, shortest: true, crop: 224, mean: clipMean, std: clipStd},
	"ChineseCLIP":     {resample: preprocess.PillowBicubic, size: 224, shortest: true, crop: 224, mean: clipMean, std: clipStd},
	"Bit":             {resample: preprocess.PillowBicubic, size: 224, shortest: true, crop: 224, mean: clipMean, std: clipStd},
	"ViTHybrid":       {resample: preprocess.PillowBicubic, size: 224, shortest: true, crop: 224, mean: clipMean, std: clipStd},
	"Siglip":          {resample: preprocess.PillowBicubic, size: 224, mean: halves, std: halves},
	"Blip":            {resample: preprocess.PillowBicubic, size: 384, mean: clipMean, std: clipStd},
	"ConvNext":        {resample: preprocess.PillowBilinear, size: 384, shortest: true, mean: halves, std: halves, pct: 224. / 256, form: convnext},
	"Levit":           {resample: preprocess.PillowBicubic, size: 224, shortest: true, crop: 224, mean: imagenetMean, std: imagenetStd, form: levit},
	"PoolFormer":      {resample: preprocess.PillowBicubic, size: 224, shortest: true, crop: 224, mean: imagenetMean, std: imagenetStd, pct: 0.9, form: pool},
	"Pvt":             {resample: preprocess.PillowBilinear, size: 224, mean: imagenetMean, std: imagenetStd},
	"MobileNetV1":     {resample: preprocess.PillowBilinear, size: 256, shortest: true, crop: 224, mean: halves, std: halves},
	"MobileNetV2":     {resample: preprocess.PillowBilinear, size: 256, shortest: true, crop: 224, mean: halves, std: halves},
	"MobileViT":       {resample: preprocess.PillowBilinear, size: 224, shortest: true, crop: 256, raw: true, flip: true},
	"EfficientNet":    {resample: preprocess.PillowNearest, size: 346, mean: halves, std: halves, form: efficientnet},
	"EfficientFormer": {resample: preprocess.PillowBicubic, size: 224, crop: 224, mean: imagenetMean, std: imagenetStd},
	"Segformer":       {resample: preprocess.PillowBilinear, size: 512, mean: imagenetMean, std: imagenetStd},
	"RTDetr":          {resample: preprocess.PillowBilinear, size: 640, raw: true},

	// Without a size their files mean one that follows from the image's.
	"Detr":            {resample: preprocess.PillowBilinear, mean: imagenetMean, std: imagenetStd, form: detr},
	"ConditionalDetr": {resample: preprocess.PillowBilinear, mean: imagenetMean, std: imagenetStd, form: detr},
	"DeformableDetr":  {resample: preprocess.PillowBilinear, mean: imagenetMean, std: imagenetStd, form: detr},
	"Yolos":           {resample: preprocess.PillowBilinear, mean: imagenetMean, std: imagenetStd, form: detr},
}

// processorOf are the classes by model_type, for a file that names none.
var processorOf = map[string]string{
	"beit": "Beit", "bit": "Bit", "clip": "CLIP", "clip_vision_model": "CLIP", "convnext": "ConvNext", "convnextv2": "ConvNext", "cvt": "ConvNext",
	"data2vec-vision": "Beit", "deit": "DeiT", "dinat": "ViT", "dinov2": "Bit", "dinov2_with_registers": "Bit", "efficientformer": "EfficientFormer",
	"efficientnet": "EfficientNet", "focalnet": "Bit", "hiera": "Bit", "levit": "Levit", "mobilenet_v1": "MobileNetV1", "mobilenet_v2": "MobileNetV2",
	"mobilevit": "MobileViT", "mobilevitv2": "MobileViT", "nat": "ViT", "poolformer": "PoolFormer", "pvt": "Pvt", "pvt_v2": "Pvt", "regnet": "ConvNext",
	"resnet": "ConvNext", "rt_detr": "RTDetr", "segformer": "Segformer", "siglip": "Siglip", "siglip_vision_model": "Siglip", "swiftformer": "ViT",
	"swin": "ViT", "swinv2": "ViT", "van": "ConvNext", "vit": "ViT", "vit_mae": "ViT", "vit_msn": "ViT",
}

// resamplings are the policies by their numbers in Pillow, which files hold.
var resamplings = map[int]preprocess.Resize{
	0: preprocess.PillowNearest, 1: preprocess.PillowLanczos, 2: preprocess.PillowBilinear, 3: preprocess.PillowBicubic,
}

// answers returns what the file says, for a model of that type whose graph takes images
// of width x height, which are 0 where it takes any. The notes are about the rest.
func (p *processor) answers(modelType string, width, height int) (a models.Answers, notes []string, err error) {
	name := p.class(modelType)
	d, known := classes[name]
	if !known {
		d.form = unknown
		notes = append(notes, fmt.Sprintf("%sImageProcessor is not known here: what the file spells out is used, but not how it fits images to the size", name))
	}
	g, err := p.geometry(d)
	if err != nil {
		return a, nil, err
	}
	notes = append(notes, g.answer(&a, width, height)...)
	if d.form == unknown { // it may pad, or resize twice, and no key of the file says so
		a.Fit, a.ResizeTo, a.ResizeToHeight = nil, nil, nil
	}
	if err := p.values(d, &a); err != nil {
		return a, nil, err
	}
	var number int
	switch {
	case p.Resample == nil || string(p.Resample) == "null":
		if d.form != unknown {
			a.Resize = &d.resample
		}
	case json.Unmarshal(p.Resample, &number) != nil || resamplings[number] == "":
		notes = append(notes, fmt.Sprintf("resample %s is none of the methods here", p.Resample))
	default:
		r := resamplings[number]
		a.Resize = &r
	}
	return a, notes, nil
}

// class returns the name of the file's class without "ImageProcessor". One that computes with
// torchvision, and whose name ends in Fast, has the settings and the geometry of the other.
func (p *processor) class(modelType string) (name string) {
	name = p.Class
	if name == "" {
		name = p.Extractor
	}
	name = strings.TrimSuffix(name, "Fast")
	name = strings.TrimSuffix(strings.TrimSuffix(name, "Pil"), "ImageProcessor")
	name = strings.TrimSuffix(name, "FeatureExtractor")
	if name == "" {
		name = processorOf[modelType]
	}
	return name
}

// geometry is which part of an image becomes which pixels. 0 is a size that is not
// known.
type geometry struct {
	resizeW, resizeH int  // the size that an image is stretched to
	shortest         int  // or the size of its shortest side
	cropW, cropH     int  // what is cut from the middle; 0 for nothing
	own              bool // each image has a size of its own
}

func (p *processor) geometry(d defaults) (g geometry, err error) {
	if p.Resize != nil && !*p.Resize {
		return g, errors.New("do_resize is false: it says nothing of how images get their size")
	}
	size, err := parseSize(p.Size, d.shortest)
	if err != nil {
		return g, fmt.Errorf("size: %w", err)
	}
	if size == (imageSize{}) && d.size > 0 {
		size = imageSize{Height: d.size, Width: d.size}
		if d.shortest {
			size = imageSize{Shortest: d.size}
		}
	}
	crop, err := parseSize(p.CropSize, false)
	if err != nil {
		return g, fmt.Errorf("crop_size: %w", err)
	}
	if crop == (imageSize{}) {
		crop = imageSize{Height: d.crop, Width: d.crop}
	}
	if !isSet(p.Crop, d.crop > 0) || d.form == convnext {
		crop = imageSize{}
	}
	if d.form == detr && (size.Longest > 0 || size == (imageSize{})) {
		return geometry{own: true}, nil
	}
	if size.Longest > 0 {
		return g, fmt.Errorf("size has longest_edge %d: the input's size follows from the image's, and batchscore gives all images one size", size.Longest)
	}
	g = geometry{resizeW: size.Width, resizeH: size.Height, shortest: size.Shortest, cropW: crop.Width, cropH: crop.Height}
	pct := d.pct
	if p.CropPct != nil {
		pct = *p.CropPct
	}
	if pct != 0 && (pct <= 0.01 || pct > 1) {
		return g, fmt.Errorf("crop_pct is %g", pct)
	}
	switch {
	case d.form == convnext && g.shortest > 0 && g.shortest < 384:
		g.cropW, g.cropH = g.shortest, g.shortest
		g.shortest = int(float64(g.shortest) / pct)
	case d.form == convnext && g.shortest > 0:
		g.resizeW, g.resizeH, g.shortest = g.shortest, g.shortest, 0
	case d.form == levit && g.shortest > 0:
		g.shortest = int(256. / 224 * float64(g.shortest))
	case d.form == pool && pct > 0:
		if g.resizeW != g.resizeH {
			return g, errors.New("size has two sides that differ")
		}
		g.shortest = int(float64(max(g.shortest, g.resizeW)) / pct)
		g.resizeW, g.resizeH = 0, 0
	}
	return g, nil
}

// answer writes the geometry into a, for a graph that takes width x height pixels, 0
// where it takes any.
func (g geometry) answer(a *models.Answers, width, height int) (notes []string) {
	if g.own {
		return []string{"its settings give each image a size that follows from the image's own, and batchscore gives all images one: " +
			"say which, and how images get it, such as with --width 1066 --height 800 --fit stretch"}
	}
	w, h := g.cropW, g.cropH
	if w == 0 {
		w, h = g.resizeW, g.resizeH
	}
	if width > 0 && height > 0 && w > 0 && (w != width || h != height) {
		notes = append(notes, fmt.Sprintf("its settings make images of %dx%d pixels, and its graph takes %dx%d, which counts", w, h, width, height))
		w, h = width, height
	}
	if w > 0 && width <= 0 {
		a.Width = &w
	}
	if h > 0 && height <= 0 {
		a.Height = &h
	}
	switch {
	case g.shortest > 0 && w > 0 && g.shortest < max(w, h):
		notes = append(notes, padded(g.shortest, w, h))
	case g.shortest > 0 && w > 0:
		a.Fit, a.ResizeTo = to(preprocess.HFCenterCrop), &g.shortest
	case g.shortest > 0:
		notes = append(notes, "its settings do not say which part of an image is cut out")
	case g.resizeW > 0 && (g.cropW == 0 || g.cropW == g.resizeW && g.cropH == g.resizeH):
		a.Fit = to(preprocess.Stretch)
	case g.resizeW > 0:
		stretchCrop(a, g)
	}
	return notes
}

// padded is the note about a crop of width x height that is larger than what the image was
// resized to.
func padded(resizeTo, width, height int) string {
	return fmt.Sprintf("images are resized to %d pixels and then padded to %dx%d, which is none of the fits here", resizeTo, width, height)
}

// stretchCrop answers for an image that is stretched and then cropped.
func stretchCrop(a *models.Answers, g geometry) {
	a.Fit, a.ResizeTo = to(preprocess.StretchCrop), &g.resizeW
	if g.resizeH != g.resizeW {
		a.ResizeToHeight = &g.resizeH
	}
}

// values answers which numbers the pixels become.
func (p *processor) values(d defaults, a *models.Answers) error {
	scale, offset := 1., 0.
	if isSet(p.Rescale, true) {
		scale = 1. / 255
		if p.Factor != nil {
			scale = *p.Factor
		}
		if d.form == efficientnet && isSet(p.Offset, false) {
			offset = 1
		}
	}
	mean, err := channels(p.Mean, d.mean)
	if err != nil {
		return fmt.Errorf("image_mean: %w", err)
	}
	std, err := channels(p.Std, d.std)
	if err != nil {
		return fmt.Errorf("image_std: %w", err)
	}
	switch normalizes := isSet(p.Normalize, !d.raw); {
	case !normalizes:
		mean, std = []float64{0, 0, 0}, []float64{1, 1, 1}
	case mean == nil || std == nil:
		return errors.New("image_mean and image_std are missing")
	}
	for c := range 3 {
		by := std[c]
		if d.form == efficientnet && isSet(p.Top, true) { // divides once more, by image_std
			by *= std[c]
		}
		a.Mean = append(a.Mean, float32(mean[c]+offset))
		a.Std = append(a.Std, float32(by))
	}
	s := float32(scale)
	a.Scale = &s
	bgr := isSet(p.Flip, d.flip)
	a.BGR = &bgr
	if bgr { // mean and deviation are those of the channels after the flip
		a.Mean[0], a.Mean[2] = a.Mean[2], a.Mean[0]
		a.Std[0], a.Std[2] = a.Std[2], a.Std[0]
	}
	return nil
}

// channels parses a number for each channel, or one for all.
func channels(text json.RawMessage, def []float64) ([]float64, error) {
	if len(text) == 0 || string(text) == "null" {
		return def, nil
	}
	var one float64
	if json.Unmarshal(text, &one) == nil {
		return []float64{one, one, one}, nil
	}
	var list []float64
	if err := json.Unmarshal(text, &list); err != nil {
		return nil, errors.New("it is not a list of numbers")
	}
	if len(list) != 3 {
		return nil, fmt.Errorf("it has %d numbers, not one for each of 3 channels", len(list))
	}
	return list, nil
}

// imageSize is a size as transformers writes it.
type imageSize struct {
	Shortest int `json:"shortest_edge"`
	Longest  int `json:"longest_edge"`
	Height   int `json:"height"`
	Width    int `json:"width"`
}

// maxSide is more pixels than any model's side has.
const maxSide = 1 << 16

// parseSize reads a size: an object, a number, or height and width. A number is the
// shortest side or that of a square.
func parseSize(text json.RawMessage, shortest bool) (s imageSize, err error) {
	if len(text) == 0 || string(text) == "null" {
		return s, nil
	}
	var n int
	var list []int
	switch {
	case json.Unmarshal(text, &n) == nil && shortest:
		s.Shortest = n
	case json.Unmarshal(text, &n) == nil:
		s.Height, s.Width = n, n
	case json.Unmarshal(text, &list) == nil && len(list) == 2:
		s.Height, s.Width = list[0], list[1]
	default:
		if err := json.Unmarshal(text, &s); err != nil {
			return s, fmt.Errorf("%.60s is not a size", text)
		}
	}
	for _, n := range []int{s.Shortest, s.Longest, s.Height, s.Width} {
		if n < 0 || n > maxSide {
			return s, fmt.Errorf("%d is not the number of pixels of a side", n)
		}
	}
	if s == (imageSize{}) || (s.Height == 0) != (s.Width == 0) {
		return s, fmt.Errorf("%.60s is not a size", text)
	}
	return s, nil
}

func isSet(b *bool, def bool) bool { return b == nil && def || b != nil && *b }

func to[T any](v T) *T { return &v }
