package preprocess

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math"
)

// maxSide bounds the sides of a Spec, so that RowBytes cannot overflow.
const maxSide = 1 << 14

// Validate returns an error that names the invalid field of s and says why, or nil for
// a Spec that NewDecoder accepts.
func (s Spec) Validate() error {
	bad := func(field, format string, args ...any) error {
		return fmt.Errorf("preprocess spec: %s: %s", field, fmt.Sprintf(format, args...))
	}
	if s.Width < 1 || s.Width > maxSide {
		return bad("width", "%d is not in 1..%d", s.Width, maxSide)
	}
	if s.Height < 1 || s.Height > maxSide {
		return bad("height", "%d is not in 1..%d", s.Height, maxSide)
	}
	switch s.DType {
	case Uint8:
		if s.Layout == CHW {
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
	switch s.Fit {
	case Stretch:
	case CentralFraction:
		if !(s.Fraction > 0 && s.Fraction <= 1) {
			return bad("fraction", "%v is not above 0 and at most 1", s.Fraction)
		}
	case CenterCrop, SlimCenterCrop:
		if s.ResizeTo < max(s.Width, s.Height) || s.ResizeTo > maxSide {
			return bad("resize_to", "%d is not in %d..%d: the crop must fit into the resized image",
				s.ResizeTo, max(s.Width, s.Height), maxSide)
		}
	default:
		return bad("fit", "invalid value %q: want one of stretch, center-crop, slim-center-crop, central-fraction", s.Fit)
	}
	if s.ResizeTo != 0 && s.Fit != CenterCrop && s.Fit != SlimCenterCrop {
		return bad("resize_to", "needs fit center-crop or slim-center-crop, not %s", s.Fit)
	}
	if s.Fraction != 0 && s.Fit != CentralFraction {
		return bad("fraction", "needs fit central-fraction, not %s", s.Fit)
	}
	if s.Grey != "" || s.Background != nil || s.Pad != nil || s.PadZero || s.Position != "" || s.ResizeToHeight != 0 {
		return bad("fit", "grey, background, pad and position are not made yet")
	}
	if !finite(s.Scale) {
		return bad("scale", "%v is not finite", s.Scale)
	}
	if n := len(s.Mean); n != 0 && n != 3 {
		return bad("mean", "%d values, want none or 3", n)
	}
	if n := len(s.Std); n != 0 && n != 3 {
		return bad("std", "%d values, want none or 3", n)
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
