package origin

import (
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
)

// TestRefused: a folder whose model is of another kind is refused at once, with what it is.
func TestRefused(t *testing.T) {
	for _, c := range []struct{ name, config, want string }{
		{name: "text", config: `{"architectures":["BertModel"],"model_type":"bert"}`, want: string(models.KindLanguage)},
		{name: "images and text", config: `{"architectures":["CLIPModel"],"model_type":"clip"}`, want: string(models.KindImageText)},
		{name: "an encoder of text", config: `{"architectures":["CLIPTextModel"],"model_type":"clip_text_model"}`, want: string(models.KindText)},
		{name: "sound", config: `{"architectures":["Wav2Vec2Model"],"model_type":"wav2vec2"}`, want: string(models.KindSpeech)},
		{name: "masks", config: `{"architectures":["SegformerForSemanticSegmentation"],"num_attention_heads":[1,2]}`, want: string(models.KindSegmenter)},
		{name: "classes", config: `{"architectures":["ResNetForImageClassification"]}`},
		{name: "vectors", config: `{"architectures":["Dinov2Model"],"model_type":"dinov2"}`},
	} {
		dir := folder(t, map[string]string{"config.json": c.config, "model.safetensors": ""})
		if got := Refused(dir); (got == "") != (c.want == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: %q, want %q", c.name, got, c.want)
		}
	}
	dir := folder(t, map[string]string{
		"config.json":              `{"architectures":["ResNetForImageClassification"],"model_type":"resnet"}`,
		"preprocessor_config.json": `{"image_processor_type":"ConvNextImageProcessor","size":{"shortest_edge":384}}`,
	})
	if w, h := Size(dir); w != 384 || h != 384 {
		t.Errorf("its images are %dx%d", w, h)
	}
}
