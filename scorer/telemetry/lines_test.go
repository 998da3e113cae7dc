package telemetry

import (
	"bytes"
	"testing"
	"time"
)

func TestTimedeltaIsPythons(t *testing.T) {
	for d, want := range map[time.Duration]string{
		0:               "0:00:00",
		5 * time.Second: "0:00:05",
		10*time.Minute + 43983157*time.Microsecond: "0:10:43.983157",
		1500 * time.Millisecond:                    "0:00:01.500000",
		24*time.Hour + 5*time.Second:               "1 day, 0:00:05",
		49*time.Hour + 999*time.Nanosecond:         "2 days, 1:00:00",
	} {
		if got := Timedelta(d); got != want {
			t.Errorf("Timedelta(%d) = %q, want %q", d, got, want)
		}
	}
}

func TestLinesAreTheRecipes(t *testing.T) {
	var b bytes.Buffer
	l := Lines{W: &b, Rank: 3}
	l.Start(250)
	l.Add(99)
	l.Add(1)
	l.Grow(20)
	l.Add(150)
	l.Finish(643983157 * time.Microsecond)
	want := `Worker 3 needs to process 250 images
Worker 3 Processed 100/250 images
Worker 3 Processed 200/270 images
Worker 3 Processed 250 images, took 0:10:43.983157
`
	if b.String() != want {
		t.Errorf("got\n%s\nwant\n%s", b.String(), want)
	}
}
