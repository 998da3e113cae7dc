package networks_test

import (
	"io"
	"path/filepath"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/networks"
	"github.com/batchscore/batchscore/models/preprocess"
)

// Torchvision's transform_input converts pixels from ImageNet's normalisation to -1..1. A
// network with it computes the same as one without it whose pixels are already in -1..1,
// and something else for the same pixels.
func TestTransformInput(t *testing.T) {
	yes, no := true, false
	dir := t.TempDir()
	with, without := filepath.Join(dir, "with.onnx"), filepath.Join(dir, "without.onnx")
	o := networks.Options{Network: networks.InceptionV3, Variant: networks.Torchvision, Seed: seed, Classes: 20, TransformInput: &yes}
	if c := build(t, with, o); c.TransformInput == nil || !*c.TransformInput {
		t.Errorf("the contract says %v", c.TransformInput)
	}
	o.TransformInput = &no
	if c := build(t, without, o); c.TransformInput == nil || *c.TransformInput {
		t.Errorf("the contract says %v", c.TransformInput)
	}
	ones := preprocess.Spec{Width: 299, Height: 299, Scale: 1 / 127.5, Mean: []float32{1, 1, 1}}
	want := score(t, with, 2, nil)
	compare(t, score(t, without, 2, &ones), want, 20, 1e-4)
	if d := models.Difference(want[:20], score(t, without, 2, nil)[:20]); d < 0.01 {
		t.Errorf("without transform_input the logits differ by %v alone", d)
	}
}

func TestOptionsRefused(t *testing.T) {
	yes := true
	vgg := networks.Options{Network: networks.VGG16, Variant: networks.Torchvision, Classes: 2}
	change := func(f func(*networks.Options)) networks.Options { o := vgg; f(&o); return o }
	for name, c := range map[string]struct {
		o    networks.Options
		says string
	}{
		"transform_input of VGG-16": {o: change(func(o *networks.Options) { o.TransformInput = &yes }), says: "transform_input"},
		"transform_input of Keras": {
			o:    networks.Options{Network: networks.InceptionV3, Variant: networks.Keras, TransformInput: &yes},
			says: "transform_input",
		},
		"one output":                 {o: change(func(o *networks.Options) { o.Classes = 1 }), says: "--activation sigmoid"},
		"one output behind softmax":  {o: change(func(o *networks.Options) { o.Classes, o.Variant = 1, networks.Keras }), says: "1 for every image"},
		"sigmoid behind softmax":     {o: change(func(o *networks.Options) { o.Variant, o.Activation = networks.Keras, models.Sigmoid }), says: "--logits"},
		"probabilities of raw":       {o: change(func(o *networks.Options) { o.Activation = models.Probabilities }), says: "not probabilities"},
		"one output that is logits":  {o: change(func(o *networks.Options) { o.Classes, o.Activation = 1, models.Logits }), says: "1 for every image"},
		"one output that is sigmoid": {o: networks.Options{Network: networks.ResNet18, Variant: networks.Torchvision, Classes: 1, Activation: models.Sigmoid}},
	} {
		t.Run(name, func(t *testing.T) {
			contract, err := networks.Build(t.Context(), io.Discard, c.o)
			switch {
			case c.says == "" && (err != nil || contract.Output != models.Sigmoid):
				t.Errorf("got %+v, %v", contract, err)
			case c.says != "" && (err == nil || !strings.Contains(err.Error(), c.says)):
				t.Errorf("got %v, want %q", err, c.says)
			}
		})
	}
}
