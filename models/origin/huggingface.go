package origin

import (
	"encoding/json"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// config is the part of a config.json of transformers, or of timm, that is used here.
type config struct {
	Architectures []string        `json:"architectures"`
	Type          string          `json:"model_type"`
	Labels        json.RawMessage `json:"id2label"`
	Problem       string          `json:"problem_type"`
	ImageSize     json.RawMessage `json:"image_size"`
	Queries       int             `json:"num_queries"`

	// Of timm.
	Architecture string      `json:"architecture"`
	Classes      int         `json:"num_classes"`
	Pretrained   *timmConfig `json:"pretrained_cfg"`
	Names        []string    `json:"label_names"`
}

// architectures are the kinds of models by the ends of the names of their classes in
// transformers. The first that matches counts.
var architectures = []struct {
	end  string
	kind models.Kind
}{
	{"ForImageClassification", models.KindClassifier},
	{"ForImageClassificationWithTeacher", models.KindClassifier},
	{"ForObjectDetection", models.KindDetector},
	{"ForZeroShotObjectDetection", models.KindImageText},
	{"ForSemanticSegmentation", models.KindSegmenter},
	{"ForInstanceSegmentation", models.KindSegmenter},
	{"ForUniversalSegmentation", models.KindSegmenter},
	{"ForImageSegmentation", models.KindSegmenter},
	{"ForDepthEstimation", models.KindImageMap},
	{"ForImageToImage", models.KindImageMap},
	{"ForImageMatting", models.KindImageMap},
	{"ForKeypointDetection", models.KindPose},
	{"ForPoseEstimation", models.KindPose},
	{"ForMaskedImageModeling", models.KindImageMap},
	{"ForVideoClassification", models.KindVideo},
	{"ForAudioClassification", models.KindSpeech},
	{"ForCTC", models.KindSpeech},
	{"ForSpeechSeq2Seq", models.KindSpeech},
	{"ForImageTextRetrieval", models.KindImageText},
	{"ForVision2Seq", models.KindImageText},
	{"ForImageTextToText", models.KindImageText},
	{"ForVisualQuestionAnswering", models.KindImageText},
	{"VisionEncoderDecoderModel", models.KindImageText},
	{"ForCausalLM", models.KindLanguage},
	{"LMHeadModel", models.KindLanguage},
	{"ForMaskedLM", models.KindLanguage},
	{"ForSequenceClassification", models.KindLanguage},
	{"ForTokenClassification", models.KindLanguage},
	{"ForQuestionAnswering", models.KindLanguage},
	{"ForConditionalGeneration", models.KindLanguage},
	{"VisionModel", models.KindEmbedding},
	{"VisionModelWithProjection", models.KindEmbedding},
	{"TextModel", models.KindText},
	{"TextModelWithProjection", models.KindText},
}

// sounds are the values of model_type of models that take sound, whose classes may have names as
// those of language models.
var sounds = []string{
	"audio-spectrogram-transformer", "clap", "data2vec-audio", "encodec", "hubert", "moonshine", "seamless_m4t", "sew", "sew-d",
	"speech_to_text", "speecht5", "unispeech", "unispeech-sat", "vits", "wav2vec2", "wav2vec2-bert", "wav2vec2-conformer", "wavlm", "whisper",
}

// kind returns what a model of that class is for; "" if its name does not tell.
func (c *config) kind() (class string, kind models.Kind) {
	if len(c.Architectures) == 0 {
		return "", ""
	}
	class = c.Architectures[0]
	if slices.Contains(sounds, c.Type) {
		return class, models.KindSpeech
	}
	for _, a := range architectures {
		if strings.HasSuffix(class, a.end) {
			return class, a.kind
		}
	}
	return class, ""
}

// others are the kinds of models by the values of model_type whose classes' names do not tell.
var others = map[string]models.Kind{
	"albert": models.KindLanguage, "bert": models.KindLanguage, "deberta": models.KindLanguage, "deberta-v2": models.KindLanguage,
	"distilbert": models.KindLanguage, "electra": models.KindLanguage, "gpt2": models.KindLanguage, "llama": models.KindLanguage,
	"mpnet": models.KindLanguage, "roberta": models.KindLanguage, "t5": models.KindLanguage, "xlm-roberta": models.KindLanguage,
	"align": models.KindImageText, "blip": models.KindImageText, "clip": models.KindImageText, "siglip": models.KindImageText,
}

// Refused says what the model of a folder of Hugging Face is if it is not one that batchscore
// takes: "Hugging Face's BertModel, a language model". It is empty for any other.
func Refused(dir string) string {
	r := &reader{file: &onnxfile.File{}, dirs: []string{filepath.Clean(dir)}}
	var c config
	if path, _ := r.json("config.json", &c); path == "" || c.Pretrained != nil {
		return ""
	}
	class, kind := c.kind()
	if kind == "" {
		kind = others[c.Type]
	}
	switch kind {
	case "", models.KindClassifier, models.KindMultiLabel, models.KindEmbedding, models.KindNumbers, models.KindDetector:
		return ""
	case models.KindImageText:
		kind += "; its encoder of images alone, exported to ONNX, gives vectors"
	}
	if class == "" {
		class = c.Type
	}
	return "Hugging Face's " + class + ", " + string(kind)
}

// readHuggingFace reads what save_pretrained of transformers and timm writes, which
// Optimum copies next to the graph.
func (r *reader) readHuggingFace() {
	var c config
	path, _ := r.json("config.json", &c)
	if path == "" || c.Architectures == nil && c.Type == "" && c.Pretrained == nil {
		path = ""
	}
	switch {
	case c.Pretrained != nil:
		r.readTimm(path, &c)
		return
	case path != "":
		r.readConfig(path, &c)
	}
	r.readProcessor(&c)
}

func (r *reader) readConfig(path string, c *config) {
	class, kind := c.kind()
	if kind == "" && processorOf[c.Type] != "" && imageInput(r.file) != nil && len(r.file.Inputs) == 1 {
		kind = models.KindEmbedding // such as Dinov2Model
	}
	what := "Hugging Face's " + class
	if class == "" {
		what = "a model of Hugging Face of type " + c.Type
	}
	r.is(what, kind)
	a := models.Answers{}
	if r.open {
		a.Layout = "NCHW"
	}
	switch r.found.Kind {
	case models.KindClassifier:
		a.OutputName = r.output("logits")
		a.Output = to(models.Logits)
		switch c.Problem {
		case "multi_label_classification":
			a.Task, a.Output = to(models.MultiLabel), to(models.Sigmoid)
			r.found.Kind = models.KindMultiLabel
		case "regression":
			a.Task, a.Output = to(models.Raw), nil
			r.found.Kind = models.KindNumbers
		}
		if c.Labels != nil {
			a.Labels = r.labels(path, filepath.Base(path), labelsOf(c.Labels), r.columns(a.OutputName))
		}
		if r.found.Kind == models.KindNumbers {
			a.Columns, a.Labels = columnNames(a.Labels), nil
		}
	case models.KindEmbedding:
		a.Task = to(models.Embed)
		a.OutputName = r.output("image_embeds", "pooler_output", "last_hidden_state")
	case models.KindDetector:
		if c.Labels != nil {
			a.Labels = r.labels(path, filepath.Base(path), labelsOf(c.Labels), 0)
		}
		r.detr(&a, c)
	}
	if s, err := parseSize(c.ImageSize, false); err == nil && s.Width > 0 && r.width == 0 && r.height == 0 {
		// Weak: a file of the image processor says it more exactly.
		defer r.answer(path, models.Answers{Width: &s.Width, Height: &s.Height})
	}
	r.answer(path, a)
}

// maxQueries is more boxes than any such model proposes.
const maxQueries = 10_000

// detr answers for a detector with the outputs of DETR: with a score for "no object" its
// scores are logits of a softmax, without one of sigmoids. The threshold and the greatest number
// of boxes are the defaults of post_process_object_detection.
func (r *reader) detr(a *models.Answers, c *config) {
	if r.output("logits") == "" || r.output("pred_boxes") == "" {
		return
	}
	a.Task, a.Detector, a.OutputNames, a.Units = to(models.Detect), to(models.DETR), []string{"logits", "pred_boxes"}, to(models.Parts)
	a.Output, a.Threshold = to(models.Sigmoid), to[float32](0.5)
	switch c.Type {
	case "conditional_detr", "deformable_detr":
		a.MaxBoxes = to(100)
	case "rt_detr", "rt_detr_v2", "d_fine":
		if c.Queries > 0 && c.Queries <= maxQueries {
			a.MaxBoxes = &c.Queries
		}
	}
	for _, out := range r.file.Outputs {
		if n := len(out.Shape); out.Name == "logits" && n > 0 && out.Shape[n-1] == int64(len(a.Labels)+1) {
			a.Output, a.Background = to(models.Logits), to(true)
		}
	}
}

// columnNames returns labels as names of columns; nil if one cannot be.
func columnNames(labels []string) []string {
	for _, l := range labels {
		if models.CheckColumn(l) != nil {
			return nil
		}
	}
	return labels
}

// labelsOf returns the text of a file that holds only id2label.
func labelsOf(id2label json.RawMessage) []byte {
	return append(append([]byte(`{"id2label":`), id2label...), '}')
}

// readProcessor reads how images are prepared.
func (r *reader) readProcessor(c *config) {
	var p processor
	path, _ := r.json("preprocessor_config.json", &p)
	if path == "" {
		var outer struct {
			Image *processor `json:"image_processor"`
		}
		if path, _ = r.json("processor_config.json", &outer); path == "" || outer.Image == nil {
			return
		}
		p = *outer.Image
	}
	a, notes, err := p.answers(c.Type, r.width, r.height)
	for _, n := range notes {
		r.note("%s: %s", path, n)
	}
	if err != nil {
		r.note("%s: %v", path, err)
		return
	}
	if r.found.What == "" {
		name := p.class(c.Type)
		r.found.What = "a model for the " + name + "ImageProcessor of Hugging Face"
	}
	r.answer(path, a)
}
