package sharedlib

import (
	"os"
	"path/filepath"
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
