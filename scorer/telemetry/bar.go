package telemetry

import (
	"fmt"
	"io"
	"sync"
	"time"
)

// Bar is a progress bar on a terminal, with rate, time left and failures. A nil Bar
// does nothing.
type Bar struct {
	what string
	live *Line
	now  func() time.Time

	mu      sync.Mutex
	done    int
	total   int
	failed  int
	note    string
	samples []sample
	closed  chan struct{} // nil before the bar has anything to show
	over    bool          // closed is
	dirty   bool          // the last sample is old
}

// sample is how many images were done at a time.
type sample struct {
	at   time.Time
	done int
}

const (
	// BarWidth is the least width, in columns, of a terminal for a bar.
	BarWidth = 30
	// DrawEvery is the time between two drawings.
	DrawEvery = 200 * time.Millisecond
	// rateOver is how long the rate that the bar shows is measured, at most.
	rateOver = 20 * time.Second
	// rateAfter is how long it is measured at least.
	rateAfter = time.Second
)

// NewBar returns a bar on w, a terminal. what names the activity, such as
// "scoring", and width returns the number of columns.
func NewBar(w io.Writer, what string, width func() int) *Bar {
	b := &Bar{what: what, now: time.Now}
	b.live = NewLine(w, width, b.text)
	return b
}

// Above returns a writer of lines above the bar, which is drawn again below them.
func (b *Bar) Above(w io.Writer) io.Writer {
	if b == nil {
		return w
	}
	return b.live.Above(w)
}

// grow adds n images to the total, and shows the bar from then on.
func (b *Bar) grow(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	b.total += n
	b.dirty = true
	first := b.closed == nil && b.total > 0
	if first {
		b.samples = []sample{{b.now(), b.done}}
		b.closed = make(chan struct{})
		go b.redraw(b.closed)
	}
	b.mu.Unlock()
	if first {
		b.live.Draw()
	}
}

// redraw draws the bar again and again, until closed is.
func (b *Bar) redraw(closed <-chan struct{}) {
	tick := time.NewTicker(DrawEvery)
	defer tick.Stop()
	for {
		select {
		case <-closed:
			return
		case <-tick.C:
		}
		b.live.Draw()
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

// text returns the bar for so many columns, or "" before there is one.
func (b *Bar) text(width int) string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.closed == nil {
		return ""
	}
	if b.dirty {
		b.sample()
	}
	return b.line(width)
}

// sample notes how many images are done by now. The caller has the lock.
func (b *Bar) sample() {
	now := b.now()
	b.samples, b.dirty = append(b.samples, sample{now, b.done}), false
	for len(b.samples) > 2 && now.Sub(b.samples[1].at) >= rateOver {
		b.samples = b.samples[1:]
	}
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
		line = b.what + " " + Gauge(min(room, 30), percent) + line[len(b.what):]
	}
	return line
}

func (b *Bar) close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	if b.closed != nil && !b.over {
		close(b.closed)
		b.over = true
	}
	b.mu.Unlock()
	b.live.Close()
}
