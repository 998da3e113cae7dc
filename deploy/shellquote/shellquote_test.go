package shellquote

import (
	"os/exec"
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
