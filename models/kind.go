package models

import (
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// Kind says what a model is for, in words for people: "a classifier".
type Kind string

// The kinds of models.
const (
	KindClassifier Kind = "a classifier"
	KindMultiLabel Kind = "a classifier of independent labels"
	KindEmbedding  Kind = "a network for embeddings"
	KindNumbers    Kind = "a network for numbers, such as a regression"
	KindDetector   Kind = "a detector"
	KindRotated    Kind = "a detector of rotated boxes"
	KindPose       Kind = "a network for key points, such as those of poses"
	KindSegmenter  Kind = "a segmenter"
	KindImageMap   Kind = "a network whose output is a map of the image"
	KindSequence   Kind = "a network whose output is a sequence, such as a reader of text"
	KindImageText  Kind = "a model of images and text"
	KindText       Kind = "an encoder of text"
	KindLanguage   Kind = "a language model"
	KindSpeech     Kind = "a model of sound"
	KindVideo      Kind = "a model of videos"
	KindNoImage    Kind = "a model whose input is not an image"
)

// textVectors are the names of outputs of encoders of text, as Optimum and sentence-transformers
// export them.
var textVectors = []string{
	"text_embeds", "pooler_output", "last_hidden_state", "sentence_embedding", "sentence_embeddings", "token_embeddings", "embedding", "embeddings",
}

// KindOf returns what the graph of a model shows it to be; empty if its inputs and
// outputs do not tell.
func KindOf(f *onnxfile.File) Kind {
	text, image, flat := false, false, true
	for _, in := range f.Inputs {
		name := strings.ToLower(in.Name)
		named := func(words ...string) bool {
			return slices.ContainsFunc(words, func(w string) bool { return strings.Contains(name, w) })
		}
		flat = flat && in.Shaped && len(in.Shape) < 3
		switch {
		case named("input_ids", "attention_mask", "token"):
			text = true
		case named("input_values", "input_features", "audio", "waveform", "speech", "spectrogram"):
			return KindSpeech
		case len(in.Shape) == 5:
			return KindVideo
		case len(in.Shape) == 4 || strings.Contains(name, "pixel_values"):
			image = true
		case in.Elem == onnxpb.TensorProto_STRING:
			text = true
		}
	}
	switch {
	case text && image:
		return KindImageText
	case text && len(f.Outputs) > 0 && !slices.ContainsFunc(f.Outputs, func(v onnxfile.ValueInfo) bool {
		return !slices.Contains(textVectors, v.Name)
	}):
		return KindText
	case text:
		return KindLanguage
	case flat && len(f.Inputs) > 0:
		return KindNoImage
	case !image || len(f.Inputs) != 1:
		return ""
	}
	return kindByOutputs(f)
}

// kindByOutputs tells the kinds of models that take one image apart.
func kindByOutputs(f *onnxfile.File) Kind {
	named := func(names ...string) bool {
		return slices.ContainsFunc(f.Outputs, func(v onnxfile.ValueInfo) bool { return slices.Contains(names, v.Name) })
	}
	computes := func(ops ...string) bool {
		return slices.ContainsFunc(f.Nodes, func(n onnxfile.Node) bool { return slices.Contains(ops, n.Op) })
	}
	switch {
	case computes("NonMaxSuppression"), named("pred_boxes", "boxes", "num_dets", "num_detections"):
		return KindDetector
	case named("keypoints", "key_points", "landmarks", "heatmaps"):
		return KindPose
	case named("image_embeds", "pooler_output", "embedding", "embeddings"):
		return KindEmbedding
	case len(f.Outputs) == 2 && len(f.Outputs[0].Shape) == 3 && len(f.Outputs[1].Shape) == 4:
		return KindSegmenter // YOLO's boxes and prototypes of masks
	case len(f.Outputs) != 1:
		return ""
	case computes("LSTM", "GRU", "RNN"):
		return KindSequence
	}
	out := f.Outputs[0]
	shape := inferredShape(f, out, -1)
	long := func(d int64) bool { return d < 0 || d > 1 }
	switch {
	case len(shape) == 4 && long(shape[2]) && long(shape[3]):
		return KindImageMap
	case len(shape) == 3 && long(shape[1]) && long(shape[2]):
		return kindOfRows(shape[1], shape[2])
	}
	if row, ok := rowShape(shape, -1); ok {
		switch e := (ending{f.Ending(onnxfile.ValueInfo{Name: out.Name, Elem: out.Elem, Shape: row, Shaped: true})}); e.activation() {
		case Probabilities, Logits:
			return KindClassifier
		case Independent:
			return KindMultiLabel
		}
		if out.Name == "logits" {
			return KindClassifier
		}
	}
	return ""
}

// kindOfRows tells an output [N,a,b] apart: YOLO-shaped boxes are few numbers for many
// anchors, the last layer of a reader of text many classes for few places.
func kindOfRows(a, b int64) Kind {
	switch {
	case a > 0 && b > 0 && a >= 5 && b > 8*a, a > 0 && b >= 6 && a > 8*b:
		return KindDetector
	}
	return KindSequence
}
