package models_test

import (
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/graph/onnxpb"
	"github.com/batchscore/batchscore/models/onnxfile"
)

// The names and shapes of inputs and outputs, as exporters write them, tell what a model is.
func TestKindOfPorts(t *testing.T) {
	t.Parallel()
	port := func(name string, shape ...int64) onnxfile.ValueInfo {
		return onnxfile.ValueInfo{Name: name, Elem: onnxpb.TensorProto_FLOAT, Shape: shape, Shaped: true}
	}
	image, words, mask := port("pixel_values", -1, 3, 224, 224), port("input_ids", -1, -1), port("attention_mask", -1, -1)
	for _, c := range []struct {
		name            string
		inputs, outputs []onnxfile.ValueInfo
		want            models.Kind
	}{
		{name: "CLIP's text model", inputs: []onnxfile.ValueInfo{words}, outputs: []onnxfile.ValueInfo{port("text_embeds", -1, 512),
			port("last_hidden_state", -1, -1, 512)}, want: models.KindText},
		{name: "an encoder of sentences", inputs: []onnxfile.ValueInfo{words, mask}, outputs: []onnxfile.ValueInfo{port("token_embeddings", -1, -1, 384),
			port("sentence_embedding", -1, 384)}, want: models.KindText},
		{name: "a language model", inputs: []onnxfile.ValueInfo{words, mask}, outputs: []onnxfile.ValueInfo{port("logits", -1, -1, 32000)},
			want: models.KindLanguage},
		{name: "CLIP", inputs: []onnxfile.ValueInfo{words, image, mask}, outputs: []onnxfile.ValueInfo{port("logits_per_image", -1, -1)},
			want: models.KindImageText},
		{name: "wav2vec 2.0", inputs: []onnxfile.ValueInfo{port("input_values", -1, -1)}, outputs: []onnxfile.ValueInfo{port("logits", -1, -1, 32)},
			want: models.KindSpeech},
		{name: "Whisper's encoder", inputs: []onnxfile.ValueInfo{port("input_features", -1, 80, 3000)},
			outputs: []onnxfile.ValueInfo{port("last_hidden_state", -1, 1500, 512)}, want: models.KindSpeech},
		{name: "a table", inputs: []onnxfile.ValueInfo{port("float_input", -1, 4)}, outputs: []onnxfile.ValueInfo{port("probabilities", -1, 3)},
			want: models.KindNoImage},
		{name: "an image without a batch", inputs: []onnxfile.ValueInfo{port("image", 224, 224, 3)}, outputs: []onnxfile.ValueInfo{port("y", 10)}, want: ""},
		{name: "poses", inputs: []onnxfile.ValueInfo{image}, outputs: []onnxfile.ValueInfo{port("keypoints", -1, 17, 3)}, want: models.KindPose},
		{name: "heatmaps of poses", inputs: []onnxfile.ValueInfo{image}, outputs: []onnxfile.ValueInfo{port("heatmaps", -1, 17, 64, 48)},
			want: models.KindPose},
		{name: "a map", inputs: []onnxfile.ValueInfo{image}, outputs: []onnxfile.ValueInfo{port("depth", -1, 1, 224, 224)}, want: models.KindImageMap},
	} {
		if got := models.KindOf(&onnxfile.File{Inputs: c.inputs, Outputs: c.outputs}); got != c.want {
			t.Errorf("%s is %q, want %q", c.name, got, c.want)
		}
	}
}
