package boxes

import (
	"encoding/json"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/batchscore/batchscore/models"
	"github.com/batchscore/batchscore/models/preprocess"
)

// chosen returns the contract of a detector of so many classes that gives [M,6].
func chosen(classes int) *models.Contract {
	return &models.Contract{Task: models.Detect, Output: models.Independent, Classes: classes,
		Preprocess: preprocess.Spec{Width: 100, Height: 100, Fit: preprocess.Stretch},
		Settings:   models.Settings{Detector: models.Boxes, Threshold: 0.25, MaxBoxes: 300}}
}

// inTiles returns the contract with which what a Joiner writes is read.
func inTiles(c *models.Contract) *models.Contract {
	whole := *c
	whole.Preprocess.Tile = 100
	return &whole
}

// TestTilesAsSAHI: of boxes of two tiles those are kept that SAHI keeps.
func TestTilesAsSAHI(t *testing.T) {
	text, err := os.ReadFile("testdata/tiles.json")
	if err != nil {
		t.Fatal(err)
	}
	var cases []struct {
		Boxes          [][6]float32
		Keep, Agnostic []int
	}
	if err := json.Unmarshal(text, &cases); err != nil || len(cases) == 0 {
		t.Fatal(err)
	}
	for _, c := range cases {
		for _, agnostic := range []bool{false, true} {
			contract := chosen(8)
			contract.Preprocess.Width, contract.Preprocess.Height, contract.Settings.Agnostic = 1000, 1000, agnostic
			j := NewJoiner(contract)
			j.Begin()
			for half := range 2 {
				var numbers []float32
				for i, b := range c.Boxes {
					if i%2 == half {
						numbers = append(numbers, b[:]...)
					}
				}
				if err := j.Add(numbers, preprocess.Tile{Width: 1000, Height: 1000}); err != nil {
					t.Fatal(err)
				}
			}
			numbers := make([]float32, 300*models.NumbersOfBox)
			j.End(numbers)
			got, err := new(Work).Take(inTiles(contract), numbers)
			if err != nil {
				t.Fatal(err)
			}
			want := c.Keep
			if agnostic {
				want = c.Agnostic
			}
			var kept []int
			for _, b := range got {
				kept = append(kept, slices.Index(c.Boxes, [6]float32{b.Left, b.Top, b.Right, b.Bottom, b.Score, float32(b.Class)}))
			}
			if slices.Sort(kept); !slices.Equal(kept, want) {
				t.Errorf("of %d boxes, agnostic %t: %v are kept, want %v", len(c.Boxes), agnostic, kept, want)
			}
		}
	}
}

