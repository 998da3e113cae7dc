package main

import (
	"strings"
	"testing"
)

func TestDraw(t *testing.T) {
	var b strings.Builder
	if err := draw(strings.NewReader("a <b>\n\n\x1b[32mok\x1b[0m\n\n\n"), &b, dark, "title & more", 20); err != nil {
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
