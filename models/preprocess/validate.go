package preprocess

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
)

// maxSide bounds the sides of a Spec, so that RowBytes cannot overflow.
const maxSide = 1 << 14

// MaxBand is the largest number of Spec.Bands.
const MaxBand = 64

// Validate returns an error that names the invalid field of s and says why, or nil for
// a Spec that NewDecoder accepts.
func (s Spec) Validate() error {
	if s.Width < 1 || s.Width > maxSide {
		return bad("width", "%d is not in 1..%d", s.Width, maxSide)
	}
	if s.Height < 1 || s.Height > maxSide {
		return bad("height", "%d is not in 1..%d", s.Height, maxSide)
	}
	switch s.DType {
	case Uint8:
		if s.Layout == CHW && s.Grey == "" {
			return bad("layout", "CHW needs dtype float32")
		}
		if s.Scale != 0 || len(s.Mean) != 0 || len(s.Std) != 0 {
			return bad("dtype", "scale, mean and std need float32, not uint8")
		}
	case Float32:
	default:
		return bad("dtype", "%q is neither uint8 nor float32", s.DType)
	}
	if s.Layout != HWC && s.Layout != CHW {
		return bad("layout", "%q is neither HWC nor CHW", s.Layout)
	}
	if _, ok := policies[s.Resize]; !ok {
		return bad("resize", "%q is not a known policy", s.Resize)
	}
	if err := s.validateFit(); err != nil {
		return err
	}
	if s.Grey != "" && s.BGR {
		return bad("bgr", "one grey channel has no order")
	}
	if _, ok := greys[s.Grey]; s.Grey != "" && !ok {
		return bad("grey", "%q is neither pillow nor opencv", s.Grey)
	}
	switch {
	case s.Augment != "" && !slices.Contains(Augments(), s.Augment):
		return bad("augment", "%q is not flip, five-crop or ten-crop", s.Augment)
	case (s.Augment == FiveCrop || s.Augment == TenCrop) && !s.Fit.Crops():
		return bad("augment", "%s needs a fit that crops, not %s", s.Augment, s.Fit)
	}
	if err := s.validateTiles(); err != nil {
		return err
	}
	if n := len(s.Background); n != 0 && n != 3 {
		return bad("background_colour", "%d values, want none or 3", n)
	}
	for _, v := range s.Background {
		if v < 0 || v > 255 {
			return bad("background_colour", "%d is not in 0..255", v)
		}
	}
	if err := s.validateSamples(); err != nil {
		return err
	}
	if !finite(s.Scale) {
		return bad("scale", "%v is not finite", s.Scale)
	}
	if n := len(s.Mean); n != 0 && n != s.Channels() {
		return bad("mean", "%d values, want none or %d", n, s.Channels())
	}
	if n := len(s.Std); n != 0 && n != s.Channels() {
		return bad("std", "%d values, want none or %d", n, s.Channels())
	}
	for _, v := range s.Mean {
		if !finite(v) {
			return bad("mean", "%v is not finite", v)
		}
	}
	for _, v := range s.Std {
		if !finite(v) || v == 0 {
			return bad("std", "%v cannot be divided by", v)
		}
	}
	return nil
}

// validateSamples is Validate for ValueRange and Bands.
func (s Spec) validateSamples() error {
	switch r := s.ValueRange; {
	case len(r) == 0:
	case len(r) != 2:
		return bad("value_range", "%d values, want none or 2", len(r))
	case !(r[0] < r[1]) || math.IsInf(255/(r[1]-r[0]), 0) || math.IsInf(r[1]-r[0], 0):
		return bad("value_range", "%v is not below %v", r[0], r[1])
	}
	if n := len(s.Bands); n != 0 && n != 1 && n != 3 {
		return bad("bands", "%d values, want none, 1 or 3", n)
	}
	for _, v := range s.Bands {
		if v < 1 || v > MaxBand {
			return bad("bands", "%d is not in 1..%d", v, MaxBand)
		}
	}
	return nil
}

// bad returns the error of a field.
func bad(field, format string, args ...any) error {
	return fmt.Errorf("preprocess spec: %s: %s", field, fmt.Sprintf(format, args...))
}

