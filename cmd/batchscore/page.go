package main

import (
	"cmp"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"

	"github.com/batchscore/batchscore/scorer/row"
	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// page is text for people, in lines of a name and what there is to say under it.
type page struct {
	strings.Builder
	width int // of the terminal; 0 if lines may have any width
	// merged is the file that has all rows of the result; empty for none.
	merged string
}

// newPage returns a page for w.
func newPage(w io.Writer) *page {
	return &page{width: widthOf(w)}
}

// print writes the page. Nothing is lost if the terminal is gone.
func (p *page) print(w io.Writer) { _, _ = io.WriteString(w, p.String()) }

// nameWidth is the width of the names, with the space behind them.
const nameWidth = 11

// say adds a line, or several if it does not fit.
func (p *page) say(name, text string) { p.wrap(columns.Pad(name, nameWidth), text, "") }

// sayf is say with a format.
func (p *page) sayf(name, format string, args ...any) { p.say(name, fmt.Sprintf(format, args...)) }

// command adds a command to copy. It is never broken or shortened.
func (p *page) command(name, command string) { p.wrap(columns.Pad(name, nameWidth), "", command) }

// toCopy adds a text that people copy, such as an ID or a path. It is never shortened:
// if there is no room for it behind its name, it begins in the line below.
func (p *page) toCopy(name, text string) {
	text = printable.Field(text)
	if p.width <= 0 || columns.Width(text) <= p.width-nameWidth {
		p.WriteString(columns.Pad(name, nameWidth) + text + "\n")
		return
	}
	p.WriteString(name + "\n")
	for _, line := range columns.Fold(text, p.width) {
		p.WriteString(line + "\n")
	}
}

// trouble adds what went wrong. It is never shortened, because it may hold a path or a
// command.
func (p *page) trouble(name, text string) {
	head := columns.Pad(name, nameWidth)
	for _, line := range columns.Wrap(text, p.room(head)) {
		for _, piece := range columns.Fold(line, p.room(head)) {
			p.WriteString(head + piece + "\n")
			head = strings.Repeat(" ", nameWidth)
		}
	}
}

// room returns how many columns there are behind a head: 0 for any number.
func (p *page) room(head string) int {
	if p.width <= 0 {
		return 0
	}
	return max(p.width-columns.Width(head), 1)
}

// wrap adds text behind head, in lines that fit, and a command behind the text. The
// command is never broken. It has a line of its own if there is no room for it in the
// first, because it is easier to copy from there.
func (p *page) wrap(head, text, command string) {
	room := p.room(head)
	text, command = printable.Line(text), printable.Line(command)
	lines := []string{text + command}
	if room > 0 && columns.Width(lines[0]) > room {
		lines = columns.Fit(text, room)
		if command != "" {
			lines = append(lines, command)
		}
	}
	for _, line := range lines {
		p.WriteString(head + line + "\n")
		head = strings.Repeat(" ", columns.Width(head))
	}
}

// chartLabels is how many labels a chart shows.
const chartLabels = 10

// answers adds a chart of the labels of that many images with an answer, and how certain the
// answers are.
func (p *page) answers(a *row.Summary, answered int) {
	if len(a.Labels) > 0 {
		p.chart(a, answered)
	}
	if c := a.Certainty; c != nil {
		p.say("Certainty", fmt.Sprintf("%.2f on average; the least is %.2f, of %s", c.Mean, c.Least, printable.Field(c.Path)))
	}
}

// chart adds a line with a bar for each of the labels of most images, and the share of the
// images with an answer: one may have several labels, or none.
func (p *page) chart(a *row.Summary, answered int) {
	width := cmp.Or(p.width, 80)
	shown := a.Labels[:min(len(a.Labels), chartLabels)]
	most, other, rest := shown[0].Images, a.OtherLabels+len(a.Labels)-len(shown), a.OtherImages
	for _, l := range a.Labels[len(shown):] {
		rest += l.Images
	}
	labels := nameWidth - 1
	for _, l := range shown {
		labels = max(labels, columns.Width(printable.Field(l.Label)))
	}
	labels = min(labels, width/3)
	digits := len(strconv.Itoa(most))
	longest := max(min(width-labels-digits-len("   100%  "), longestBar), 0)
	for _, l := range shown {
		fmt.Fprintf(p, "%s  %*d %4s  %s\n", columns.Pad(columns.Shorten(printable.Field(l.Label), labels), labels), digits, l.Images,
			share(l.Images, max(answered, most)), bar(l.Images, most, longest))
	}
	if other > 0 {
		p.wrap("", fmt.Sprintf("and %s, of %s", numberOf(other, "more label"), images(rest)), "")
	}
}

// share returns n of all in per cent.
func share(n, all int) string {
	switch percent := 100 * float64(n) / float64(all); {
	case percent < 1:
		return "<1%"
	case percent > 99 && n < all:
		return "99%"
	default:
		return fmt.Sprintf("%.0f%%", percent)
	}
}

// fromHere returns a local path relative to the working directory if it is below that,
// and else the place as it is.
func fromHere(place string) string {
	here, err := os.Getwd()
	if err != nil || !isLocal(place) || !filepath.IsAbs(place) {
		return place
	}
	short, err := filepath.Rel(here, place)
	if err != nil || !filepath.IsLocal(short) {
		return place
	}
	return short
}
