package gputrial

import (
	"cmp"
	"encoding/json"
	"math"
	"strings"
	"testing"
)

func TestCompare(t *testing.T) {
	want := []float32{-2, 1, 0.5}
	nan := float32(math.NaN())
	for _, test := range []struct {
		name  string
		got   []float32
		wrong bool
		says  string
	}{
		{name: "equal", got: want},
		{name: "rounded otherwise", got: []float32{-2.00001, 1, 0.5}},
		{name: "TF32", got: []float32{-2.003, 1, 0.5}, wrong: true},
		{name: "nothing", got: make([]float32, 3), wrong: true,
			says: "wrong scores: the largest difference from the CPU's is 1 (allowed: 0.0001, relative to the largest score)"},
		{name: "not a number", got: []float32{-2, nan, 0.5}, wrong: true},
		{name: "not a number, and others", got: []float32{nan, 5, 0.5}, wrong: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			var r Report
			r.compare(test.got, want)
			if (r.Problem != "") != test.wrong || test.wrong && !strings.HasPrefix(r.Problem, cmp.Or(test.says, "wrong scores")) {
				t.Errorf("%+v, want wrong: %v, %s", r, test.wrong, test.says)
			}
			if _, err := json.Marshal(r); err != nil {
				t.Error(err)
			}
		})
	}
}
