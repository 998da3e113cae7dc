package sharedlib

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// tree makes a source tree with a cache, with these modes.
func tree(t *testing.T, mode, cacheMode os.FileMode) string {
	t.Helper()
	folder, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{".cache", "bin", "bin/deeper"} {
		if err := os.Mkdir(filepath.Join(folder, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "go.mod"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for name, m := range map[string]os.FileMode{"": mode, ".cache": cacheMode} {
		if err := os.Chmod(filepath.Join(folder, name), m); err != nil {
			t.Fatal(err)
		}
	}
	return folder
}

// TestCaches: libraries are code, so they come from the source tree of the executable, if
// only its owner writes there, and never from the working directory.
func TestCaches(t *testing.T) {
	own, open, openCache := tree(t, 0o755, 0o755), tree(t, 0o777, 0o755), tree(t, 0o755, 0o777)
	planted := tree(t, 0o755, 0o755)
	t.Chdir(filepath.Join(planted, "bin"))
	for _, c := range []struct{ program, want string }{
		{program: own, want: own},
		{program: filepath.Join(own, "bin"), want: own},
		{program: filepath.Join(own, "bin/deeper")},
		{program: open},
		{program: filepath.Join(open, "bin")},
		{program: filepath.Join(openCache, "bin")},
		{program: t.TempDir()},
		{program: "/home/u/go-build12/bin"},
		{program: ""},
		{program: "/tmp/go-build12/b001", want: planted},
		{program: "/tmp/go-build12/b001/exe", want: planted},
		{program: "/root/.cache/go-build/0a/0af9-d", want: planted},
	} {
		var want string
		if c.want != "" {
			want = filepath.Join(c.want, ".cache")
		}
		got := cachesOf(c.program)
		if len(got) > 1 || filepath.Join(got...) != want {
			t.Errorf("cachesOf(%q) = %q, want %q", c.program, got, want)
		}
	}
}

// TestCachesOfAnotherUser: what belongs to another user is not trusted.
func TestCachesOfAnotherUser(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give a folder away")
	}
	folder := tree(t, 0o755, 0o755)
	if err := os.Chown(filepath.Join(folder, ".cache"), 65534, 65534); err != nil {
		t.Fatal(err)
	}
	if got := cachesOf(folder); got != nil {
		t.Errorf("cachesOf = %q, want none", got)
	}
}

// TestNextTo: libraries next to the executable are used only from folders that nobody else
// may write to.
func TestNextTo(t *testing.T) {
	const all = "bin lib lib/batchscore"
	for _, c := range []struct {
		open, absent string // a folder that everybody may write to, or that is not there
		want         string
	}{
		{want: all},
		{absent: "lib/batchscore", want: "bin lib"},
		{absent: "lib", want: "bin"},
		{open: "lib/batchscore", want: "bin lib"},
		{open: "lib", want: "bin"},
		{open: ".", want: "bin"},
		{open: "bin", want: ""},
	} {
		prefix := t.TempDir()
		for _, name := range []string{"bin", "lib", "lib/batchscore"} {
			if err := os.Mkdir(filepath.Join(prefix, name), 0o755); err != nil {
				t.Fatal(err)
			}
		}
		if c.absent != "" {
			if err := os.RemoveAll(filepath.Join(prefix, c.absent)); err != nil {
				t.Fatal(err)
			}
		}
		if c.open != "" {
			if err := os.Chmod(filepath.Join(prefix, c.open), 0o777); err != nil {
				t.Fatal(err)
			}
		}
		program := filepath.Join(prefix, "bin")
		got := nextTo(program)
		if own := packaged(program); own != "" {
			got = append(got, own)
		}
		for i, folder := range got {
			name, err := filepath.Rel(prefix, folder)
			if err != nil {
				t.Fatal(err)
			}
			got[i] = name
		}
		if joined := strings.Join(got, " "); joined != c.want {
			t.Errorf("open %q, absent %q: %q, want %q", c.open, c.absent, joined, c.want)
		}
	}
	if got := nextTo(""); got != nil || packaged("") != "" {
		t.Errorf("an executable that is not known has %q", got)
	}
}
