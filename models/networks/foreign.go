package networks

import (
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/weights"
)

// foreign returns torchvision's names of a network's layers, and of tensors that belong to
// none, by the names of timm, of transformers and of efficientnet_pytorch. A network that
// torchvision does not have is named as its larger relative there.
func foreign(n Network) map[string]string {
	m := map[string]string{}
	switch n {
	case ResNet18, ResNet34, ResNet50, ResNet101: // timm's names are torchvision's
		m["resnet.embedder.embedder.convolution"], m["resnet.embedder.embedder.normalization"] = "conv1", "bn1"
		m["classifier.1"] = "fc"
		for stage, blocks := range resNets[n] {
			for i := range blocks {
				theirs, ours := fmt.Sprintf("resnet.encoder.stages.%d.layers.%d", stage, i), fmt.Sprintf("layer%d.%d", stage+1, i)
				for k := range 3 {
					layer := fmt.Sprintf("%s.layer.%d", theirs, k)
					m[layer+".convolution"], m[layer+".normalization"] = fmt.Sprintf("%s.conv%d", ours, k+1), fmt.Sprintf("%s.bn%d", ours, k+1)
				}
				m[theirs+".shortcut.convolution"], m[theirs+".shortcut.normalization"] = ours+".downsample.0", ours+".downsample.1"
			}
		}
	case MobileNetV3Large:
		foreignMobileNet(m, mobileNetLarge, []int{1, 2, 3, 4, 2, 3})
	case MobileNetV3Small:
		foreignMobileNet(m, mobileNetSmall, []int{1, 2, 3, 2, 3})
	case EfficientNetB0, EfficientNetLite0:
		foreignEfficientNet(m, n == EfficientNetB0)
	case ConvNeXtTiny:
		foreignConvNeXt(m)
	case ViTB16:
		foreignViT(m)
	}
	return m
}

// foreignBlock adds the names of a block, timm's and efficientnet_pytorch's.
func foreignBlock(m map[string]string, timm, pytorch, ours string, widens, squeezes bool) {
	part := 0
	layer := func(conv, norm, theirConv, theirNorm string) {
		to := fmt.Sprintf("%s.block.%d", ours, part)
		m[timm+"."+conv], m[timm+"."+norm] = to+".0", to+".1"
		m[pytorch+"."+theirConv], m[pytorch+"."+theirNorm] = to+".0", to+".1"
		part++
	}
	last, norm := "conv_pw", 1 // a block that does not widen
	if widens {
		last = "conv_pwl"
		layer("conv_pw", "bn1", "_expand_conv", "_bn0")
		norm = 2
	}
	layer("conv_dw", fmt.Sprintf("bn%d", norm), "_depthwise_conv", "_bn1")
	if squeezes {
		to := fmt.Sprintf("%s.block.%d", ours, part)
		m[timm+".se.conv_reduce"], m[timm+".se.conv_expand"] = to+".fc1", to+".fc2"
		m[pytorch+"._se_reduce"], m[pytorch+"._se_expand"] = to+".fc1", to+".fc2"
		part++
	}
	layer(last, fmt.Sprintf("bn%d", norm+1), "_project_conv", "_bn2")
}

// foreignMobileNet adds timm's names of a MobileNetV3 whose stages have that many blocks.
func foreignMobileNet(m map[string]string, blocks []mobileBlock, stages []int) {
	m["conv_stem"], m["bn1"] = "features.0.0", "features.0.1"
	k := 0
	for s, n := range stages {
		for i := range n {
			// Only the first block is one that does not widen.
			foreignBlock(m, fmt.Sprintf("blocks.%d.%d", s, i), "", fmt.Sprintf("features.%d", k+1), k > 0, blocks[k].squeeze > 0)
			k++
		}
	}
	theirs, ours := fmt.Sprintf("blocks.%d.0", len(stages)), fmt.Sprintf("features.%d", k+1)
	m[theirs+".conv"], m[theirs+".bn1"] = ours+".0", ours+".1"
	m["conv_head"], m["classifier"] = "classifier.0", "classifier.3"
}

func foreignEfficientNet(m map[string]string, squeezes bool) {
	m["conv_stem"], m["bn1"], m["_conv_stem"], m["_bn0"] = "features.0.0", "features.0.1", "features.0.0", "features.0.1"
	k := 0
	for s, stage := range efficientStages {
		for i := range stage.blocks {
			foreignBlock(m, fmt.Sprintf("blocks.%d.%d", s, i), fmt.Sprintf("_blocks.%d", k), fmt.Sprintf("features.%d.%d", s+1, i), s > 0, squeezes)
			k++
		}
	}
	m["conv_head"], m["bn2"], m["_conv_head"], m["_bn1"] = "features.8.0", "features.8.1", "features.8.0", "features.8.1"
	m["classifier"], m["_fc"] = "classifier.1", "classifier.1"
}

