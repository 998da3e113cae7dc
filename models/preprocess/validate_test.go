package preprocess

import (
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestValidate(t *testing.T) {
	good := Spec{Width: 299, Height: 299, Layout: HWC, DType: Uint8, Resize: PillowBilinear, Fit: Stretch}
	float := good
	float.DType, float.Layout = Float32, CHW
	slim := good
	slim.Fit, slim.ResizeTo, slim.Resize = SlimCenterCrop, 299, TFBilinearLegacy
	central := good
	central.Fit, central.Fraction = CentralFraction, 0.875
	letterbox := good
	letterbox.Fit, letterbox.Pad, letterbox.Position, letterbox.Background = Letterbox, []float32{114, 114, 114}, TopLeft, []int{0, 0, 255}
	grey := float
	grey.Grey, grey.Mean, grey.Std, grey.Fit, grey.PadZero = GreyOpenCV, []float32{0.5}, []float32{0.5}, PaddlePadRight, true
	stretchCrop := good
	stretchCrop.Fit, stretchCrop.ResizeTo, stretchCrop.ResizeToHeight = StretchCrop, 300, 299
	square := good
	square.Fit = SquarePad
	for _, s := range []Spec{good, float, slim, central, letterbox, grey, stretchCrop, square} {
		if err := s.Validate(); err != nil {
			t.Errorf("Validate(%+v) = %v, want none", s, err)
		}
	}
	nan := float32(math.NaN())
	for _, c := range []struct {
		field string
		from  Spec
		edit  func(*Spec)
	}{
		{field: "width", from: good, edit: func(s *Spec) { s.Width = 0 }},
		{field: "width", from: good, edit: func(s *Spec) { s.Width = 1 << 20 }},
		{field: "height", from: good, edit: func(s *Spec) { s.Height = -1 }},
		{field: "layout", from: good, edit: func(s *Spec) { s.Layout = "" }},
		{field: "layout", from: good, edit: func(s *Spec) { s.Layout = CHW }},
		{field: "dtype", from: good, edit: func(s *Spec) { s.DType = "float16" }},
		{field: "dtype", from: good, edit: func(s *Spec) { s.Mean = []float32{1, 2, 3} }},
		{field: "dtype", from: good, edit: func(s *Spec) { s.Scale = 2 }},
		{field: "resize", from: good, edit: func(s *Spec) { s.Resize = "magic" }},
		{field: "fit", from: good, edit: func(s *Spec) { s.Fit = "" }},
		{field: "resize_to", from: good, edit: func(s *Spec) { s.ResizeTo = 342 }},
		{field: "resize_to", from: good, edit: func(s *Spec) { s.Fit, s.ResizeTo = CenterCrop, 298 }},
		{field: "resize_to", from: slim, edit: func(s *Spec) { s.ResizeTo = 298 }},
		{field: "resize_to", from: central, edit: func(s *Spec) { s.ResizeTo = 342 }},
		{field: "fraction", from: central, edit: func(s *Spec) { s.Fraction = 0 }},
		{field: "fraction", from: central, edit: func(s *Spec) { s.Fraction = 1.001 }},
		{field: "fraction", from: central, edit: func(s *Spec) { s.Fraction = math.NaN() }},
		{field: "fraction", from: good, edit: func(s *Spec) { s.Fraction = 0.875 }},
		{field: "fraction", from: slim, edit: func(s *Spec) { s.Fraction = 0.875 }},
		{field: "resize_to", from: stretchCrop, edit: func(s *Spec) { s.ResizeTo = 298 }},
		{field: "resize_to", from: stretchCrop, edit: func(s *Spec) { s.ResizeToHeight = 298 }},
		{field: "resize_to_height", from: letterbox, edit: func(s *Spec) { s.ResizeToHeight = 300 }},
		{field: "pad", from: letterbox, edit: func(s *Spec) { s.Pad = []float32{1} }},
		{field: "pad", from: letterbox, edit: func(s *Spec) { s.Pad = []float32{1, 2, 256} }},
		{field: "pad", from: letterbox, edit: func(s *Spec) { s.Pad = []float32{1, 2, 0.5} }},
		{field: "pad", from: letterbox, edit: func(s *Spec) { s.Pad = []float32{1, 2, nan} }},
		{field: "pad", from: good, edit: func(s *Spec) { s.Pad = []float32{1, 2, 3} }},
		{field: "pad_zero", from: good, edit: func(s *Spec) { s.PadZero = true }},
		{field: "pad_zero", from: letterbox, edit: func(s *Spec) { s.PadZero = true }},
		{field: "pad_zero", from: square, edit: func(s *Spec) { s.PadZero = true }},
		{field: "position", from: letterbox, edit: func(s *Spec) { s.Position = "left" }},
		{field: "position", from: grey, edit: func(s *Spec) { s.Position = Center }},
		{field: "background_colour", from: good, edit: func(s *Spec) { s.Background = []int{1} }},
		{field: "background_colour", from: good, edit: func(s *Spec) { s.Background = []int{1, 2, 256} }},
		{field: "value_range", from: good, edit: func(s *Spec) { s.ValueRange = []float64{1} }},
		{field: "value_range", from: good, edit: func(s *Spec) { s.ValueRange = []float64{2, 2} }},
		{field: "value_range", from: good, edit: func(s *Spec) { s.ValueRange = []float64{0, math.NaN()} }},
		{field: "value_range", from: good, edit: func(s *Spec) { s.ValueRange = []float64{0, math.Inf(1)} }},
		{field: "bands", from: good, edit: func(s *Spec) { s.Bands = []int{1, 2} }},
		{field: "bands", from: good, edit: func(s *Spec) { s.Bands = []int{0} }},
		{field: "bands", from: good, edit: func(s *Spec) { s.Bands = []int{1, 2, MaxBand + 1} }},
		{field: "grey", from: good, edit: func(s *Spec) { s.Grey = "mean" }},
		{field: "bgr", from: grey, edit: func(s *Spec) { s.BGR = true }},
		{field: "mean", from: grey, edit: func(s *Spec) { s.Mean = []float32{1, 2, 3} }},
		{field: "scaled_decode", from: square, edit: func(s *Spec) { s.ScaledDecode = true }},
		{field: "augment", from: good, edit: func(s *Spec) { s.Augment = "rotate" }},
		{field: "augment", from: good, edit: func(s *Spec) { s.Augment = FiveCrop }},
		{field: "tile", from: good, edit: func(s *Spec) { s.Tile = -1 }},
		{field: "tile", from: good, edit: func(s *Spec) { s.TileRule = TileMax }},
		{field: "tile_overlap", from: good, edit: func(s *Spec) { s.Tile, s.TileRule, s.TileOverlap = 9, TileMax, 0.95 }},
		{field: "tile_rule", from: good, edit: func(s *Spec) { s.Tile = 9 }},
		{field: "scale", from: float, edit: func(s *Spec) { s.Scale = nan }},
		{field: "mean", from: float, edit: func(s *Spec) { s.Mean = []float32{1} }},
		{field: "mean", from: float, edit: func(s *Spec) { s.Mean = []float32{1, 2, nan} }},
		{field: "std", from: float, edit: func(s *Spec) { s.Std = []float32{1, 2} }},
		{field: "std", from: float, edit: func(s *Spec) { s.Std = []float32{1, 0, 2} }},
	} {
		s := c.from
		c.edit(&s)
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), ": "+c.field+": ") {
			t.Errorf("Validate(%+v) = %v, want an error that names %s", s, err, c.field)
		}
		if _, err := NewDecoder(s, Options{}); err == nil {
			t.Errorf("NewDecoder(%+v) accepted it", s)
		}
	}
}

// TestDigest pins digests: job records contain them, so they may never change.
func TestDigest(t *testing.T) {
	s := Spec{Width: 299, Height: 299, Layout: HWC, DType: Uint8, Resize: TFBilinearAlignCorners, Fit: Stretch}
	central := Spec{Width: 299, Height: 299, Layout: HWC, DType: Uint8, Resize: TFBilinearLegacy, Fit: CentralFraction, Fraction: 0.875}
	for want, s := range map[string]Spec{
		"sha256:6a2da9961a781b4a56676422003daac8489dbdc1e4d7f6f83cf9af45ab78dca9": s,
		"sha256:9a112d1b0a54bf6235384d2bf2b22441ba5a9b698a1f1f6b1c8ff39239ae122a": central,
	} {
		if got := s.Digest(); got != want {
			t.Errorf("digest %s, want %s", got, want)
		}
	}
	b, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var back Spec
	if err := json.Unmarshal(b, &back); err != nil || back.Digest() != s.Digest() {
		t.Errorf("the digest differs after JSON, or %v", err)
	}
	other := s
	other.BGR = true
	if other.Digest() == s.Digest() {
		t.Error("the digest ignores BGR")
	}
}
