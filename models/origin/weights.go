package origin

import (
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
)

// Weights is a folder that holds weights without a graph, of a network that package
// networks builds.
type Weights struct {
	Network string // "resnet50"
	Variant string // "timm" or "transformers"
	File    string // the file of weights
	// ResizeTo is the shortest side of an image before its crop, as the settings say; 0 if
	// they do not.
	ResizeTo int
}

// timmNetworks are the networks by their names in timm.
var timmNetworks = map[string]Weights{
	"resnet18": {Network: "resnet18", Variant: "timm"}, "resnet34": {Network: "resnet34", Variant: "timm"},
	"resnet50": {Network: "resnet50", Variant: "timm"}, "resnet101": {Network: "resnet101", Variant: "timm"},
	"mobilenetv3_large_100": {Network: "mobilenet_v3_large", Variant: "timm"}, "mobilenetv3_small_100": {Network: "mobilenet_v3_small", Variant: "timm"},
	"efficientnet_b0": {Network: "efficientnet_b0", Variant: "timm"}, "efficientnet_lite0": {Network: "efficientnet_lite0", Variant: "timm"},
	"tf_efficientnet_b0": {Network: "efficientnet_b0", Variant: "tf"}, "tf_efficientnet_lite0": {Network: "efficientnet_lite0", Variant: "tf"},
	"convnext_tiny": {Network: "convnext_tiny", Variant: "timm"}, "vit_base_patch16_224": {Network: "vit_b_16", Variant: "timm"},
}

// weightFiles are the names that transformers and timm give to weights.
var weightFiles = []string{"model.safetensors", "pytorch_model.bin"}

// WeightsIn returns the weights in a folder without an ONNX file; nil if it has none, or
// those of a network that is not known.
func WeightsIn(dir string) *Weights {
	if info, err := os.Stat(dir); err != nil || !info.IsDir() {
		return nil
	}
	for _, pattern := range []string{"*.onnx", "onnx/*.onnx"} {
		if files, _ := filepath.Glob(filepath.Join(escaped(dir), pattern)); len(files) > 0 {
			return nil
		}
	}
	text, err := readText(filepath.Join(dir, "config.json"))
	if err != nil {
		return nil
	}
	var c struct {
		config
		Depths  []int  `json:"depths"`
		Sizes   []int  `json:"hidden_sizes"`
		Layer   string `json:"layer_type"`
		Hidden  int    `json:"hidden_size"`
		Layers  int    `json:"num_hidden_layers"`
		Patch   int    `json:"patch_size"`
		Feature int    `json:"hidden_dim"`
	}
	if json.Unmarshal(text, &c) != nil {
		return nil
	}
	w := Weights{Variant: "transformers"}
	switch depths := func(want ...int) bool { return slices.Equal(c.Depths, want) }; {
	case c.Pretrained != nil:
		w = timmNetworks[c.Architecture]
		if a, _ := c.Pretrained.answers(0, 0); a.ResizeTo != nil {
			w.ResizeTo = *a.ResizeTo
		}
	case c.Type == "vit" && c.Hidden == 768 && c.Layers == 12 && c.Patch == 16:
		w.Network = "vit_b_16"
	case c.Type == "convnext" && depths(3, 3, 9, 3) && slices.Equal(c.Sizes, []int{96, 192, 384, 768}):
		w.Network = "convnext_tiny"
	case c.Type == "resnet" && depths(2, 2, 2, 2):
		w.Network = "resnet18"
	case c.Type == "resnet" && depths(3, 4, 6, 3) && c.Layer == "basic":
		w.Network = "resnet34"
	case c.Type == "resnet" && depths(3, 4, 6, 3):
		w.Network = "resnet50"
	case c.Type == "resnet" && depths(3, 4, 23, 3):
		w.Network = "resnet101"
	case c.Type == "efficientnet" && c.Feature == 1280:
		w.Network = "efficientnet_b0"
	}
	if w.Network == "" {
		return nil
	}
	if text, err := readText(filepath.Join(dir, "preprocessor_config.json")); err == nil && c.Pretrained == nil {
		var p processor
		if json.Unmarshal(text, &p) == nil {
			if a, _, err := p.answers(c.Type, 0, 0); err == nil && a.ResizeTo != nil {
				w.ResizeTo = *a.ResizeTo
			}
		}
	}
	for _, name := range weightFiles {
		file := filepath.Join(dir, name)
		if info, err := os.Stat(file); err == nil && info.Mode().IsRegular() {
			w.File = file
			return &w
		}
	}
	return nil
}