func foreignConvNeXt(m map[string]string) {
	const hf = "convnext."
	m["stem.0"], m["stem.1"] = "features.0.0", "features.0.1"
	m[hf+"embeddings.patch_embeddings"], m[hf+"embeddings.layernorm"] = "features.0.0", "features.0.1"
	for stage := range 4 {
		for i := range 2 {
			ours := fmt.Sprintf("features.%d.%d", 2*stage, i)
			if stage > 0 {
				m[fmt.Sprintf("stages.%d.downsample.%d", stage, i)] = ours
				m[fmt.Sprintf("%sencoder.stages.%d.downsampling_layer.%d", hf, stage, i)] = ours
			}
		}
		for i := range 9 {
			ours := fmt.Sprintf("features.%d.%d", 2*stage+1, i)
			timm, transformers := fmt.Sprintf("stages.%d.blocks.%d.", stage, i), fmt.Sprintf("%sencoder.stages.%d.layers.%d.", hf, stage, i)
			for to, from := range map[string][2]string{
				".block.0": {"conv_dw", "dwconv"}, ".block.2": {"norm", "layernorm"}, ".block.3": {"mlp.fc1", "pwconv1"},
				".block.5": {"mlp.fc2", "pwconv2"}, ".layer_scale": {"gamma", "layer_scale_parameter"},
			} {
				m[timm+from[0]], m[transformers+from[1]] = ours+to, ours+to
			}
		}
	}
	m["head.norm"], m["head.fc"], m[hf+"layernorm"], m["classifier"] = "classifier.0", "classifier.2", "classifier.0", "classifier.2"
}

func foreignViT(m map[string]string) {
	const hf = "vit."
	m["cls_token"], m["pos_embed"], m["patch_embed.proj"] = "class_token", "encoder.pos_embedding", "conv_proj"
	m[hf+"embeddings.cls_token"], m[hf+"embeddings.position_embeddings"] = "class_token", "encoder.pos_embedding"
	m[hf+"embeddings.patch_embeddings.projection"] = "conv_proj"
	for i := range vitLayers {
		ours := fmt.Sprintf("encoder.layers.encoder_layer_%d.", i)
		timm, transformers := fmt.Sprintf("blocks.%d.", i), fmt.Sprintf("%sencoder.layer.%d.", hf, i)
		for to, from := range map[string][2]string{
			"ln_1": {"norm1", "layernorm_before"}, "ln_2": {"norm2", "layernorm_after"},
			"mlp.0": {"mlp.fc1", "intermediate.dense"}, "mlp.3": {"mlp.fc2", "output.dense"},
			"self_attention.out_proj": {"attn.proj", "attention.output.dense"},
		} {
			m[timm+from[0]], m[transformers+from[1]] = ours+to, ours+to
		}
		// Of torchvision before 0.13.
		m[ours+"mlp.linear_1"], m[ours+"mlp.linear_2"] = ours+"mlp.0", ours+"mlp.3"
		for _, p := range []string{"weight", "bias"} {
			m[timm+"attn.qkv."+p] = ours + "self_attention.in_proj_" + p
			for k, name := range []string{"query", "key", "value"} {
				m[transformers+"attention.attention."+name+"."+p] = fmt.Sprintf("%sself_attention.in_proj_%s%s%d", ours, p, partMark, k)
			}
		}
	}
	m["norm"], m["head"], m[hf+"layernorm"], m["classifier"] = "encoder.ln", "heads.head", "encoder.ln", "heads.head"
}

// partMark is between the name of a tensor and the number of one of three parts that follow
// one another on its first axis, and that are tensors of their own in a file.
const partMark = "#"

// wrappers are what wrappers of a network put before the names of all its tensors.
var wrappers = []string{"module.", "_orig_mod.", "model."}

// unwrapped returns what all names begin with.
func unwrapped(list []weights.Tensor) string {
	prefix := ""
	for range len(wrappers) {
		for _, w := range wrappers {
			if len(list) > 0 && !slices.ContainsFunc(list, func(t weights.Tensor) bool { return !strings.HasPrefix(t.Name, prefix+w) }) {
				prefix += w
			}
		}
	}
	return prefix
}

// foreignNames returns the translation of tensors of a network into torchvision's form.
func foreignNames(n Network) func(weights.Tensor) weights.Tensor {
	names := foreign(n)
	return func(t weights.Tensor) weights.Tensor {
		if ours, ok := names[t.Name]; ok {
			t.Name = ours
		} else if at := strings.LastIndexByte(t.Name, '.'); at > 0 {
			if ours, ok := names[t.Name[:at]]; ok {
				t.Name = ours + t.Name[at:]
			}
		}
		switch rank := len(t.Shape); {
		case strings.HasSuffix(t.Name, ".layer_scale") && rank == 1:
			t.Shape = []int64{t.Shape[0], 1, 1}
		case strings.HasPrefix(t.Name, "classifier.") && rank == 4 && t.Shape[2] == 1 && t.Shape[3] == 1:
			t.Shape = t.Shape[:2] // a convolution of single pixels
		}
		return t
	}
}
