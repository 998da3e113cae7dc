package telemetry

import (
	"fmt"
	"io"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar is a progress bar with rate, time left and failures, for a terminal. A
// nil Bar does nothing.
type Bar struct {
	mu     sync.Mutex
	bar    *progressbar.ProgressBar
	total  int
	failed int
	note   string
	closed bool
}

// NewBar draws on w, which is a terminal. Colour follows the caller's reading
// of NO_COLOR.
func NewBar(w io.Writer, colour bool) *Bar {
	return &Bar{bar: progressbar.NewOptions(0,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription("scoring"),
		progressbar.OptionSetWidth(30),
		progressbar.OptionShowCount(),
		progressbar.OptionShowIts(),
		progressbar.OptionSetItsString("images"),
		progressbar.OptionSetPredictTime(true),
		progressbar.OptionThrottle(200*time.Millisecond),
		progressbar.OptionEnableColorCodes(colour),
		progressbar.OptionUseANSICodes(true),
		progressbar.OptionClearOnFinish(),
	)}
}

// Above returns a writer that puts lines above the bar: it clears the bar,
// writes to w, and leaves the bar to be drawn again below.
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
	a.bar.mu.Lock()
	defer a.bar.mu.Unlock()
	if a.bar.closed || a.bar.total == 0 {
		return a.w.Write(p)
	}
	if err := a.bar.bar.Clear(); err != nil {
		return 0, err
	}
	n, err := a.w.Write(p)
	if err == nil {
		err = a.bar.bar.RenderBlank()
	}
	return n, err
}

func (b *Bar) grow(n int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.total += n
	b.bar.ChangeMax(b.total)
}

func (b *Bar) add(n, failed int) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if failed > 0 {
		b.failed += failed
		b.describe()
	}
	// A terminal that went away is no reason to stop scoring.
	_ = b.bar.Add(n)
}

// tell sets what stands beside the bar.
func (b *Bar) tell(note string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note = note
	b.describe()
}

func (b *Bar) describe() {
	text := "scoring"
	if b.note != "" {
		text += ", " + b.note
	}
	if b.failed > 0 {
		text += fmt.Sprintf(", %d failed", b.failed)
	}
	b.bar.Describe(text)
}

func (b *Bar) close() {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.closed = true
	_ = b.bar.Clear()
}
