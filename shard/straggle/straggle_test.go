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
		{"none", nil, 0},
		{"one", []float64{2}, 2.1},
		{"equal ranks", []float64{1, 1, 1, 1}, 1.05},
		{"nearly equal ranks", []float64{1, 1.001, 0.999}, 1.05},
		{"one that takes long", []float64{1, 1.1, 0.9, 7}, 1.05 + 3.5*1.4826*0.1},
	} {
		if got := Above(c.values); math.Abs(got-c.want) > 1e-9 {
			t.Errorf("%s: Above(%v) = %v, want %v", c.name, c.values, got, c.want)
		}
	}
}
