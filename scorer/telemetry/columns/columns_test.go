package columns

import (
	"fmt"
	"slices"
	"strings"
	"testing"
)

const red = "\x1b[31m"

func TestShorten(t *testing.T) {
	for _, test := range []struct {
		text      string
		width     int
		want, cut string
	}{
		{text: "album/2019/photo.jpg", width: 20, want: "album/2019/photo.jpg", cut: "album/2019/photo.jpg"},
		{text: "album/2019/photo.jpg", width: 13, want: "albu…hoto.jpg", cut: "album/2019/p…"},
		{text: "album", width: 1, want: "…", cut: "…"},
		{text: "album", width: 0, want: "", cut: "album"},
		{text: "写真の名前.jpg", width: 9, want: "写…前.jpg", cut: "写真の名…"},
		{text: "写真の名前.jpg", width: 8, want: "写….jpg", cut: "写真の…"},
		{text: "e\u0301e\u0301e\u0301e\u0301e\u0301", width: 4, want: "e\u0301…e\u0301e\u0301", cut: "e\u0301e\u0301e\u0301…"},
		{text: red + "album", width: 4, want: red + "a…um", cut: red + "alb…"},
	} {
		t.Run(fmt.Sprint(test.text, " ", test.width), func(t *testing.T) {
			if got := Shorten(test.text, test.width); got != test.want {
				t.Errorf("Shorten(%q, %d) = %q, want %q", test.text, test.width, got, test.want)
			}
			if got := Cut(test.text, test.width); got != test.cut {
				t.Errorf("Cut(%q, %d) = %q, want %q", test.text, test.width, got, test.cut)
			}
		})
	}
}

func TestWrap(t *testing.T) {
	for _, test := range []struct {
		text        string
		width, most int
		want        []string
	}{
		{text: "a bc  def\tg", width: 4, want: []string{"a bc", "def", "g"}},
		{text: "a bc  def", width: 0, want: []string{"a bc  def"}},
		{text: "", width: 4},
		{text: "写真 の 名前", width: 7, want: []string{"写真 の", "名前"}},
		{text: "a longword b", width: 4, want: []string{"a", "longword", "b"}},
		{text: "a b c d e", width: 3, most: 2, want: []string{"a b", "c d e"}},
		{text: red + "a b", width: 13, want: []string{`\u001b[31ma b`}},
		{text: "a\nb", width: 0, want: []string{"a b"}},
	} {
		t.Run(test.text, func(t *testing.T) {
			if got := WrapMost(test.text, test.width, test.most); !slices.Equal(got, test.want) {
				t.Errorf("got %q, want %q", got, test.want)
			}
		})
	}
	if got, want := Hang("12:00 a  bc def", 10, 6), []string{"12:00 a ", "      bc", "      def"}; !slices.Equal(got, want) {
		t.Errorf("Hang: got %q, want %q", got, want)
	}
	for _, c := range []struct {
		line string
		want []string
	}{
		{line: `run --out 'a b' now`, want: []string{"run --out", "  'a b' now"}},
		{line: `run --out="a b"`, want: []string{"run", `  --out="a b"`}},
		{line: `it's a job's b`, want: []string{"it's a job's", "  b"}},
		{line: `'a b c d e f g`, want: []string{"'a b c d e f", "  g"}},
		{line: `'a b c d e f g'`, want: []string{"'a b c d e f", "  g'"}}, // a terminal would break it at the first column
	} {
		if got := Hang(c.line, 13, 2); !slices.Equal(got, c.want) {
			t.Errorf("Hang(%q): got %q, want %q", c.line, got, c.want)
		}
	}
	if got, want := Fit("a longword b", 4), []string{"a", "l…rd", "b"}; !slices.Equal(got, want) {
		t.Errorf("Fit: got %q, want %q", got, want)
	}
}

// TestFold: nothing is lost, and no piece is too wide.
func TestFold(t *testing.T) {
	for _, text := range []string{"", "abc", strings.Repeat("写真", 30), strings.Repeat("e\u0301", 50), red + strings.Repeat("👩🏽x", 20)} {
		for width := range 20 {
			got := Fold(text, width)
			if strings.Join(got, "") != text {
				t.Errorf("Fold(%q, %d) = %q", text, width, got)
			}
			for _, piece := range got {
				if n := Width(piece); width > 1 && n > width {
					t.Errorf("Fold(%q, %d) has a piece of %d: %q", text, width, n, piece)
				}
			}
		}
	}
	if got := Fold(strings.Repeat("写", 4), 5); len(got) != 2 {
		t.Errorf("got %q, want two pieces", got)
	}
}

func TestPad(t *testing.T) {
	if got := Pad("写真", 5) + PadLeft("写", 3) + Pad("long", 2) + Pad(red+"a", 2); got != "写真  写long"+red+"a " {
		t.Errorf("got %q", got)
	}
}

func TestTable(t *testing.T) {
	got := Table([][]string{{"name", "n", "what"}, {"写真の", "123", "x"}, {"a", "1", "", "<- best"}}, func(i int) bool { return i == 1 })
	want := []string{"name      n  what", "写真の  123  x", "a         1    <- best"}
	if !slices.Equal(got, want) {
		t.Errorf("got %q, want %q", got, want)
	}
}
