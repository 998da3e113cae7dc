package telemetry

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Every is after how many images a rank says how far it is.
const Every = 100

// Lines writes one rank's progress in the words of the 2018 recipe, so that
// tools which read its logs read ours. Each line is one Write.
type Lines struct {
	W    io.Writer
	Rank int

	mu    sync.Mutex
	done  int
	total int
}

// Start says how many images the rank's share still holds.
func (l *Lines) Start(total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.total = 0, total
	fmt.Fprintf(l.W, "Worker %d needs to process %d images\n", l.Rank, total)
}

// Grow adds images to the total when the rank takes over a chunk of another.
func (l *Lines) Grow(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += n
}

// Add books n images and writes a line for every hundred passed.
func (l *Lines) Add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	before := l.done / Every
	l.done += n
	for i := before + 1; i <= l.done/Every; i++ {
		fmt.Fprintf(l.W, "Worker %d Processed %d/%d images\n", l.Rank, i*Every, max(l.total, i*Every))
	}
}

// Finish says how many images the rank processed and how long it took.
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
