package telemetry

import (
	"fmt"
	"io"
	"strings"
	"sync"
	"time"
)

// Bar is a progress bar on a terminal, with rate, time left and failures. A nil Bar
// does nothing.
type Bar struct {
	w     io.Writer
	what  string
	width func() int
	now   func() time.Time

	mu      sync.Mutex
	done    int
	total   int
	failed  int
	note    string
	samples []sample
	drawn   int // characters of the line on the terminal
	dirty   bool
	closed  chan struct{} // nil before the bar has anything to show
}

// sample is how many images were done at a time.
type sample struct {
	at   time.Time
	done int
}

const (
	// BarWidth is the least width, in columns, of a terminal for a bar.
	BarWidth = 30
	// drawEvery is the time between two drawings.
	drawEvery = 200 * time.Millisecond
	// rateOver is how long the rate that the bar shows is measured, at most.
	rateOver = 20 * time.Second
	// rateAfter is how long it is measured at least.
	rateAfter = time.Second
)

// NewBar returns a bar on w, a terminal. what names the activity, such as
// "scoring", and width returns the number of columns.
func NewBar(w io.Writer, what string, width func() int) *Bar {
	return &Bar{w: w, what: what, width: width, now: time.Now}
}

// Above returns a writer of lines above the bar, which is drawn again below them.
func (b *Bar) Above(w io.Writer) io.Writer {
	if b == nil {
		return w
	}
	return &above{b, w}
}

type above struct {
	bar *Bar
	w   io.Writer
}

func (a *above) Write(p []byte) (int, error) {
	b := a.bar
	b.mu.Lock()
	defer b.mu.Unlock()
	b.clear()
	n, err := a.w.Write(p)
	if b.shown() {
		b.draw()
	}
	return n, err
}

// grow adds n images to the total, and shows the bar from then on.
func (b *Bar) grow(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total += n
	if b.closed == nil && b.total > 0 {
		b.samples = []sample{{b.now(), b.done}}
		b.closed = make(chan struct{})
		go b.redraw(b.closed)
		b.draw()
	}
	b.dirty = true
}

// shown reports whether there is a bar to draw. The caller has the lock.
func (b *Bar) shown() bool {
	if b.closed == nil {
		return false
	}
	select {
	case <-b.closed:
		return false
	default:
		return true
	}
}

// redraw draws the bar again and again, until closed is.
func (b *Bar) redraw(closed <-chan struct{}) {
	tick := time.NewTicker(drawEvery)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return
		case <-tick.C:
		}
		b.mu.Lock()
		// A terminal that has become narrower shows the old line in several.
		if b.shown() && (b.dirty || b.drawn >= b.width()) {
			b.clear()
			b.draw()
		}
		b.mu.Unlock()
	}
}

func (b *Bar) add(n, failed int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.done += n
	b.failed += failed
	b.dirty = true
}

// annotate sets the text at the end of the bar.
func (b *Bar) annotate(note string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note = note
	b.dirty = true
}

// clear removes the bar from the terminal. Where the terminal has become narrower since
// it was drawn, the bar is in several lines, the last of which has the cursor. The
// caller has the lock.
func (b *Bar) clear() {
	if b.drawn == 0 {
		return
	}
	text := "\r"
	if up := (b.drawn - 1) / max(b.width(), 1); up > 0 {
		text += fmt.Sprintf("\x1b[%dA", up)
	}
	b.drawn = 0
	// Scoring continues even if the terminal is gone.
	_, _ = io.WriteString(b.w, text+"\x1b[J")
}

// draw draws the bar, where the cursor is. The caller has the lock, and has cleared it.
func (b *Bar) draw() {
	now := b.now()
	b.samples = append(b.samples, sample{now, b.done})
	for len(b.samples) > 2 && now.Sub(b.samples[1].at) >= rateOver {
		b.samples = b.samples[1:]
	}
	line := b.line(b.width() - len("^C") - 1) // so that the cursor stays in the line, even after Ctrl-C
	b.drawn, b.dirty = len(line), false
	_, _ = io.WriteString(b.w, line)
}

// rate returns the images per second of late, 0 if that is not known yet. The caller
// has the lock.
func (b *Bar) rate() float64 {
	first, last := b.samples[0], b.samples[len(b.samples)-1]
	took := last.at.Sub(first.at)
	if took < rateAfter {
		return 0
	}
	return float64(last.done-first.done) / took.Seconds()
}

// line returns the bar in at most width characters. Of what there is no room for, the
// most important is how many images failed, then the rate, the time left, and which
// stage is the bottleneck.
func (b *Bar) line(width int) string {
	percent := 100
	if b.total > 0 {
		percent = min(100*b.done/b.total, 100)
	}
	count := fmt.Sprintf("%3d%% %d/%d", percent, b.done, b.total)
	line := b.what + " " + count
	if len(line) > width {
		return count[:min(len(count), max(width, 0))]
	}
	var parts []string
	if b.failed > 0 {
		parts = append(parts, fmt.Sprintf("%d failed", b.failed))
	}
	if r := b.rate(); r > 0 {
		parts = append(parts, Rate(r))
		if left := float64(b.total-b.done) / r; left > 0 {
			parts = append(parts, Duration(left)+" left")
		}
	}
	if b.note != "" {
		parts = append(parts, b.note)
	}
	for _, part := range parts {
		if len(line)+len(part)+2 <= width {
			line += ", " + part
		}
	}
	if room := width - len(line) - len("[] "); room >= 10 {
		size := min(room, 30)
		filled := size * percent / 100
		line = b.what + " [" + strings.Repeat("#", filled) + strings.Repeat(".", size-filled) + "]" + line[len(b.what):]
	}
	return line
}

func (b *Bar) close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.shown() {
		close(b.closed)
	}
	b.clear()
}
