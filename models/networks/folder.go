package networks

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// maxConfig is more bytes than a config.json has.
const maxConfig = 4 << 20

// ErrNoNetwork means that a folder does not hold weights of one of the networks.
var ErrNoNetwork = errors.New("no weights of a network that can be built")

// timmNetworks are the networks by timm's names of them.
var timmNetworks = map[string]struct {
	network Network
	variant Variant
}{
	"resnet18": {ResNet18, Timm}, "resnet34": {ResNet34, Timm}, "resnet50": {ResNet50, Timm}, "resnet101": {ResNet101, Timm},
	"mobilenetv3_large_100": {MobileNetV3Large, Timm}, "tf_mobilenetv3_large_100": {MobileNetV3Large, TF},
	"mobilenetv3_small_100": {MobileNetV3Small, Timm}, "tf_mobilenetv3_small_100": {MobileNetV3Small, TF},
	"efficientnet_b0": {EfficientNetB0, Timm}, "tf_efficientnet_b0": {EfficientNetB0, TF},
	"efficientnet_lite0": {EfficientNetLite0, Timm}, "tf_efficientnet_lite0": {EfficientNetLite0, TF},
	"convnext_tiny": {ConvNeXtTiny, Timm}, "vit_base_patch16_224": {ViTB16, Timm}, "deit_base_patch16_224": {ViTB16, Timm},
}

// folderConfig is what a config.json of timm or transformers says of the network.
type folderConfig struct {
	Architecture  string          `json:"architecture"` // timm's
	ModelArgs     json.RawMessage `json:"model_args"`
	GlobalPool    string          `json:"global_pool"`
	Architectures []string        `json:"architectures"` // of transformers
	Activation    *string         `json:"hidden_act"`
	Epsilon       *float64        `json:"layer_norm_eps"`
	Patch         *int64          `json:"patch_size"`
	Image         *int64          `json:"image_size"`
	Width         *int64          `json:"hidden_size"`
	Inner         *int64          `json:"intermediate_size"`
	Layers        *int64          `json:"num_hidden_layers"`
	Heads         *int64          `json:"num_attention_heads"`
	QKVBias       *bool           `json:"qkv_bias"`
	Depths        []int           `json:"depths"`
	Widths        []int64         `json:"hidden_sizes"`
	Layer         *string         `json:"layer_type"`
	FirstStage    bool            `json:"downsample_in_first_stage"`
	Bottleneck    bool            `json:"downsample_in_bottleneck"`
}

// Folder finds the weights and the network of a folder of timm or transformers: config.json and
// one file of weights, as such a folder is on Hugging Face. An error that wraps ErrNoNetwork
// says why it is another one.
func Folder(dir string) (weights string, n Network, v Variant, err error) {
	none := func(format string, args ...any) (string, Network, Variant, error) {
		return "", "", "", fmt.Errorf("%w: %s: %w", ErrNoNetwork, dir, fmt.Errorf(format, args...))
	}
	f, err := atomicfile.OpenRegular(filepath.Join(dir, "config.json"))
	if errors.Is(err, fs.ErrNotExist) {
		return none("it has no config.json")
	}
	if err != nil {
		return "", "", "", err
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxConfig))
	if err != nil {
		return "", "", "", err
	}
	var c folderConfig
	// A value of another type may be that of a network that is none of these, which network says.
	kindErr := json.Unmarshal(text, &c)
	if other := new(json.UnmarshalTypeError); kindErr != nil && !errors.As(kindErr, &other) {
		return none("config.json: %w", kindErr)
	}
	if n, v, err = c.network(); err == nil {
		err = kindErr
	}
	if err != nil {
		return none("config.json: %w", err)
	}
	if weights, err = weightsIn(dir); err != nil {
		return none("%w", err)
	}
	return weights, n, v, nil
}

// weightsIn returns the file of weights in a folder.
func weightsIn(dir string) (string, error) {
	for _, name := range []string{"model.safetensors", "pytorch_model.bin"} {
		if info, err := os.Stat(filepath.Join(dir, name)); err == nil && info.Mode().IsRegular() {
			return filepath.Join(dir, name), nil
		}
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return "", err
	}
	var found []string
	for _, e := range entries {
		if slices.Contains([]string{".safetensors", ".pth", ".pt"}, strings.ToLower(filepath.Ext(e.Name()))) && e.Type().IsRegular() {
			found = append(found, e.Name())
		}
	}
	if len(found) != 1 {
		return "", fmt.Errorf("it has %d files of weights, and none is called model.safetensors or pytorch_model.bin", len(found))
	}
	return filepath.Join(dir, found[0]), nil
}

