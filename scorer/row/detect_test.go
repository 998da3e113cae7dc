package row

import (
	"strconv"
	"strings"
	"testing"
)

// An image with many boxes has one readable line on a screen: counts by label, and of how many others.
func TestManyBoxesAreBrief(t *testing.T) {
	var a Detection
	for i := range 300 {
		a.Boxes = append(a.Boxes, Box{Class: Class{ClassID: i % 20, Label: "thing " + strconv.Itoa(i%20), Score: 0.9}})
	}
	if have, want := a.brief(), "15 thing 0, 15 thing 1, 15 thing 2, 15 thing 3, 15 thing 4, 225 of 15 more labels"; have != want {
		t.Errorf("%s, want %s", have, want)
	}
	if have := a.Counts(); strings.Count(have, ",") != 19 {
		t.Errorf("all labels are %s", have)
	}
	a.Boxes = a.Boxes[:2]
	if have, want := a.brief(), "1 thing 0, 1 thing 1"; have != want || a.Counts() != want {
		t.Errorf("%s, want %s", have, want)
	}
}
