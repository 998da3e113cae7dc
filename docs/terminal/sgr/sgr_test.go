package sgr

import (
	"reflect"
	"testing"
)

func TestParse(t *testing.T) {
	green, bold := Style{Foreground: Black + 2}, Style{Bold: true}
	for _, tt := range []struct {
		name string
		line string
		from Style
		want []Run
		end  Style
	}{
		{name: "plain", line: "a  b  ", want: []Run{{Text: "a  b"}}},
		{name: "empty", line: "", from: bold, end: bold},
		{name: "colour and reset", line: "a \x1b[32mb\x1b[0m c", want: []Run{{Text: "a "}, {green, "b"}, {Text: " c"}}},
		{name: "style of the line before", line: "x\x1b[39m", from: green, want: []Run{{green, "x"}}},
		{
			name: "two parameters", line: "\x1b[1;91mx", want: []Run{{Style{Foreground: BrightBlack + 1, Bold: true}, "x"}},
			end: Style{Foreground: BrightBlack + 1, Bold: true},
		},
		{name: "no parameter", line: "\x1b[mx", from: bold, want: []Run{{Text: "x"}}},
		{name: "dim and back", line: "\x1b[2mx\x1b[22my", want: []Run{{Style{Dim: true}, "x"}, {Text: "y"}}},
		{name: "background", line: "\x1b[47mx", want: []Run{{Style{Background: Black + 7}, "x"}}, end: Style{Background: Black + 7}},
		{
			name: "one of 256", line: "\x1b[38;5;9;1mx", want: []Run{{Style{Foreground: BrightBlack + 1, Bold: true}, "x"}},
			end: Style{Foreground: BrightBlack + 1, Bold: true},
		},
		{name: "of three parts", line: "\x1b[48;2;1;4;7mx", want: []Run{{Style{Background: Other}, "x"}}, end: Style{Background: Other}},
		{name: "other sequences", line: "\x1b[2Kx\x1b[55my", want: []Run{{Text: "x"}, {Text: "y"}}},
		{name: "cut sequence", line: "x\x1b[3", want: []Run{{Text: "x"}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got, end := Parse(tt.line, tt.from)
			if !reflect.DeepEqual(got, tt.want) || end != tt.end {
				t.Errorf("Parse(%q) = %v, %v; want %v, %v", tt.line, got, end, tt.want, tt.end)
			}
		})
	}
}

func TestNames(t *testing.T) {
	for style, want := range map[Style]string{
		{}: "", {Bold: true, Foreground: Black + 1}: "bold red", {Dim: true}: "dim",
		{Foreground: BrightBlack, Background: BrightWhite, Reverse: true}: "reversed bright black on bright white",
		{Foreground: Other}: "a colour without a name",
	} {
		if got := style.String(); got != want {
			t.Errorf("%#v is %q, want %q", style, got, want)
		}
	}
}
