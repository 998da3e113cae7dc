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
	"unicode/utf8"

	"github.com/batchscore/batchscore/docs/terminal/sgr"
)

func main() {
	title := flag.String("title", "", "text of the title bar")
	columns := flag.Int("columns", 0, "least width of the screen in characters")
	look := dark
	flag.BoolFunc("light", "draw a light terminal", func(string) error { look = light; return nil })
	flag.Parse()
	if err := draw(os.Stdin, os.Stdout, look, *title, *columns); err != nil {
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

// palette is the sixteen colours that have names.
var palette = [16]string{
	"#484f58", "#ff7b72", "#3fb950", "#d29922", "#58a6ff", "#bc8cff", "#39c5cf", "#b1bac4",
	"#6e7681", "#ffa198", "#56d364", "#e3b341", "#79c0ff", "#d2a8ff", "#56d4dd", "#ffffff",
}

// theme is how a terminal looks.
type theme struct{ background, text, bar string }

var dark, light = theme{"#0d1117", "#e6edf3", "#8b949e"}, theme{"#ffffff", "#1f2328", "#59636e"}

// draw writes the screen that r holds as SVG. Blank lines at its end are left out.
func draw(r io.Reader, w io.Writer, look theme, title string, columns int) error {
	var lines [][]sgr.Run
	var now sgr.Style
	scanner := bufio.NewScanner(r)
	for scanner.Scan() {
		var line []sgr.Run
		line, now = sgr.Parse(scanner.Text(), now)
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
	fmt.Fprintf(b, "<title>%s</title>\n<rect width=\"%d\" height=\"%d\" rx=\"8\" fill=\"%s\"/>\n", html.EscapeString(title), right, bottom, look.background)
	for i, colour := range []string{"#ff5f57", "#febc2e", "#28c840"} {
		fmt.Fprintf(b, "<circle cx=\"%d\" cy=\"%d\" r=\"5\" fill=\"%s\"/>\n", margin+4+i*18, barHeight/2+2, colour)
	}
	fmt.Fprintf(b, "<text x=\"%d\" y=\"%d\" fill=\"%s\" text-anchor=\"middle\">%s</text>\n", right/2, barHeight/2+6, look.bar, html.EscapeString(title))
	for i, line := range lines {
		if width(line) == 0 {
			continue
		}
		fmt.Fprintf(b, `<text x="%d" y="%d" fill="%s" xml:space="preserve">`, margin, barHeight+margin+i*lineHeight+12, look.text)
		column := 0
		for _, r := range line {
			// Each run has its own place, so that columns align in any font.
			fmt.Fprintf(b, `<tspan x="%.1f" textLength="%.1f" lengthAdjust="spacingAndGlyphs"%s>%s</tspan>`, margin+float64(column)*charWidth,
				float64(utf8.RuneCountInString(r.Text))*charWidth, attributes(r.Style), html.EscapeString(r.Text))
			column += utf8.RuneCountInString(r.Text)
		}
		fmt.Fprintln(b, "</text>")
	}
	fmt.Fprintln(b, "</svg>")
	return b.Flush()
}

// width returns the number of characters of a line.
func width(line []sgr.Run) int {
	n := 0
	for _, r := range line {
		n += utf8.RuneCountInString(r.Text)
	}
	return n
}

// attributes returns how a run looks, as attributes of its element. Backgrounds are
// not drawn.
func attributes(s sgr.Style) string {
	var text string
	if s.Foreground >= sgr.Black && s.Foreground <= sgr.BrightWhite {
		text += ` fill="` + palette[s.Foreground-sgr.Black] + `"`
	}
	if s.Bold {
		text += ` font-weight="bold"`
	}
	if s.Dim {
		text += ` opacity="0.6"`
	}
	return text
}
