package chart

import (
	"bytes"
	"cmp"
	"encoding/xml"
	"fmt"
	"strings"

	"github.com/batchscore/batchscore/scorer/telemetry/printable"
)

// style returns the style sheet. A program that knows no variables takes the colours
// of light screens.
func style() string {
	var light, dark, classes strings.Builder
	for _, c := range colours {
		fmt.Fprintf(&light, "--%s:%s;", c.class, c.light)
		fmt.Fprintf(&dark, "--%s:%s;", c.class, c.dark)
		fmt.Fprintf(&classes, ".chart .%[1]s{color:%[2]s;color:var(--%[1]s)}\n", c.class, c.light)
	}
	return "<style>\n.chart{" + light.String() + "background:var(--back);max-width:100%;height:auto}\n" +
		"@media(prefers-color-scheme:dark){.chart{" + dark.String() + "}}\n" + classes.String() +
		".chart text{fill:currentColor}\n.chart .title{font-weight:600}\n</style>\n"
}

// fontFamily is that of the reader's system.
const fontFamily = "system-ui,-apple-system,'Segoe UI',Roboto,'Helvetica Neue',Arial,sans-serif"

// markup is the text of the elements.
type markup struct{ bytes.Buffer }

func (m *markup) add(format string, args ...any) { fmt.Fprintf(m, format+"\n", args...) }

// SVG returns the chart as SVG.
func (d *Drawing) SVG() []byte {
	var body markup
	for _, s := range d.shapes {
		s.svg(&body)
	}
	var out bytes.Buffer
	fmt.Fprintf(&out, `<svg xmlns="http://www.w3.org/2000/svg" class="chart" role="img" width="%d" height="%.0f" viewBox="0 0 %[1]d %.0[2]f" `+
		`font-family="%[3]s" font-size="%.0[4]f">`+"\n", width, d.height, fontFamily, fontSize)
	fmt.Fprintf(&out, "<title>%s</title>\n%s", escaped(d.title), style())
	fmt.Fprintf(&out, `<rect class="back" fill="currentColor" width="100%%" height="100%%"/>`+"\n%s</svg>\n", &body)
	return out.Bytes()
}

// escaped returns text as XML has it.
func escaped(text string) string {
	var out bytes.Buffer
	_ = xml.EscapeText(&out, []byte(printable.Line(text))) // a buffer takes everything
	return out.String()
}

func (l label) svg(to *markup) {
	to.add(`<text class="%s" x="%.1f" y="%.1f" text-anchor="%s">%s</text>`, l.class, l.at.X, l.at.Y, cmp.Or(l.anchor, "start"), escaped(l.text))
}

func (b bar) svg(to *markup) {
	to.add(`<rect class="%s" fill="currentColor" x="%.1f" y="%.1f" width="%.1f" height="%v" rx="%d"/>`, b.class, b.at.X, b.at.Y, b.wide, b.high, barCorner)
}

func (l line) svg(to *markup) {
	to.add(`<path class="%s" stroke="currentColor" stroke-width="%v" d="M%.1f,%.1fL%.1f,%.1f"/>`, l.class, l.thick, l.from.X, l.from.Y, l.to.X, l.to.Y)
}

func (c curve) svg(to *markup) {
	var path strings.Builder
	for _, p := range c.points {
		fmt.Fprintf(&path, " %.1f,%.1f", p.X, p.Y)
	}
	dash := "none"
	if c.look.dash > 0 {
		dash = fmt.Sprintf("%d %d", c.look.dash, c.look.gap)
	}
	to.add(`<polyline class="%s" fill="none" stroke="currentColor" stroke-width="%v" stroke-linejoin="round" stroke-dasharray="%s" points="%s"/>`,
		c.look.class, c.look.width, dash, strings.TrimSpace(path.String()))
}

func (d dot) svg(to *markup) {
	to.add(`<path class="%s" fill="currentColor" transform="translate(%.1f,%.1f) scale(%.1f)" d="%s"/>`,
		d.look.class, d.at.X, d.at.Y, d.look.radius, d.look.mark.path)
}