// validateFit is Validate for Fit and the fields that belong to some fits only.
func (s Spec) validateFit() error {
	if !slices.Contains(fits, s.Fit) {
		return bad("fit", "invalid value %q: want one of %s", s.Fit, strings.Join(spelled(fits), ", "))
	}
	crops, pads := s.Fit.Crops(), s.Fit.Pads()
	height := cmp.Or(s.ResizeToHeight, s.ResizeTo)
	switch {
	case s.Fit == StretchCrop && (s.ResizeTo < s.Width || height < s.Height || max(s.ResizeTo, height) > maxSide):
		return bad("resize_to", "%dx%d is not in %dx%d..%d: the crop must fit into the resized image",
			s.ResizeTo, height, s.Width, s.Height, maxSide)
	case crops && s.Fit != StretchCrop && (s.ResizeTo < max(s.Width, s.Height) || s.ResizeTo > maxSide):
		return bad("resize_to", "%d is not in %d..%d: the crop must fit into the resized image",
			s.ResizeTo, max(s.Width, s.Height), maxSide)
	case s.ResizeTo != 0 && !crops:
		return bad("resize_to", "needs a fit that crops, not %s", s.Fit)
	case s.ResizeToHeight != 0 && s.Fit != StretchCrop:
		return bad("resize_to_height", "needs fit stretch-crop, not %s", s.Fit)
	case s.Fit == CentralFraction && !(s.Fraction > 0 && s.Fraction <= 1):
		return bad("fraction", "%v is not above 0 and at most 1", s.Fraction)
	case s.Fraction != 0 && s.Fit != CentralFraction:
		return bad("fraction", "needs fit central-fraction, not %s", s.Fit)
	case len(s.Pad) != 0 && !pads:
		return bad("pad", "needs a fit that pads, not %s", s.Fit)
	case len(s.Pad) != 0 && len(s.Pad) != s.Channels():
		return bad("pad", "%d values, want none or %d", len(s.Pad), s.Channels())
	case s.PadZero && !pads:
		return bad("pad_zero", "needs a fit that pads, not %s", s.Fit)
	case s.PadZero && s.Fit == SquarePad:
		return bad("pad_zero", "square-pad resizes its padding: give the colour as pad")
	case s.PadZero && len(s.Pad) != 0:
		return bad("pad_zero", "excludes pad")
	case s.Position != "" && s.Position != Center && s.Position != TopLeft:
		return bad("position", "%q is neither center nor top-left", s.Position)
	case s.Position != "" && (!pads || s.Fit == PaddlePadRight):
		return bad("position", "needs fit letterbox, pillow-pad or square-pad, not %s", s.Fit)
	case s.ScaledDecode && s.Fit == SquarePad:
		return bad("scaled_decode", "cannot be with fit square-pad")
	}
	whole := s.DType == Uint8 || s.Fit == SquarePad
	for _, v := range s.Pad {
		if !(v >= 0 && v <= 255) || whole && v != float32(math.Trunc(float64(v))) {
			return bad("pad", "%v is not a pixel of 0 to 255, whole for uint8 and square-pad", v)
		}
	}
	return nil
}

func spelled(fits []Fit) []string {
	var names []string
	for _, f := range fits {
		names = append(names, string(f))
	}
	return names
}

func finite(f float32) bool {
	return !math.IsNaN(float64(f)) && !math.IsInf(float64(f), 0)
}

// Digest returns "sha256:" and the hex digest of the JSON form of s. Equal Specs have
// equal digests, in any process and version.
func (s Spec) Digest() string {
	b, err := json.Marshal(s)
	if err != nil {
		// Only numbers that Validate refuses, such as NaN, have no JSON form.
		b = fmt.Appendf(nil, "%#v", s)
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Fields returns the fields of the JSON form of a valid Spec, each as JSON writes it. Fields that
// the form omits are not there.
func (s Spec) Fields() map[string]string {
	body, err := json.Marshal(s)
	var raw map[string]json.RawMessage
	if err == nil {
		err = json.Unmarshal(body, &raw)
	}
	if err != nil {
		panic(err) // a valid Spec has a JSON form
	}
	fields := make(map[string]string, len(raw))
	for name, value := range raw {
		fields[name] = string(value)
	}
	return fields
}
