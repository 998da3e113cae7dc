package straggle

import (
	"math"
	"testing"
)

func TestAbove(t *testing.T) {
	for _, c := range []struct {
		name   string
		values []float64
		want   float64
	}{
		{name: "none", values: nil, want: 0},
		{name: "one", values: []float64{2}, want: 2.1},
		{name: "equal ranks", values: []float64{1, 1, 1, 1}, want: 1.05},
		{name: "nearly equal ranks", values: []float64{1, 1.001, 0.999}, want: 1.05},
		{name: "one that takes long", values: []float64{1, 1.1, 0.9, 7}, want: 1.05 + 3.5*1.4826*0.1},
	} {
		if got := Above(c.values); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: Above(%v) = %v, want %v", c.name, c.values, got, c.want)
		}
	}
}
