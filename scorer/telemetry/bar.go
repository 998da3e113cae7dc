package telemetry

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/schollz/progressbar/v3"
)

// Bar is a progress bar on a terminal, with rate, time left and failures. A nil Bar
// does nothing.
type Bar struct {
	mu     sync.Mutex
	bar    *progressbar.ProgressBar
	what   string
	width  func() int
	total  int
	failed int
	note   string
	closed bool
}

// BarWidth is the least width, in columns, of a terminal for a bar. A bar that does
// not fit into one line cannot be drawn over.
const BarWidth = 64

// NewBar returns a bar on w, a terminal. what names the activity, such as
// "scoring", and width returns the number of columns. The caller decides about
// colour, which NO_COLOR turns off.
func NewBar(w io.Writer, what string, width func() int, colour bool) *Bar {
	return &Bar{what: what, width: width, bar: progressbar.NewOptions(0,
		progressbar.OptionSetWriter(w),
		progressbar.OptionSetDescription(what),
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

// Above returns a writer of lines above the bar. It clears the bar, writes to w, and
// the bar is drawn again below.
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
	// Scoring continues even if the terminal is gone.
	_ = b.bar.Add(n)
}

// annotate sets the text next to the bar.
func (b *Bar) annotate(note string) {
	if b == nil {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.note = note
	b.describe()
}

func (b *Bar) describe() {
	const figures = " 100% || (/, 1000 images/s) [10h59m59s:10h59m59s]"
	b.bar.Describe(b.description(b.width() - len(figures) - 2*len(strconv.Itoa(b.total))))
}

// description returns the text before the bar, as much as there is room for. The
// most important is how many images failed, then which stage is the bottleneck.
func (b *Bar) description(room int) string {
	_, short, cut := strings.Cut(b.note, ", ")
	if !cut {
		short = b.note
	}
	failures := ""
	if b.failed > 0 {
		failures = fmt.Sprintf("%d failed", b.failed)
	}
	for _, parts := range [][]string{
		{b.what, b.note, failures}, {b.note, failures}, {short, failures}, {failures}, {short}, {b.what},
	} {
		text := strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), ", ")
		if text != "" && len(text) <= room {
			return text
		}
	}
	return ""
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
