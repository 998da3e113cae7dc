package codec

import "testing"

// A told is a Canvas that counts how often it is told that its picture looks black.
type told struct{ dark int }

func (c *told) Prepare(int, int, Orientation, []Scale) Pixels { return Pixels{} }
func (c *told) Dark()                                         { c.dark++ }

// TestLevels tests from which brightness and from how many bright pixels on a picture does not look
// black, and that nothing is said of one that nobody looked at.
func TestLevels(t *testing.T) {
	const width, height = 400, 100 // of which 10,000 are looked at
	for _, c := range []struct {
		name   string
		value  uint8
		bright int
		want   int
	}{
		{name: "black", want: 1},
		{name: "all below a quarter", value: 63, bright: 10000, want: 1},
		{name: "all a quarter", value: 64, bright: 10000},
		{name: "one in a thousand", value: 64, bright: 10, want: 1},
		{name: "more than one in a thousand", value: 64, bright: 11},
		{name: "one in a hundred", value: 255, bright: 100},
	} {
		for channel := range 3 {
			px := Pixels{Bytes: make([]uint8, 4*width*height), Pitch: 4 * width, Width: width, Height: height}
			left := c.bright
			for y := range height {
				for x := y % 4; x < width && left > 0; x += 4 {
					px.Row(y)[4*x+channel] = c.value
					left--
				}
			}
			var l Levels
			l.Look(px)
			var to told
			if l.Tell(&to); to.dark != c.want {
				t.Errorf("%s, channel %d: told %d times, want %d", c.name, channel, to.dark, c.want)
			}
		}
	}
	var to told
	if new(Levels).Tell(&to); to.dark != 0 {
		t.Error("a picture that nobody looked at is said to look black")
	}
}
