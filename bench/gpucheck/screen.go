package gpucheck

import (
	"fmt"
	"io"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/columns"
	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// Screen says how a table is shown.
type Screen struct {
	Width  int  // columns; 0 for any
	Colour bool // of the verdicts
}

// The colours of verdicts, which can be read on light and dark backgrounds.
var colours = map[Verdict]string{Pass: "\x1b[32m", Fail: "\x1b[31m", NotMeasured: "\x1b[33m"}

const noColour = "\x1b[0m"

// verdictWidth is the width of the widest verdict, and of the space behind it.
const verdictWidth = len(NotMeasured) + 2

// Line returns the lines of one result: its verdict, its name, and what was measured or
// why it was not.
func (s Screen) Line(r *Result) string {
	const nameWidth = 22
	head := columns.Pad(printable.Line(r.ID()), nameWidth)
	indent := verdictWidth + nameWidth
	text := r.Measured
	switch {
	case r.Verdict == NotMeasured || text == "":
		text = r.Reason
	case r.Verdict == Fail:
		text += "; " + r.Reason
	}
	room := 0
	if s.Width > 0 {
		room = max(s.Width-indent, 20)
	}
	lines := columns.Fit(printable.Text(oneLine(text)), room)
	verdict := columns.Pad(string(r.Verdict), verdictWidth)
	if s.Colour {
		verdict = colours[r.Verdict] + string(r.Verdict) + noColour + verdict[len(r.Verdict):]
	}
	return strings.TrimRight(verdict+head+strings.Join(lines, "\n"+strings.Repeat(" ", indent)), " ") + "\n"
}

// oneLine returns a text without line breaks.
func oneLine(text string) string { return strings.Join(strings.Fields(text), " ") }

// Summary returns in one line how many claims have which verdict.
func (r *Report) Summary() string {
	return fmt.Sprintf("%d of %d claims hold, %d fail, %d not measured", r.Count(Pass), len(r.Claims), r.Count(Fail), r.Count(NotMeasured))
}

// Write prints the table of all claims.
func (r *Report) Write(w io.Writer, s Screen) error {
	var b strings.Builder
	for _, text := range r.warnings() {
		b.WriteString(strings.Join(columns.Fit(printable.Text(text), s.Width), "\n") + "\n\n")
	}
	for i := range r.Claims {
		b.WriteString(s.Line(&r.Claims[i]))
	}
	fmt.Fprintf(&b, "\n%s\n", strings.Join(columns.Fit(r.Summary(), s.Width), "\n"))
	_, err := io.WriteString(w, b.String())
	return err
}
