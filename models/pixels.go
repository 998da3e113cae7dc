package models

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"github.com/batchscore/batchscore/models/preprocess"
)

// Resizes returns the resampling policies, as flags and sidecars spell them.
func Resizes() []string {
	return spelled(preprocess.PillowNearest, preprocess.PillowBilinear, preprocess.PillowBicubic, preprocess.PillowLanczos,
		preprocess.TFBilinear, preprocess.TFBilinearLegacy, preprocess.TFBilinearAlignCorners, preprocess.Area,
		preprocess.OpenCVLinear, preprocess.OpenCVCubic, preprocess.OpenCVLanczos, preprocess.OpenCVArea)
}

// Fits returns the ways to give an image the input's shape, as flags and sidecars
// spell them.
func Fits() []string { return spelled(preprocess.Fits()...) }

// Positions returns where a picture may be in its padding, as flags and sidecars spell them.
func Positions() []string { return spelled(preprocess.Center, preprocess.TopLeft) }

// Augments returns the ways to score several views of an image, as flags spell them.
func Augments() []string { return spelled(preprocess.Augments()...) }

// TileRules returns what can become of the answers of tiles, as flags spell it.
func TileRules() []string { return spelled(preprocess.TileRules()...) }

// Greys returns the ways to make one channel of three, as flags and sidecars spell them.
func Greys() []string { return spelled(preprocess.GreyPillow, preprocess.GreyOpenCV) }

// checkPixels is Check for the answers about pixels.
func (a Answers) checkPixels() error {
	if a.Resize != nil && !slices.Contains(Resizes(), string(*a.Resize)) {
		return fmt.Errorf("invalid resize %q: want one of %s", *a.Resize, strings.Join(Resizes(), ", "))
	}
	if a.Fit != nil && !slices.Contains(Fits(), string(*a.Fit)) {
		return fmt.Errorf("invalid fit %q: want one of %s", *a.Fit, strings.Join(Fits(), ", "))
	}
	if a.Position != nil && !slices.Contains(Positions(), string(*a.Position)) {
		return fmt.Errorf("invalid position %q: want one of %s", *a.Position, strings.Join(Positions(), ", "))
	}
	if a.Grey != nil && !slices.Contains(Greys(), string(*a.Grey)) {
		return fmt.Errorf("invalid grey %q: want one of %s", *a.Grey, strings.Join(Greys(), ", "))
	}
	return nil
}

// takePixels adds the answers about pixels that few contracts have.
func (a *Answers) takePixels(p *preprocess.Spec) {
	if p.ResizeTo != 0 {
		a.ResizeTo = &p.ResizeTo
	}
	if p.ResizeToHeight != 0 {
		a.ResizeToHeight = &p.ResizeToHeight
	}
	if p.Fraction != 0 {
		a.Fraction = &p.Fraction
	}
	if p.Fit.Pads() {
		a.Pad, a.PadZero = p.Pad, &p.PadZero
		if !p.PadZero && p.Pad == nil {
			a.Pad = make([]float32, p.Channels())
		}
		if p.Fit != preprocess.PaddlePadRight {
			position := cmp.Or(p.Position, preprocess.Center)
			a.Position = &position
		}
	}
	if p.Grey != "" {
		a.Grey = &p.Grey
	}
	a.BackgroundColour = p.Background
}

// applyFit writes into the contract the answers that belong to some fits only. A preset or the
// metadata may give one that belongs to their own fit and not to the one that overrides it; such
// an answer is dropped. One that a person gave stays, and Validate refuses it.
func (m *Model) applyFit(a *merged) {
	p := &m.Contract.Preprocess
	byPerson := func(key string) bool {
		return a.from[key] != metadataOrigin && !strings.HasPrefix(a.from[key], presetOrigin)
	}
	p.ResizeTo, p.ResizeToHeight, p.Fraction, p.Pad, p.PadZero, p.Position = 0, 0, 0, nil, false, ""
	if a.ResizeTo != nil && (p.Fit.Crops() || byPerson("resize_to")) {
		p.ResizeTo = *a.ResizeTo
	}
	if a.ResizeToHeight != nil && *a.ResizeToHeight != p.ResizeTo && (p.Fit == preprocess.StretchCrop || byPerson("resize_to_height")) {
		p.ResizeToHeight = *a.ResizeToHeight
	}
	if a.Fraction != nil && (p.Fit == preprocess.CentralFraction || byPerson("fraction")) {
		p.Fraction = *a.Fraction
	}
	pad, zero := a.Pad, a.PadZero != nil && *a.PadZero
	if pad != nil && zero && byPerson("pad") != byPerson("pad_zero") { // the person's counts
		if zero = byPerson("pad_zero"); zero {
			pad = nil
		}
	}
	p.PadZero = zero && (p.Fit.Pads() || byPerson("pad_zero"))
	if !all(pad, 0) && (p.Fit.Pads() || byPerson("pad")) {
		p.Pad = pad
	}
	if a.Position != nil && (p.Fit.Pads() || byPerson("position")) && (*a.Position != preprocess.Center || !p.Fit.Pads()) {
		p.Position = *a.Position
	}
}

// applyColours writes into the contract what happens to the colours of pixels.
func (m *Model) applyColours(a *merged) error {
	p := &m.Contract.Preprocess
	p.Background, p.Grey = a.BackgroundColour, ""
	switch {
	case m.Grey && a.BGR != nil && *a.BGR:
		return fmt.Errorf("its input has one channel, which has no order: leave out bgr (%s)", a.from["bgr"])
	case m.Grey:
		p.BGR, p.Grey = false, preprocess.GreyPillow
		if a.Grey != nil {
			p.Grey = *a.Grey
		}
	case a.Grey != nil:
		return fmt.Errorf("its input has 3 channels: leave out grey (%s), which is for models of one", a.from["grey"])
	default:
		p.BGR = *a.BGR
	}
	return nil
}

// pixelQuestions lists what is not known of how pixels are prepared.
func (m *Model) pixelQuestions(a *merged, ask func(unknown bool, text, answer string)) {
	const none = "; if none of these is right, see \"Other preprocessing\" in own-model.md"
	ask(a.Resize == nil,
		"how were images resampled when it was trained?", "--resize "+strings.Join(Resizes(), "|")+none)
	ask(a.Fit == nil,
		"is an image stretched to the input's size, surrounded with a colour, or is a part of it cut out?",
		"--fit "+strings.Join(Fits(), "|")+none)
	if a.Fit != nil {
		ask(*a.Fit == preprocess.StretchCrop && a.ResizeTo == nil,
			"to how many pixels is the image resized before the crop?", "--resize-to PIXELS, and --resize-to-height PIXELS if it is not a square")
		ask(*a.Fit != preprocess.StretchCrop && a.Fit.Crops() && a.ResizeTo == nil,
			"to how many pixels is the shortest side resized before the crop?", "--resize-to PIXELS")
		ask(*a.Fit == preprocess.CentralFraction && a.Fraction == nil,
			"which part of each side is kept?", "--fraction 0.875")
		ask(a.Fit.Pads() && a.Pad == nil && a.PadZero == nil,
			"which colour surrounds the image?",
			"--pad 0,0,0 (black), --pad 114,114,114 (as ultralytics does), or --pad-zero (0 in the tensor: padded after mean and std)")
	}
	ask(a.BGR == nil && !m.Grey, "are its channels in the order RGB or BGR?", "--bgr=false (RGB) or --bgr (BGR)")
}
