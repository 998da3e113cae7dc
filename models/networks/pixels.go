package networks

import (
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// ImageNet's mean and standard deviation of red, green and blue in 0..1. Torchvision's
// networks expect pixels that are normalised with them.
var (
	imageNetMean = []float32{0.485, 0.456, 0.406}
	imageNetStd  = []float32{0.229, 0.224, 0.225}
)

// recipe is how torchvision prepares images for weights that it has published, a file
// whose SHA-256 begins with these digits, as its name on the server says.
type recipe struct {
	digits   string
	resizeTo int
}

// twice are the networks for which torchvision has published weights with two recipes,
// IMAGENET1K_V1 and IMAGENET1K_V2.
var twice = map[Network][2]recipe{
	ResNet50:         {{digits: "0676ba61", resizeTo: 256}, {digits: "11ad3fa6", resizeTo: 232}},
	ResNet101:        {{digits: "63fe2227", resizeTo: 256}, {digits: "cd907fc2", resizeTo: 232}},
	MobileNetV3Large: {{digits: "8738ca79", resizeTo: 256}, {digits: "5c1a4163", resizeTo: 232}},
}

// pixels returns how the variant's own tools prepare an image for the network, whose weights
// have that digest.
func pixels(o Options, digest string) (preprocess.Spec, error) {
	n, v, size := o.Network, o.Variant, o.size()
	s := preprocess.Spec{Width: size, Height: size, Layout: preprocess.CHW, DType: preprocess.Float32}
	if o.Pixels != nil {
		p := *o.Pixels
		p.Width, p.Height, p.Layout, p.DType = s.Width, s.Height, s.Layout, s.DType
		return p, nil
	}
	if v == Keras {
		if o.ResizeTo != 0 {
			return s, bad("images for networks of %s are stretched, without a crop", Keras)
		}
		s.Resize, s.Fit = preprocess.PillowNearest, preprocess.Stretch
		if n == VGG16 {
			s.BGR, s.Mean = true, []float32{123.68, 116.779, 103.939}
		} else {
			s.Scale, s.Mean = 1.0/127.5, []float32{1, 1, 1}
		}
		return s, nil
	}
	s.Resize, s.Fit, s.ResizeTo = preprocess.PillowBilinear, preprocess.CenterCrop, o.ResizeTo
	s.Scale, s.Mean, s.Std = 1.0/255, imageNetMean, imageNetStd
	if v != Torchvision || n == EfficientNetB0 {
		s.Resize = preprocess.PillowBicubic
	}
	if v == Timm && n == ViTB16 || v == TF && n != EfficientNetB0 {
		half := []float32{0.5, 0.5, 0.5}
		s.Mean, s.Std = half, half
	}
	if s.ResizeTo == 0 {
		var err error
		if s.ResizeTo, err = usualResize(o, digest); err != nil {
			return s, err
		}
	}
	if s.ResizeTo < size {
		return s, bad("images are resized to %d pixels before a crop of %d", s.ResizeTo, size)
	}
	return s, nil
}

// usualResize returns the shortest side before the crop with which the published weights
// were tested.
func usualResize(o Options, digest string) (int, error) {
	size := o.size()
	switch two, ok := twice[o.Network]; {
	case o.Bare && o.Size != 0:
		return size, nil
	case o.Weights == nil || o.Bare: // whatever it is, the scores mean nothing, or the contract is not written
	case o.Variant == Transformers || o.Variant == Timm || o.Variant == TF && o.Network != EfficientNetLite0:
		return 0, bad("to how many pixels is the shortest side resized before the crop of %d? Weights of %s differ in that: say --resize-to,"+
			" which is size.shortest_edge in the preprocessor_config.json of transformers, or in timm %d divided by crop_pct of config.json,"+
			" rounded down", size, o.Variant, size)
	case ok && o.Variant == Torchvision:
		for _, r := range two {
			if strings.HasPrefix(digest, "sha256:"+r.digits) {
				return r.resizeTo, nil
			}
		}
		return 0, bad("to how many pixels is the shortest side resized before the crop of %d? Torchvision has weights of two kinds, and these are"+
			" another file than either: say --resize-to %d for IMAGENET1K_V1 and fine-tunes that keep its transforms, and --resize-to %d for"+
			" IMAGENET1K_V2", size, two[0].resizeTo, two[1].resizeTo)
	}
	switch o.Network {
	case InceptionV3:
		return 342, nil
	case ConvNeXtTiny:
		return 236, nil
	}
	return 256, nil
}
