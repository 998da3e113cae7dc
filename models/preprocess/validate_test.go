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
	for _, s := range []Spec{good, float, slim, central} {
		if err := s.Validate(); err != nil {
			t.Errorf("%+v: %v", s, err)
		}
	}
	nan := float32(math.NaN())
	for _, c := range []struct {
		field string
		from  Spec
		edit  func(*Spec)
	}{
		{"width", good, func(s *Spec) { s.Width = 0 }},
		{"width", good, func(s *Spec) { s.Width = 1 << 20 }},
		{"height", good, func(s *Spec) { s.Height = -1 }},
		{"layout", good, func(s *Spec) { s.Layout = "" }},
		{"layout", good, func(s *Spec) { s.Layout = CHW }},
		{"dtype", good, func(s *Spec) { s.DType = "float16" }},
		{"dtype", good, func(s *Spec) { s.Mean = []float32{1, 2, 3} }},
		{"dtype", good, func(s *Spec) { s.Scale = 2 }},
		{"resize", good, func(s *Spec) { s.Resize = "magic" }},
		{"fit", good, func(s *Spec) { s.Fit = "" }},
		{"resize_to", good, func(s *Spec) { s.ResizeTo = 342 }},
		{"resize_to", good, func(s *Spec) { s.Fit, s.ResizeTo = CenterCrop, 298 }},
		{"resize_to", slim, func(s *Spec) { s.ResizeTo = 298 }},
		{"resize_to", central, func(s *Spec) { s.ResizeTo = 342 }},
		{"fraction", central, func(s *Spec) { s.Fraction = 0 }},
		{"fraction", central, func(s *Spec) { s.Fraction = 1.001 }},
		{"fraction", central, func(s *Spec) { s.Fraction = math.NaN() }},
		{"fraction", good, func(s *Spec) { s.Fraction = 0.875 }},
		{"fraction", slim, func(s *Spec) { s.Fraction = 0.875 }},
		{"scale", float, func(s *Spec) { s.Scale = nan }},
		{"mean", float, func(s *Spec) { s.Mean = []float32{1} }},
		{"mean", float, func(s *Spec) { s.Mean = []float32{1, 2, nan} }},
		{"std", float, func(s *Spec) { s.Std = []float32{1, 2} }},
		{"std", float, func(s *Spec) { s.Std = []float32{1, 0, 2} }},
	} {
		s := c.from
		c.edit(&s)
		err := s.Validate()
		if err == nil || !strings.Contains(err.Error(), ": "+c.field+": ") {
			t.Errorf("%+v: %v, want an error that names %s", s, err, c.field)
		}
		if _, err := NewDecoder(s, Options{}); err == nil {
			t.Errorf("%+v: NewDecoder took it", s)
		}
	}
}

// TestDigest pins digests: they lie in job records and may never change.
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
		t.Errorf("the digest does not survive JSON: %v", err)
	}
	other := s
	other.BGR = true
	if other.Digest() == s.Digest() {
		t.Error("the digest ignores BGR")
	}
}
