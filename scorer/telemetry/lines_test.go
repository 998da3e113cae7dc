package telemetry

import (
	"bytes"
	"strings"
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

// TestLinesOfALargeJob: the more images are done, the rarer the lines are, but there is
// one every minute.
func TestLinesOfALargeJob(t *testing.T) {
	for _, tt := range []struct {
		name  string
		speed int // images per second
		most  int // lines
	}{
		{name: "fast", speed: 5000, most: 40},
		{name: "slow", speed: 50, most: 120},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var b strings.Builder
			var longest time.Duration
			now := time.Unix(0, 0)
			last := now
			l := Lines{Rank: 0, Now: func() time.Time { return now }, W: writerFunc(func(p []byte) (int, error) {
				longest, last = max(longest, now.Sub(last)), now
				return b.Write(p)
			})}
			l.Start(200_000)
			for range 200_000 / 50 {
				now = now.Add(time.Second * 50 / time.Duration(tt.speed))
				l.Add(50)
			}
			if n := strings.Count(b.String(), "Processed"); n < 20 || n > tt.most {
				t.Errorf("%d lines for 200,000 images, want from 20 to %d", n, tt.most)
			}
			if longest > lineEvery+5*time.Second {
				t.Errorf("no line for %v", longest)
			}
			if !strings.HasSuffix(b.String(), "Worker 0 Processed 200000/200000 images\n") {
				t.Errorf("the last lines are\n%s", b.String()[b.Len()-200:])
			}
		})
	}
}

// TestQuietLines: without lines of progress, the last one stays.
func TestQuietLines(t *testing.T) {
	var b bytes.Buffer
	l := Lines{W: &b, Quiet: true}
	l.Start(250)
	l.Add(250)
	l.Finish(time.Second)
	if want := "Worker 0 Processed 250 images, took 0:00:01\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

// TestSharedLines: the first number of a rank among others may change, and the line says so.
func TestSharedLines(t *testing.T) {
	var b bytes.Buffer
	l := Lines{W: &b, Shared: true}
	l.Start(250)
	if want := "Worker 0 needs to process 250 images at first; fast workers take over from slow ones\n"; b.String() != want {
		t.Errorf("got %q, want %q", b.String(), want)
	}
}

type writerFunc func([]byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }
