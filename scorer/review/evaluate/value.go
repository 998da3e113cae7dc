package evaluate

import (
	"encoding/json"
	"math"
)

// Value is a figure that may not exist, such as the precision of a label that no image has: it
// is then NaN, and null in JSON.
type Value float64

// None is the value that does not exist.
var None = Value(math.NaN())

// Known reports whether the value exists.
func (v Value) Known() bool { return !math.IsNaN(float64(v)) && !math.IsInf(float64(v), 0) }

// MarshalJSON returns null for a value that does not exist.
func (v Value) MarshalJSON() ([]byte, error) {
	if !v.Known() {
		return []byte("null"), nil
	}
	return json.Marshal(float64(v))
}

// UnmarshalJSON takes null for a value that does not exist.
func (v *Value) UnmarshalJSON(data []byte) error {
	if string(data) == "null" {
		*v = None
		return nil
	}
	return json.Unmarshal(data, (*float64)(v))
}

// ratio returns a share, which does not exist if there is nothing to have a share of.
func ratio(part, whole int) Value {
	if whole == 0 {
		return None
	}
	return Value(float64(part) / float64(whole))
}

// Interval is a share of images, with the bounds between which the true share is with a
// confidence of 95% (Wilson's score interval, without continuity correction). They do not exist
// if Of is 0.
type Interval struct {
	Value Value `json:"value"` // Count / Of, from 0 to 1
	Low   Value `json:"low"`
	High  Value `json:"high"`
	Count int   `json:"count"`
	Of    int   `json:"of"`
}

// z is the quantile of the normal distribution for two-sided bounds of 95%.
const z = 1.959963984540054

// Wilson returns the share count/of with its bounds.
func Wilson(count, of int) Interval {
	i := Interval{Value: ratio(count, of), Low: None, High: None, Count: count, Of: of}
	if of == 0 {
		return i
	}
	n, p := float64(of), float64(count)/float64(of)
	center := (p + z*z/(2*n)) / (1 + z*z/n)
	half := z / (1 + z*z/n) * math.Sqrt((p*(1-p)+z*z/(4*n))/n)
	i.Low, i.High = Value(max(0, center-half)), Value(min(1, center+half))
	// Rounding must not keep the bounds from 0 and 1 where they are exactly that.
	if count == 0 {
		i.Low = 0
	}
	if count == of {
		i.High = 1
	}
	return i
}
