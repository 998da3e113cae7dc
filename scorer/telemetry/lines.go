package telemetry

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// The least number of images between two lines of progress, and the time after which
// there is one at the next multiple of that number.
const (
	lineImages = 100
	lineEvery  = time.Minute
)

// Lines writes one rank's progress in the words of the 2018 recipe, so that tools
// that read its logs can read ours. Each line is one Write.
type Lines struct {
	W    io.Writer
	Rank int
	// Shared says that there are other ranks, which may take over images of this
	// rank's share, or leave it some of theirs.
	Shared bool
	// Quiet leaves out all lines but the last.
	Quiet bool
	// Now is the time; nil is that of the system.
	Now func() time.Time

	mu     sync.Mutex
	done   int
	total  int
	lineAt time.Time // when the last line was written
}

func (l *Lines) now() time.Time {
	if l.Now == nil {
		return time.Now()
	}
	return l.Now()
}

// Start writes how many images of the rank's share are to be scored.
func (l *Lines) Start(total int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.done, l.total, l.lineAt = 0, total, l.now()
	if l.Quiet {
		return
	}
	more := ""
	if l.Shared {
		more = " at first; fast workers take over from slow ones"
	}
	fmt.Fprintf(l.W, "Worker %d needs to process %d images%s\n", l.Rank, total, more)
}

// Grow adds the images of a chunk of another rank to the total.
func (l *Lines) Grow(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.total += n
}

// Add counts n images. It writes a line for every hundred up to a thousand, then for
// every thousand, and so on, but every minute at least.
func (l *Lines) Add(n int) {
	l.mu.Lock()
	defer l.mu.Unlock()
	step := lineImages
	for 10*step <= l.done {
		step *= 10
	}
	now, before := l.now(), l.done
	l.done += n
	if now.Sub(l.lineAt) >= lineEvery {
		step = lineImages
	}
	if l.Quiet || before/step == l.done/step {
		return
	}
	l.lineAt = now
	at := l.done / step * step
	fmt.Fprintf(l.W, "Worker %d Processed %d/%d images\n", l.Rank, at, max(l.total, at))
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