// network returns the network that a config.json describes.
func (c folderConfig) network() (Network, Variant, error) {
	if c.Architecture != "" {
		found, ok := timmNetworks[c.Architecture]
		if !ok {
			return "", "", fmt.Errorf("%.100q is not one of the networks", c.Architecture)
		}
		if err := c.checkArgs(found.network); err != nil {
			return "", "", err
		}
		return found.network, found.variant, nil
	}
	if len(c.Architectures) != 1 {
		return "", "", errors.New("it names no architecture")
	}
	is := func(got *int64, want int64) bool { return got == nil || *got == want }
	switch a := c.Architectures[0]; {
	case a == "ViTForImageClassification":
		if !is(c.Patch, vitPatch) || !is(c.Image, 224) || !is(c.Width, vitWidth) || !is(c.Inner, vitInner) || !is(c.Layers, vitLayers) ||
			!is(c.Heads, vitHeads) || !c.activation("gelu") || !c.epsilon(1e-12) || c.QKVBias != nil && !*c.QKVBias {
			return "", "", errors.New("it is a ViT of other sizes than ViT-B/16 of 224 pixels")
		}
		return ViTB16, Transformers, nil
	case a == "ConvNextForImageClassification":
		if !slices.Equal(c.Depths, []int{3, 3, 9, 3}) || !slices.Equal(c.Widths, []int64{96, 192, 384, 768}) || !is(c.Patch, 4) ||
			!c.activation("gelu") || !c.epsilon(1e-12) {
			return "", "", errors.New("it is a ConvNeXt of other sizes than ConvNeXt-Tiny")
		}
		return ConvNeXtTiny, Transformers, nil
	case a == "ResNetForImageClassification":
		n, ok := c.resNet()
		if !ok || c.FirstStage || c.Bottleneck || !c.activation("relu") {
			return "", "", errors.New("it is a ResNet of other sizes than 18, 34, 50 and 101")
		}
		return n, Transformers, nil
	}
	return "", "", fmt.Errorf("%.100q is not one of the networks", c.Architectures[0])
}

// checkArgs returns an error if timm's arguments make another network than its name does. timm
// writes some that only repeat the defaults.
func (c folderConfig) checkArgs(n Network) error {
	pool := "avg"
	if n == ViTB16 {
		pool = "token"
	}
	if c.GlobalPool != "" && c.GlobalPool != pool {
		return fmt.Errorf("global_pool is %.100q, and the network's is %s", c.GlobalPool, pool)
	}
	var args map[string]any
	if len(c.ModelArgs) > 0 {
		if err := json.Unmarshal(c.ModelArgs, &args); err != nil {
			return fmt.Errorf("model_args: %w", err)
		}
	}
	for _, key := range slices.Sorted(maps.Keys(args)) {
		switch v := args[key]; key {
		case "in_chans":
			if v == 3. {
				continue
			}
		case "num_classes": // which the weights decide
			if f, ok := v.(float64); ok && f > 0 {
				continue
			}
		case "global_pool":
			if v == pool {
				continue
			}
		case "drop_rate", "drop_path_rate", "pretrained": // without effect on a network that is trained
			continue
		}
		return fmt.Errorf("model_args change the network: %.100q is %.100s", key, fmt.Sprint(args[key]))
	}
	return nil
}

func (c folderConfig) activation(want string) bool {
	return c.Activation == nil || *c.Activation == want
}

func (c folderConfig) epsilon(want float64) bool { return c.Epsilon == nil || *c.Epsilon == want }

func (c folderConfig) resNet() (Network, bool) {
	bottleneck := c.Layer == nil || *c.Layer == "bottleneck"
	widths := []int64{64, 128, 256, 512}
	small := []Network{ResNet18, ResNet34}
	if bottleneck {
		widths, small = []int64{256, 512, 1024, 2048}, []Network{ResNet50, ResNet101}
	}
	for _, n := range small {
		if blocks := resNets[n]; slices.Equal(c.Depths, blocks[:]) && slices.Equal(c.Widths, widths) {
			return n, true
		}
	}
	return "", false
}
