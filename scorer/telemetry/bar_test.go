package telemetry

import (
	"bytes"
	"strings"
	"testing"
	"time"
)

func TestBarFits(t *testing.T) {
	start := time.Unix(0, 0)
	const note = "97% of the limit, bottleneck: infer"
	for _, c := range []struct {
		note   string
		failed int
		after  time.Duration
		width  int
		want   string
	}{
		{note: "", failed: 0, after: 0, width: 79, want: "scoring [###############...............]  50% 500/1000"},
		{note: "", failed: 0, after: 20 * time.Second, width: 79, want: "scoring [#########.........]  50% 500/1000, 25.0 images/s, 20.0 s left"},
		{note: note, failed: 12, after: 20 * time.Second, width: 120,
			want: "scoring [######......]  50% 500/1000, 12 failed, 25.0 images/s, 20.0 s left, " + note},
		{note: note, failed: 12, after: 400 * time.Second, width: 79,
			want: "scoring [###....]  50% 500/1000, 12 failed, 1.25 images/s, 6 min 40 s left"},
		{note: note, failed: 12, after: 20 * time.Second, width: 49, want: "scoring  50% 500/1000, 12 failed, 25.0 images/s"},
		{note: note, failed: 12, after: 20 * time.Second, width: 33, want: "scoring  50% 500/1000, 12 failed"},
		{note: note, failed: 12, after: 20 * time.Second, width: 30, want: "scoring  50% 500/1000"},
		{note: note, failed: 12, after: 20 * time.Second, width: 15, want: " 50% 500/1000"},
		{note: note, failed: 12, after: 20 * time.Second, width: 5, want: " 50% "},
		{note: note, failed: 12, after: 20 * time.Second, width: 0, want: ""},
	} {
		b := Bar{what: "scoring", note: c.note, failed: c.failed, done: 500, total: 1000,
			samples: []sample{{start, 0}, {start.Add(c.after), 500}}}
		got := b.line(c.width)
		if short := strings.NewReplacer("#", "", ".", "").Replace(got); len(got) > max(c.width, 0) || short != strings.NewReplacer("#", "", ".", "").Replace(c.want) {
			t.Errorf("%d failed after %v, in %d columns: %q, want %q", c.failed, c.after, c.width, got, c.want)
		}
	}
}

// TestBarIsNeverAbsent: whenever lines were written above the bar, it is there again.
func TestBarIsNeverAbsent(t *testing.T) {
	var b bytes.Buffer
	width := 80
	bar := NewBar(&b, "scoring", func() int { return width })
	lines := bar.Above(&b)
	if _, err := lines.Write([]byte("before\n")); err != nil || b.String() != "before\n" {
		t.Errorf("before there is a bar: %q, %v", &b, err)
	}
	bar.grow(100)
	for range 20 {
		b.Reset()
		if _, err := lines.Write([]byte("a line\n")); err != nil {
			t.Fatal(err)
		}
		if !strings.HasPrefix(b.String(), "\r\x1b[Ja line\nscoring [") {
			t.Errorf("after a line: %q", &b)
		}
	}
	// A line of some 50 characters takes three lines of 20.
	width = 20
	b.Reset()
	bar.live.Draw()
	if !strings.HasPrefix(b.String(), "\r\x1b[2A\x1b[J") {
		t.Errorf("on a terminal that has become narrower: %q", &b)
	}
	bar.close()
	b.Reset()
	if _, err := lines.Write([]byte("after\n")); err != nil || b.String() != "after\n" {
		t.Errorf("after the end: %q, %v", &b, err)
	}
}

func TestUnits(t *testing.T) {
	for perSecond, want := range map[float64]string{
		0.0123: "0.01 images/s", 2.414: "2.41 images/s", 9.999: "10.0 images/s", 31.25: "31.2 images/s",
		99.99: "100 images/s", 1234.5: "1234 images/s",
	} {
		if got := Rate(perSecond); got != want {
			t.Errorf("Rate(%v) = %q, want %q", perSecond, got, want)
		}
	}
	for seconds, want := range map[float64]string{0: "0.0 s", 8.26: "8.3 s", 59.99: "1 min 0 s",
		3599.9: "1 h 0 min", 90_061: "25 h 1 min", 260_000: "3 days 0 h"} {
		if got := Duration(seconds); got != want {
			t.Errorf("Duration(%v) = %q, want %q", seconds, got, want)
		}
	}
}
