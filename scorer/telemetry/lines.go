package telemetry

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Every is the number of images between two lines of progress.
const Every = 100

// Lines writes one rank's progress in the words of the 2018 recipe, so that tools
// that read its logs can read ours. Each line is one Write.
type Lines struct {
	W    io.Writer
	Rank int

	mu    sync.Mutex
	done  int
	total int
}

// Start writes how many images of the rank's share are to be scored.
func (l *Lines) Start(total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.total = 0, total
	fmt.Fprintf(l.W, "Worker %d needs to process %d images\n", l.Rank, total)
}

// Grow adds the images of a chunk of another rank to the total.
func (l *Lines) Grow(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += n
}

// Add counts n images and writes a line for every hundred completed.
func (l *Lines) Add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.done / Every
	l.done += n
	for i := before + 1; i <= l.done/Every; i++ {
		fmt.Fprintf(l.W, "Worker %d Processed %d/%d images\n", l.Rank, i*Every, max(l.total, i*Every))
	}
}

// Finish writes how many images the rank processed and how long it took.
func (l *Lines) Finish(took time.Duration) {
	l.mu.Lock()
	defer l.mu.Unlock()
	fmt.Fprintf(l.W, "Worker %d Processed %d images, took %s\n", l.Rank, l.done, Timedelta(took))
}

// Timedelta formats d as Python's str(timedelta) does: H:MM:SS, a six-digit
// fraction unless it is zero, and days in words.
func Timedelta(d time.Duration) string {
	us := d.Microseconds()
	days := us / 86_400_000_000
	us %= 86_400_000_000
	s := us / 1_000_000
	out := fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	if f := us % 1_000_000; f != 0 {
		out += fmt.Sprintf(".%06d", f)
	}
	switch {
	case days == 1:
		return "1 day, " + out
	case days > 1:
		return fmt.Sprintf("%d days, %s", days, out)
	}
	return out
}
