// Command terminal draws the screen of a terminal as SVG: it reads what
// "tmux capture-pane -p -e" writes, and writes the picture.
//
//	tmux capture-pane -p -e | go run ./docs/terminal -title 'batchscore jobs status --watch' >screen.svg
//
// record.sh does so for the pictures in the documents.
package main

import (
	"bufio"
	"flag"
	"fmt"
	"html"
	"io"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"
)

func main() {
	title := flag.String("title", "", "text of the title bar")
	columns := flag.Int("columns", 0, "least width of the screen in characters")
	flag.Parse()
	if err := draw(os.Stdin, os.Stdout, *title, *columns); err != nil {
		fmt.Fprintln(os.Stderr, "terminal:", err)
		os.Exit(1)
	}
}

// Sizes in pixels, of a monospaced font.
const (
	charWidth  = 7.8
	lineHeight = 17
	margin     = 14
	barHeight  = 28
)

// palette is the sixteen colours of SGR 30 to 37 and 90 to 97.
var palette = [16]string{
	"#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
	"#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
}

// style is how characters look.
type style struct {
	colour string // empty is the default
	bold   bool
}

// run is a piece of a line in one style.
type run struct {
	style
	text string
}

// draw writes the screen that r holds as SVG. Blank lines at its end are left out.
func draw(r io.Reader, w io.Writer, title string, columns int) error {
	var lines [][]run
	var now style
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		var line []run
		line, now = parse(scanner.Text(), now)
		lines = append(lines, line)
	}
	if err := scanner.Err(); err != nil {
		return err
	}
	for len(lines) > 0 && width(lines[len(lines)-1]) == 0 {
		lines = lines[:len(lines)-1]
	}
	for _, line := range lines {
		columns = max(columns, width(line))
	}
	right, bottom := int(float64(columns)*charWidth)+2*margin, barHeight+len(lines)*lineHeight+2*margin
	b := bufio.NewWriter(w)
	fmt.Fprintf(b, `<svg xmlns="http://www.w3.org/2000/svg" width="%d" height="%d" viewBox="0 0 %d %d" role="img" `+
		`font-family="ui-monospace,SFMono-Regular,Menlo,Consolas,'DejaVu Sans Mono',monospace" font-size="13">`+"\n", right, bottom, right, bottom)
	fmt.Fprintf(b, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"#0d1117\"/>\n", html.EscapeString(title), right, bottom)
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(b, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" fill=\"%s\"/>\n", margin+4+i*18, barHeight/2+2, colour)
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" fill=\"#8b949e\" text-anchor=\"middle\">%s</text>\n", right/2, barHeight/2+6, html.EscapeString(title))
	for i, line := range lines {
		if width(line) == 0 {
			continue
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="#e6edf3" xml:space="preserve">`, margin, barHeight+margin+i*lineHeight+12)
		column := 0
		for _, r := range line {
			// Each run has its own place, so that columns align in any font.
			fmt.Fprintf(b, `<tspan x="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</tspan>`, margin+float64(column)*charWidth,
				float64(utf8.RuneCountInString(r.text))*charWidth, r.attributes(), html.EscapeString(r.text))
			column += utf8.RuneCountInString(r.text)
		}
		fmt.Fprintln(b, "</text>")
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

// width returns the number of characters of a line.
func width(line []run) int {
	n := 0
	for _, r := range line {
		n += utf8.RuneCountInString(r.text)
	}
	return n
}

func (s style) attributes() string {
	var text string
	if s.colour != "" {
		text += ` fill="` + s.colour + `"`
	}
	if s.bold {
		text += ` font-weight="bold"`
	}
	return text
}

// parse splits a line into runs, beginning in the given style, and returns the
// style at its end. Spaces at the end of the line are dropped.
func parse(line string, now style) ([]run, style) {
	var runs []run
	line = strings.TrimRight(line, " ")
	for line != "" {
		text, rest, escape := strings.Cut(line, "\x1b[")
		if text != "" {
			runs = append(runs, run{now, text})
		}
		if !escape {
			break
		}
		end := strings.IndexFunc(rest, func(r rune) bool { return r >= '@' && r <= '~' })
		if end < 0 {
			break
		}
		if rest[end] == 'm' {
			now = now.apply(rest[:end])
		}
		line = rest[end+1:]
	}
	return runs, now
}

// apply returns the style after the parameters of an SGR sequence. What it does not
// know changes nothing.
func (s style) apply(parameters string) style {
	for _, p := range strings.Split(parameters, ";") {
		n, err := strconv.Atoi(p)
		switch {
		case p == "" || n == 0:
			s = style{}
		case err != nil:
		case n == 1:
			s.bold = true
		case n == 22:
			s.bold = false
		case n == 39:
			s.colour = ""
		case n >= 30 && n <= 37:
			s.colour = palette[n-30]
		case n >= 90 && n <= 97:
			s.colour = palette[n-90+8]
		}
	}
	return s
}
