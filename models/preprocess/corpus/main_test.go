package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestServe tests that each line is answered in turn, with the pixels of a picture at its own
// size.
func TestServe(t *testing.T) {
	folder := t.TempDir()
	gif := filepath.Join(folder, "two.gif")
	text := filepath.Join(folder, "a\tb.gif")
	for name, body := range map[string]string{
		gif:  "GIF89a\x02\x00\x01\x00\x80\x00\x00\x01\x02\x03\xfa\xfb\xfc,\x00\x00\x00\x00\x02\x00\x01\x00\x00\x02\x02\x44\x0a\x00;",
		text: "no picture",
	} {
		if err := os.WriteFile(name, []byte(body), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	var out bytes.Buffer
	if err := serve(strings.NewReader(fmt.Sprintf("2\t1\t%s\n16\t16\t%s\n", gif, text)), &out); err != nil {
		t.Fatal(err)
	}
	want := "ok\t\t6\n\x01\x02\x03\xfa\xfb\xfcnot_image\tno image signature\t0\n"
	if out.String() != want {
		t.Errorf("serve() wrote %q, want %q", out.String(), want)
	}
	for _, line := range []string{"2\t1\n", "2\tone\tx\n", "2\t1\t" + filepath.Join(folder, "gone") + "\n"} {
		if err := serve(strings.NewReader(line), &out); err == nil {
			t.Errorf("serve(%q) accepted the line", line)
		}
	}
}

// TestSources tests that every package is pinned by the digest of its archive, once.
func TestSources(t *testing.T) {
	text, err := os.ReadFile("sources.txt")
	if err != nil {
		t.Fatal(err)
	}
	pin := regexp.MustCompile(`^([a-z0-9][a-z0-9.+-]+) ([^ /]+)_[^ /_]+\.orig\.tar\.(gz|bz2|xz) [0-9a-f]{64}$`)
	seen := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		line = strings.TrimSuffix(line, "\n")
		if strings.HasPrefix(line, "#") {
			continue
		}
		m := pin.FindStringSubmatch(line)
		if m == nil || m[1] != m[2] || seen[m[1]] {
			t.Errorf("%q does not pin a package, or names one twice", line)
			continue
		}
		seen[m[1]] = true
	}
	if len(seen) < 20 {
		t.Errorf("%d packages, want 20 or more", len(seen))
	}
}
