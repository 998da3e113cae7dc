package main

import (
	"reflect"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	green, bold := style{colour: palette[2]}, style{bold: true}
	for _, tt := range []struct {
		name string
		line string
		from style
		want []run
		end  style
	}{
		{name: "plain", line: "a  b  ", want: []run{{text: "a  b"}}},
		{name: "empty", line: "", from: bold, end: bold},
		{name: "colour and reset", line: "a \x1b[32mb\x1b[0m c", want: []run{{text: "a "}, {green, "b"}, {text: " c"}}},
		{name: "style of the line before", line: "x\x1b[39m", from: green, want: []run{{green, "x"}}},
		{name: "two parameters", line: "\x1b[1;91mx", want: []run{{style{palette[9], true}, "x"}}, end: style{palette[9], true}},
		{name: "no parameter", line: "\x1b[mx", from: bold, want: []run{{text: "x"}}},
		{name: "other sequences", line: "\x1b[2Kx\x1b[48my", want: []run{{text: "x"}, {text: "y"}}},
		{name: "cut sequence", line: "x\x1b[3", want: []run{{text: "x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, end := parse(tt.line, tt.from)
			if !reflect.DeepEqual(got, tt.want) || end != tt.end {
				t.Errorf("parse(%q) = %v, %v; want %v, %v", tt.line, got, end, tt.want, tt.end)
			}
		})
	}
}

func TestDraw(t *testing.T) {
	var b strings.Builder
	if err := draw(strings.NewReader("a <b>\n\n\x1b[32mok\x1b[0m\n\n\n"), &b, "title & more", 20); err != nil {
		t.Fatal(err)
	}
	svg := b.String()
	for _, want := range []string{
		`width="184" height="107"`, "title &amp; more", "a &lt;b&gt;",
		`<tspan x="14.0" textLength="15.6" lengthAdjust="spacingAndGlyphs" fill="#3fb950">ok</tspan>`,
	} {
		if !strings.Contains(svg, want) {
			t.Errorf("the picture does not contain %q:\n%s", want, svg)
		}
	}
	if n := strings.Count(svg, "<text"); n != 3 {
		t.Errorf("the picture has %d lines of text, want 3: the title and two lines", n)
	}
}
