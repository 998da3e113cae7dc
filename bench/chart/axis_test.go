package chart

import (
	"math"
	"slices"
	"testing"
)

func TestSteps(t *testing.T) {
	for _, tt := range []struct {
		lowest, highest float64
		parts           int
		want            []float64
	}{
		{lowest: 0, highest: 10, parts: 10, want: []float64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}},
		{lowest: 0, highest: 12345, parts: 5, want: []float64{0, 5000, 10000, 15000}},
		{lowest: 0, highest: 0.7, parts: 4, want: []float64{0, 0.2, 0.4, 0.6, 0.8}},
		{lowest: -3, highest: 5, parts: 2, want: []float64{-5, 0, 5}},
		{lowest: 0, highest: 0, parts: 2, want: []float64{0, 0.5, 1}},
	} {
		if got := steps(tt.lowest, tt.highest, tt.parts); !slices.EqualFunc(got, tt.want, func(a, b float64) bool { return math.Abs(a-b) < 1e-9 }) {
			t.Errorf("steps(%v, %v, %d) = %v, want %v", tt.lowest, tt.highest, tt.parts, got, tt.want)
		}
	}
}

func TestPowersOfTwo(t *testing.T) {
	for _, tt := range []struct {
		lowest, highest float64
		parts           int
		want            []float64
	}{
		{lowest: 1, highest: 8, parts: 10, want: []float64{1, 2, 4, 8}},
		{lowest: 3, highest: 7, parts: 10, want: []float64{2, 4, 8}},
		{lowest: 1, highest: 4096, parts: 10, want: []float64{1, 4, 16, 64, 256, 1024, 4096}},
		{lowest: 0.3, highest: 0.9, parts: 1, want: []float64{0.25, 1}},
		{lowest: 4, highest: 4, parts: 10, want: []float64{4, 8}},
	} {
		if got := powersOfTwo(tt.lowest, tt.highest, tt.parts); !slices.Equal(got, tt.want) {
			t.Errorf("powersOfTwo(%v, %v, %d) = %v, want %v", tt.lowest, tt.highest, tt.parts, got, tt.want)
		}
	}
}

// TestTicksHoldTheValues checks, for values of all sizes, that they lie between the
// first tick and the last, that labels differ and that those of an axis have room.
func TestTicksHoldTheValues(t *testing.T) {
	for highest := 1e-5; highest < 1e9; highest *= 1.7 {
		for _, log := range []bool{false, true} {
			lowest := 0.0
			if log {
				lowest = highest / 1000
			}
			a := newAxis(log, lowest, highest, 50, 500, textWidth)
			first, last := a.ticks[0], a.ticks[len(a.ticks)-1]
			if first > lowest*(1+1e-6) || last < highest*(1-1e-6) || a.at(first) != 50 || math.Abs(a.at(last)-500) > 1e-6 {
				t.Errorf("log %v: the ticks of %v to %v are %v", log, lowest, highest, a.ticks)
			}
			for i, v := range a.ticks[1:] {
				before := a.ticks[i]
				if tick(v) == tick(before) || a.at(v)-a.at(before) < (textWidth(tick(v))+textWidth(tick(before)))/2 {
					t.Errorf("log %v, up to %v: the labels %s and %s are the same or too near", log, highest, tick(before), tick(v))
				}
			}
		}
	}
}

func TestTickLabels(t *testing.T) {
	for v, want := range map[float64]string{0: "0", 3 * 0.1: "0.3", 0.015625: "0.0156", 512: "512", 15000: "15,000", -500: "-500"} {
		if got := tick(v); got != want {
			t.Errorf("the tick at %v is called %s, want %s", v, got, want)
		}
	}
}

func TestScaling(t *testing.T) {
	for _, tt := range []struct {
		name     string
		axis     axis
		at, want float64
	}{
		{name: "middle", axis: axis{from: 100, to: 200, ticks: []float64{0, 10}}, at: 5, want: 150},
		{name: "upwards", axis: axis{from: 200, to: 100, ticks: []float64{0, 5, 10}}, at: 2.5, want: 175},
		{name: "below zero", axis: axis{from: 0, to: 100, ticks: []float64{-5, 0, 5}}, at: 0, want: 50},
		{name: "powers", axis: axis{log: true, from: 0, to: 100, ticks: []float64{1, 4, 16}}, at: 4, want: 50},
	} {
		if got := tt.axis.at(tt.at); math.Abs(got-tt.want) > 1e-9 {
			t.Errorf("%s: %v is at %v, want %v", tt.name, tt.at, got, tt.want)
		}
	}
}

func TestBroken(t *testing.T) {
	for _, tt := range []struct {
		text string
		want []string
	}{
		{text: "short", want: []string{"short"}},
		{text: "", want: []string{""}},
		{text: "a few words more", want: []string{"a few", "words", "more"}},
		{text: "aaaaaaaaaaaaaaaaaaaa b", want: []string{"aaaaaa", "aaaaaa", "aaaaaa", "aa b"}},
		{text: "日本語の名前", want: []string{"日本語", "の名前"}},
	} {
		if got := broken(tt.text, 60); !slices.Equal(got, tt.want) {
			t.Errorf("%q takes the lines %q, want %q", tt.text, got, tt.want)
		}
	}
}
