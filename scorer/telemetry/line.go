package telemetry

import (
	"fmt"
	"io"
	"strings"
	"sync"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Line is a line at the bottom of a terminal, which is drawn again and again, below all
// that is written above it. Its methods may be called from several goroutines.
type Line struct {
	w     io.Writer
	width func() int
	text  func(width int) string

	mu     sync.Mutex
	shown  string // what is on the terminal
	drawn  int    // its columns
	closed bool
}

// NewLine returns a line on w, a terminal that takes escape sequences. width returns the number of its columns, and
// text what the line says in at most so many; nothing is drawn if that is empty.
func NewLine(w io.Writer, width func() int, text func(width int) string) *Line {
	return &Line{w: w, width: width, text: text}
}

// Draw draws the line if its text has changed, or if the terminal has become narrower,
// which shows the old line in several.
func (l *Line) Draw() {
	l.mu.Lock()
	defer l.mu.Unlock()
	width := l.width()
	text := l.say(width)
	if text == l.shown && l.drawn < width {
		return
	}
	// What is under way continues even if the terminal is gone.
	_, _ = io.WriteString(l.w, l.clear(width)+l.draw(text))
}

// say returns the text for a terminal of this width. The caller has the lock.
func (l *Line) say(width int) string {
	if l.closed {
		return ""
	}
	return printable.Line(l.text(max(width-len("^C")-1, 1))) // so that the cursor stays in the line, even after Ctrl-C
}

// clear returns what removes the line from a terminal of this width. Where that has become
// narrower since, the line is in several, the last of which has the cursor. The caller has
// the lock.
func (l *Line) clear(width int) string {
	if l.drawn == 0 {
		return ""
	}
	text := "\r"
	if up := (l.drawn - 1) / max(width, 1); up > 0 {
		text += fmt.Sprintf("\x1b[%dA", up)
	}
	l.shown, l.drawn = "", 0
	return text + "\x1b[J"
}

// draw returns what draws a text where the cursor is. The caller has the lock, and has
// cleared the line.
func (l *Line) draw(text string) string {
	l.shown, l.drawn = text, columns.Width(text)
	return text
}

// Above returns a writer of whole lines to w above the line, which is drawn again below
// them.
func (l *Line) Above(w io.Writer) io.Writer { return &above{l, w} }

type above struct {
	line *Line
	w    io.Writer
}

func (a *above) Write(p []byte) (int, error) {
	l := a.line
	l.mu.Lock()
	defer l.mu.Unlock()
	width := l.width()
	if text := l.clear(width); text != "" {
		_, _ = io.WriteString(l.w, text)
	}
	n, err := a.w.Write(p)
	if text := l.say(width); text != "" {
		_, _ = io.WriteString(l.w, l.draw(text))
	}
	return n, err
}

// Close removes the line.
func (l *Line) Close() {
	l.mu.Lock()
	l.closed = true
	l.mu.Unlock()
	l.Draw()
}

// Gauge returns a bar in which so many per cent are done, so many columns wide without
// its brackets.
func Gauge(width, percent int) string {
	filled := width * percent / 100
	return "[" + strings.Repeat("#", filled) + strings.Repeat(".", width-filled) + "]"
}