// TestJoiner: boxes are where they are in the picture, those of one tile are kept as they are, and
// memory is bounded.
func TestJoiner(t *testing.T) {
	c := chosen(2)
	c.Settings.MaxBoxes = 3
	j := NewJoiner(c)
	numbers := make([]float32, 3*models.NumbersOfBox)
	take := func() []Box {
		t.Helper()
		j.End(numbers)
		got, err := new(Work).Take(inTiles(c), numbers)
		if err != nil {
			t.Fatal(err)
		}
		return slices.Clone(got)
	}
	add := func(at preprocess.Tile, numbers ...float32) {
		t.Helper()
		if err := j.Add(numbers, at); err != nil {
			t.Fatal(err)
		}
	}
	// One box within another: of one tile both count.
	j.Begin()
	add(preprocess.Tile{Width: 50, Height: 200}, 10, 10, 60, 60, 0.5, 1, 20, 20, 40, 40, 0.75, 1)
	if got, want := take(), []Box{{10, 40, 20, 80, 0.75, 1}, {5, 20, 30, 120, 0.5, 1}}; !slices.Equal(got, want) {
		t.Errorf("one tile has %v, want %v", got, want)
	}
	// Of several tiles the better one counts; a box beyond the edge of its tile is cut off.
	j.Begin()
	add(preprocess.Tile{Width: 100, Height: 100}, 50, 50, 120, 100, 0.5, 0)
	add(preprocess.Tile{X: 50, Width: 100, Height: 100}, 0, 50, 60, 100, 0.75, 0)
	add(preprocess.Tile{X: 50, Y: 50, Width: 100, Height: 100}, 0, 0, 60, 50, 0.625, 1)
	if got, want := take(), []Box{{50, 50, 110, 100, 0.75, 0}, {50, 50, 110, 100, 0.625, 1}}; !slices.Equal(got, want) {
		t.Errorf("three tiles have %v, want %v", got, want)
	}
	j.Begin()
	if got := take(); got != nil {
		t.Errorf("no tile has %v", got)
	}
	// The best of very many.
	c.Settings.MaxBoxes = 600
	j.Begin()
	numbers = make([]float32, 600*models.NumbersOfBox)
	many := make([]float32, 0, len(numbers))
	for i := range 600 {
		x, y := float32(i%45*2), float32(i/45*2)
		many = append(many, x, y, x+1, y+1, 0.5, 0)
	}
	const tiles = mostJoined/600 + 20
	for i := range tiles {
		own := slices.Clone(many)
		for k := 4; k < len(own); k += 6 {
			own[k] += float32(i) / 1000
		}
		add(preprocess.Tile{X: 100 * (i % 19), Y: 50 * (i % 7), Width: 100, Height: 100}, own...)
		if len(j.all) > mostJoined {
			t.Fatalf("%d boxes are kept", len(j.all))
		}
	}
	got := take()
	if len(got) != 600 || got[0].Score != 0.5+float32(tiles-1)/1000 || got[599].Score != got[0].Score {
		t.Errorf("%d boxes from %v to %v", len(got), got[0], got[len(got)-1])
	}
}

// TestTooLarge: a box without end in one tile is the image's own fault, and a class that the model does
// not have the model's.
func TestTooLarge(t *testing.T) {
	c := chosen(1)
	c.Settings.Detector, c.Settings.MaxBoxes = models.YOLOX, 2
	c.Preprocess.Width, c.Preprocess.Height = 8, 8
	j := NewJoiner(c)
	j.Begin()
	if err := j.Add([]float32{0, 0, 200, 0, 0.9, 0.9}, preprocess.Tile{Width: 8, Height: 8}); err != nil {
		t.Fatal(err)
	}
	numbers := make([]float32, 2*models.NumbersOfBox)
	j.End(numbers)
	for _, v := range numbers {
		if v-v != 0 {
			t.Errorf("a number is %v", v)
		}
	}
	if _, err := new(Work).Take(inTiles(c), numbers); err == nil || !strings.Contains(err.Error(), "too large") {
		t.Errorf("Take() = %v", err)
	}
	j = NewJoiner(chosen(1))
	if err := j.Add([]float32{1, 1, 2, 2, 0.9, 1}, preprocess.Tile{Width: 8, Height: 8}); err == nil || !strings.Contains(err.Error(), "numbered 0 to 0") {
		t.Errorf("Add() = %v", err)
	}
}

// TestShares: of two boxes, what they share of both and of the smaller.
func TestShares(t *testing.T) {
	a := Box{Right: 10, Bottom: 10}
	for _, test := range []struct {
		b              Box
		overlap, cover float32
	}{
		{b: a, overlap: 1, cover: 1},
		{b: Box{Left: 5, Right: 15, Bottom: 10}, overlap: 50. / 150, cover: 0.5},
		{b: Box{Left: 2, Top: 2, Right: 4, Bottom: 4}, overlap: 0.04, cover: 1},
		{b: Box{Left: 10, Right: 20, Bottom: 10}},
		{b: Box{Left: 5, Right: 5, Bottom: 10}},
	} {
		if o, c := a.Overlap(&test.b), a.Cover(&test.b); math.Abs(float64(o-test.overlap)) > 1e-6 || math.Abs(float64(c-test.cover)) > 1e-6 {
			t.Errorf("%v: %v, %v", test.b, o, c)
		}
	}
}
