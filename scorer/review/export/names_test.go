package export

import (
	"path/filepath"
	"strings"
	"testing"
)

// TestComponent checks that texts become names that are safe, and different ones
// different names.
func TestComponent(t *testing.T) {
	for text, want := range map[string]string{
		"cat": "cat", "hot dog": "hot dog", "a/b": "a%2Fb", "gr\u00fcn": "gr\u00fcn", "\u202egpj": "%E2%80%AEgpj",
		"..": "%2E%2E", ".hidden": "%2Ehidden", "": "%", "%": "%25",
		"con": "%63on", "NUL.txt": "%4EUL.txt", "COM1": "%43OM1", "comet": "comet", "C:\\x": "C%3A%5Cx",
		"end.": "end%2E", "end ": "end%20", "a\x00\xff": "a%00%FF",
	} {
		if got := Component(text); got != want {
			t.Errorf("Component(%q) is %q, want %q", text, got, want)
		}
	}
	long := strings.Repeat("\u00fc", 300)
	a, b := Component(long+"a"), Component(long+"b")
	if a == b || len(a) > longestComponent || !strings.HasPrefix(a, "\u00fc") {
		t.Errorf("long names: %q and %q", a, b)
	}
	for _, name := range []string{"../../etc/passwd", "/etc/passwd", "a//b", "a/./b", "..", "", "a/..", "c:/x", "a/\\..\\b"} {
		if got := RelativeName(name); !filepath.IsLocal(got) || filepath.Clean(got) != got {
			t.Errorf("RelativeName(%q) is %q, not a clean name below a folder", name, got)
		}
		if got := FlatName(name); !filepath.IsLocal(got) || strings.Contains(got, "/") {
			t.Errorf("FlatName(%q) is %q, not a name in a folder", name, got)
		}
	}
	if got := FlatName("a/b/x.jpg"); got != "x-"+Key("a/b/x.jpg")+".jpg" {
		t.Errorf("FlatName: %q", got)
	}
}
