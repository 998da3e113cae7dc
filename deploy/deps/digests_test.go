package deps

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// tracked returns the files of the repository whose names match a pattern, with their text.
func tracked(t *testing.T, pattern string) map[string]string {
	t.Helper()
	out, err := exec.Command("git", "-C", "../..", "ls-files").Output()
	if err != nil {
		t.Fatal(err)
	}
	files := map[string]string{}
	for path := range strings.Lines(string(out)) {
		path = strings.TrimSpace(path)
		if !regexp.MustCompile(pattern).MatchString(path) {
			continue
		}
		text, err := os.ReadFile(filepath.Join("../..", path))
		if err != nil && !os.IsNotExist(err) {
			t.Fatal(err)
		}
		files[path] = string(text)
	}
	return files
}

var requirement = regexp.MustCompile(`^[A-Za-z0-9][\w.-]*(\[[\w,-]+\])?\s*(==|>=|~=|@)`)

// unpinned returns the packages of a file of requirements that have no version of their own
// or no digest.
func unpinned(text string) (bad []string, packages int) {
	text = strings.ReplaceAll(text, "\\\n", " ")
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(line)
		if line == "" || strings.HasPrefix(line, "#") || strings.HasPrefix(line, "--") {
			continue
		}
		packages++
		if !requirement.MatchString(line) || !strings.Contains(line, "==") || !regexp.MustCompile(`--hash=sha256:[0-9a-f]{64}(\s|$)`).MatchString(line) {
			bad = append(bad, line)
		}
	}
	return bad, packages
}

// TestPipDigests: every Python package that anything here installs has a digest, and pip
// is told to ask for it.
func TestPipDigests(t *testing.T) {
	files := 0
	for path, text := range tracked(t, `\.txt$`) {
		if !strings.Contains(text, "--hash=") {
			continue
		}
		files++
		if bad, packages := unpinned(text); len(bad) > 0 || packages == 0 {
			t.Errorf("%s: %d packages, without a digest: %q", path, packages, bad)
		}
	}
	if files < 10 {
		t.Errorf("%d files of requirements, so this proves nothing", files)
	}
	calls := 0
	for path, text := range tracked(t, `(\.sh|Makefile|Dockerfile|\.ci/run)$`) {
		text = strings.ReplaceAll(text, "\\\n", " ")
		for line := range strings.Lines(text) {
			if regexp.MustCompile(`pip3?['"]? (install|download) `).MatchString(line) && !strings.HasPrefix(strings.TrimSpace(line), "#") {
				calls++
				// With --no-index it fetches nothing.
				if !strings.Contains(line, "--require-hashes") && !strings.Contains(line, " --no-index ") {
					t.Errorf("%s: %s is without --require-hashes", path, strings.TrimSpace(line))
				}
			}
			if regexp.MustCompile(`\bnpm (install|i|add|exec)\b|\bnpx\b`).MatchString(line) && !strings.Contains(line, "need npm") && !strings.Contains(line, "apt") {
				t.Errorf("%s: %s takes what the registry has today", path, strings.TrimSpace(line))
			}
			if m := regexp.MustCompile(`\bgo (?:run|install) \S*\w\.\w+/\S+`).FindString(line); m != "" && !regexp.MustCompile(`@v\d+\.\d+\.\d+`).MatchString(m) {
				t.Errorf("%s: %s has no version", path, m)
			}
		}
	}
	if calls < 4 {
		t.Errorf("%d calls of pip, so this proves nothing", calls)
	}
	sum := strings.Repeat("0123456789abcdef", 4)
	for text, want := range map[string]int{
		"a==1 --hash=sha256:" + sum + "\n":         0,
		"a==1 \\\n    --hash=sha256:" + sum + "\n": 0,
		"a==1\n":                                    1,
		"a==1 --hash=sha256:" + sum[1:] + "\n":      1,
		"a>=1 --hash=sha256:" + sum + "\n":          1,
		"git+https://example.com/a --hash=sha256:1": 1,
	} {
		if bad, _ := unpinned(text); len(bad) != want {
			t.Errorf("%q: %q is not pinned, want %d", text, bad, want)
		}
	}
}

// TestNpmDigests: every package that the lock names has a SHA-512 and a version.
func TestNpmDigests(t *testing.T) {
	locks := tracked(t, `package-lock\.json$`)
	if len(locks) == 0 {
		t.Error("no package-lock.json is tracked")
	}
	for path, text := range locks {
		var lock struct {
			Packages map[string]struct{ Version, Integrity, Resolved string }
		}
		if err := json.Unmarshal([]byte(text), &lock); err != nil {
			t.Fatal(err)
		}
		if len(lock.Packages) < 2 {
			t.Errorf("%s names %d packages", path, len(lock.Packages))
		}
		for name, p := range lock.Packages {
			if name == "" {
				continue // the lock's own
			}
			if !regexp.MustCompile(`^sha512-[A-Za-z0-9+/]{86}==$`).MatchString(p.Integrity) || p.Version == "" || p.Resolved != "" {
				t.Errorf("%s: %s has the version %q, the digest %q, and comes from %q", path, name, p.Version, p.Integrity, p.Resolved)
			}
		}
	}
}
