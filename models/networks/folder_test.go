package networks_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models/networks"
)

func TestFolder(t *testing.T) {
	const vit = `"architectures":["ViTForImageClassification"],"hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,` +
		`"intermediate_size":3072,"patch_size":16,"hidden_act":"gelu","layer_norm_eps":1e-12,"qkv_bias":true,`
	const resnet = `"architectures":["ResNetForImageClassification"],"layer_type":"bottleneck","hidden_sizes":[256,512,1024,2048],"hidden_act":"relu",`
	for _, c := range []struct {
		name, config string
		files        []string
		network      networks.Network // empty if there is none
		variant      networks.Variant
		weights      string
	}{
		{
			name: "timm", config: `{"architecture":"resnet50","num_classes":1000,"pretrained_cfg":{}}`,
			files:   []string{"model.safetensors", "pytorch_model.bin"},
			network: networks.ResNet50, variant: networks.Timm, weights: "model.safetensors",
		},
		{
			name: "TensorFlow's of timm", config: `{"architecture":"tf_efficientnet_lite0"}`, files: []string{"pytorch_model.bin"},
			network: networks.EfficientNetLite0, variant: networks.TF, weights: "pytorch_model.bin",
		},
		{
			name: "ViT", config: `{` + vit + `"image_size":224}`, files: []string{"best.pth"},
			network: networks.ViTB16, variant: networks.Transformers, weights: "best.pth",
		},
		{
			name: "ResNet", config: `{` + resnet + `"depths":[3,4,23,3]}`, files: []string{"model.safetensors"},
			network: networks.ResNet101, variant: networks.Transformers, weights: "model.safetensors",
		},
		{
			name: "ConvNeXt", files: []string{"model.safetensors"},
			config:  `{"architectures":["ConvNextForImageClassification"],"depths":[3,3,9,3],"hidden_sizes":[96,192,384,768]}`,
			network: networks.ConvNeXtTiny, variant: networks.Transformers, weights: "model.safetensors",
		},
		{
			name: "timm's defaults as arguments", files: []string{"model.safetensors"},
			config:  `{"architecture":"resnet18","global_pool":"avg","model_args":{"in_chans":3,"num_classes":5,"global_pool":"avg"}}`,
			network: networks.ResNet18, variant: networks.Timm, weights: "model.safetensors",
		},
		{name: "grey images", config: `{"architecture":"resnet18","model_args":{"in_chans":1}}`, files: []string{"model.safetensors"}},
		{name: "another pooling", config: `{"architecture":"resnet18","global_pool":"max"}`, files: []string{"model.safetensors"}},
		{name: "without a head", config: `{"architecture":"resnet18","model_args":{"num_classes":0}}`, files: []string{"model.safetensors"}},
		{
			name: "values of other types", files: []string{"model.safetensors"},
			config: `{"architectures":["SegformerForSemanticSegmentation"],"num_attention_heads":[1,2,5,8]}`,
		},
		{name: "larger images", config: `{` + vit + `"image_size":384}`, files: []string{"model.safetensors"}},
		{name: "other depths", config: `{` + resnet + `"depths":[3,8,36,3]}`, files: []string{"model.safetensors"}},
		{name: "changed by arguments", config: `{"architecture":"resnet50","model_args":{"output_stride":16}}`, files: []string{"model.safetensors"}},
		{name: "another network", config: `{"architecture":"beit_base_patch16_224"}`, files: []string{"model.safetensors"}},
		{name: "another task", config: `{"architectures":["ViTForMaskedImageModeling"]}`, files: []string{"model.safetensors"}},
		{name: "two checkpoints", config: `{"architecture":"resnet50"}`, files: []string{"a.pth", "b.pth"}},
		{name: "not JSON", config: `{`, files: []string{"model.safetensors"}},
		{name: "no config", files: []string{"model.safetensors"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			for _, file := range c.files {
				if err := os.WriteFile(filepath.Join(dir, file), nil, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if c.config != "" {
				if err := os.WriteFile(filepath.Join(dir, "config.json"), []byte(c.config), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			weights, n, v, err := networks.Folder(dir)
			if n != c.network || v != c.variant || (c.network == "") != errors.Is(err, networks.ErrNoNetwork) {
				t.Errorf("got %s %s, %v", n, v, err)
			}
			if err != nil && strings.Contains(err.Error(), "unmarshal") {
				t.Errorf("the error is one of the parser: %v", err)
			}
			if c.network != "" && weights != filepath.Join(dir, c.weights) {
				t.Errorf("the weights are in %s", weights)
			}
		})
	}
}
