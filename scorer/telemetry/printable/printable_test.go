package printable

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"unicode/utf8"
)

// hostile are texts from outside, with how they are shown as a text and as a field.
var hostile = []struct{ name, from, text, field string }{
	{name: "plain", from: "a b.jpg", text: "a b.jpg", field: "a b.jpg"},
	{name: "other scripts", from: "Bücher/写真/é", text: "Bücher/写真/é", field: "Bücher/写真/é"},
	{name: "title of the window", from: "\x1b]0;PWNED\x07", text: `\u001b]0;PWNED\u0007`, field: `"\x1b]0;PWNED\a"`},
	{name: "colour", from: "\x1b[31mred", text: `\u001b[31mred`, field: `"\x1b[31mred"`},
	{name: "C1 in UTF-8", from: "\u009b31m", text: `\u009b31m`, field: `"\u009b31m"`},
	{name: "C1 as a byte", from: "\x9b31m", text: "\ufffd31m", field: `"\x9b31m"`},
	{name: "not UTF-8", from: "a\xff\xc3", text: "a\ufffd\ufffd", field: `"a\xff\xc3"`},
	{name: "overlong escape", from: "\xc0\x9b", text: "\ufffd\ufffd", field: `"\xc0\x9b"`},
	{name: "delete", from: "a\x7f", text: `a\u007f`, field: `"a\x7f"`},
	{name: "backspace", from: "rm\b\bls", text: `rm\u0008\u0008ls`, field: `"rm\b\bls"`},
	{name: "over the line", from: "bad\rok ", text: `bad\u000dok `, field: `"bad\rok "`},
	{name: "end of a line", from: "a\r\nb", text: "a\r\nb", field: `"a\r\nb"`},
	{name: "lines and tabs", from: "a\nb\tc", text: "a\nb\tc", field: `"a\nb\tc"`},
	{name: "page and column", from: "a\fb\vc", text: `a\u000cb\u000bc`, field: `"a\fb\vc"`},
	{name: "right to left", from: "gpj\u202e.exe", text: `gpj\u202e.exe`, field: `"gpj\u202e.exe"`},
	{name: "isolate", from: "\u2066a\u2069", text: `\u2066a\u2069`, field: `"\u2066a\u2069"`},
	{name: "line separators", from: "a\u2028b\u2029c\u0085d", text: `a\u2028b\u2029c\u0085d`, field: `"a\u2028b\u2029c\u0085d"`},
	{name: "no width", from: "a\u200bb\ufeffc\u2060", text: `a\u200bb\ufeffc\u2060`, field: `"a\u200bb\ufeffc\u2060"`},
	{name: "tags", from: "a\U000e0041", text: `a\udb40\udc41`, field: `"a\U000e0041"`},
	{name: "marks", from: "e" + strings.Repeat("\u0301", 10), text: "e" + strings.Repeat("\u0301", 8) + `\u0301\u0301`,
		field: `"e` + strings.Repeat(`\u0301`, 10) + `"`},
	{name: "a mark first", from: "\u0338a", text: "\u0338a", field: `"\u0338a"`},
	{name: "quotation marks", from: `a" b`, text: `a" b`, field: `"a\" b"`},
}

func TestHostile(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		t.Run(tt.name, func(t *testing.T) {
			if got := Text(tt.from); got != tt.text {
				t.Errorf("Text: got %q, want %q", got, tt.text)
			}
			if got := Field(tt.from); got != tt.field {
				t.Errorf("Field: got %q, want %q", got, tt.field)
			}
			if got := Line(tt.from); strings.ContainsAny(got, "\n\r\t\x1b") {
				t.Errorf("Line: got %q, want one line", got)
			}
			if got := Text(Text(tt.from)); got != Text(tt.from) && tt.name != "marks" {
				t.Errorf("Text of a text: got %q, want %q", got, tt.text)
			}
		})
	}
}

// TestTextOfJSON: what Text makes of JSON means the same.
func TestTextOfJSON(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		var encoded bytes.Buffer
		e := json.NewEncoder(&encoded)
		e.SetEscapeHTML(false)
		if err := e.Encode(tt.from); err != nil {
			t.Fatal(err)
		}
		var before, after string
		if err := json.Unmarshal(encoded.Bytes(), &before); err != nil {
			t.Fatal(err)
		}
		if err := json.Unmarshal([]byte(Text(encoded.String())), &after); err != nil || after != before {
			t.Errorf("%s: got %q, %v, want %q", tt.name, after, err, before)
		}
	}
}

// TestWriter: wherever a text is divided between two calls, the same is written.
func TestWriter(t *testing.T) {
	t.Parallel()
	for _, tt := range hostile {
		if tt.name == "marks" {
			continue // they are counted in each call
		}
		for at := range len(tt.from) + 1 {
			var out bytes.Buffer
			w := NewWriter(&out)
			for _, p := range []string{tt.from[:at], tt.from[at:]} {
				if n, err := w.Write([]byte(p)); n != len(p) || err != nil {
					t.Fatalf("got %d, %v, want %d", n, err, len(p))
				}
			}
			if err := w.Close(); err != nil || out.String() != tt.text {
				t.Errorf("%s, divided after %d bytes: got %q, %v, want %q", tt.name, at, out.String(), err, tt.text)
			}
		}
	}
}

// FuzzText: no text has anything left that is not printed.
func FuzzText(f *testing.F) {
	for _, tt := range hostile {
		f.Add(tt.from)
	}
	f.Fuzz(func(t *testing.T, s string) {
		for i, shown := range []string{Text(s), Line(s), Field(s)} {
			left := strings.ReplaceAll(shown, "\r\n", "\n")
			if i > 0 {
				left = shown
			}
			if !utf8.ValidString(left) || strings.ContainsFunc(left, Hidden) || i > 0 && strings.ContainsAny(left, "\n\t") {
				t.Errorf("%q is shown as %q", s, shown)
			}
		}
	})
}
