package shellquote

import (
	"os/exec"
	"strconv"
	"strings"
	"testing"
)

func TestJoin(t *testing.T) {
	got := Join([]string{"batchscore", "run", "--images", "az://a/b c", "it's", "", "$HOME"})
	if want := `batchscore run --images 'az://a/b c' 'it'\''s' '' '$HOME'`; got != want {
		t.Errorf("Join() = %s, want %s", got, want)
	}
}

// A shell reads every word back as it was.
func TestQuoteIsReadBack(t *testing.T) {
	words := []string{"", "plain", "a b", "it's", `"`, `\`, "$HOME", "`id`", "*", "~", "#", "a\nb", "é", "-x", "a=b", "''", "!", ";&|<>()"}
	for _, want := range words {
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s x"+Quote(want)).CombinedOutput()
		if got := string(out); err != nil || got != "x"+want {
			t.Errorf("sh reads Quote(%q) = %s as %q, %v", want, Quote(want), got, err)
		}
	}
}

// A shell reads a path back as it was, in one line, and no command takes it for a flag.
func TestPathIsReadBack(t *testing.T) {
	for path, want := range map[string]string{
		"a b": "a b", "-dash": "./-dash", "a\nb": "a\nb", "-a\tb\\c%d'e\n\nf": "./-a\tb\\c%d'e\n\nf", "a\nb\\061": "a\nb\\061",
		"a\x1b\u202e\u009b\xff\u00a0é": "a\x1b\u202e\u009b\xff\u00a0é",
	} {
		quoted := Path(path)
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "printf %s "+quoted).CombinedOutput()
		if got := string(out); err != nil || got != want || strings.ContainsFunc(quoted, func(r rune) bool { return !strconv.IsPrint(r) }) {
			t.Errorf("sh reads Path(%q) = %s as %q, %v", path, quoted, got, err)
		}
	}
}
