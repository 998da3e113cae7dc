package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"syscall"
	"testing"
)

// TestModes: a new file has the mode that the umask says, one that replaces another keeps
// what that had, and one that replaces another user's gives nobody more than the umask.
func TestModes(t *testing.T) {
	for _, test := range []struct {
		mask, mode, was, want fs.FileMode
		foreign               bool
	}{
		{mask: 0o077, mode: 0o666, want: 0o600},
		{mask: 0o022, mode: 0o666, want: 0o644},
		{mask: 0o002, mode: 0o666, want: 0o664},
		{mask: 0, mode: 0o600, want: 0o600},
		{mask: 0o022, mode: 0o666, was: 0o600, want: 0o600},
		{mask: 0o022, mode: 0o666, was: 0o640, want: 0o640},
		{mask: 0o077, mode: 0o666, was: 0o664, want: 0o664},
		{mask: 0o022, mode: 0o666, was: 0o755 | fs.ModeSetuid, want: 0o755},
		{mask: 0o077, mode: 0o666, was: 0o666, foreign: true, want: 0o600},
		{mask: 0o022, mode: 0o666, was: 0o666, foreign: true, want: 0o644},
		{mask: 0o022, mode: 0o666, was: 0o600, foreign: true, want: 0o600},
		{mask: 0o022, mode: 0o600, was: 0o644, foreign: true, want: 0o600},
	} {
		if test.foreign && os.Geteuid() != 0 {
			continue // only root can make the file of another user
		}
		file := filepath.Join(t.TempDir(), "file")
		if test.was != 0 {
			err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chmod(file, test.was))
			if test.foreign {
				err = errors.Join(err, os.Chown(file, 65534, -1))
			}
			if err != nil {
				t.Fatal(err)
			}
		}
		old := syscall.Umask(int(test.mask))
		err := Write(file, test.mode, text("x"))
		syscall.Umask(old)
		if err != nil {
			t.Fatal(err)
		}
		if info, err := os.Stat(file); err != nil || info.Mode() != test.want {
			t.Errorf("%+v: mode %v, %v; want %v", test, info.Mode(), err, test.want)
		}
	}
}

// TestGroup: the file that replaces another keeps the other's group.
func TestGroup(t *testing.T) {
	group := 65533
	if os.Geteuid() != 0 {
		groups, err := os.Getgroups()
		if err != nil || len(groups) == 0 {
			t.Skip("this user has one group")
		}
		group = groups[len(groups)-1]
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := errors.Join(os.WriteFile(file, nil, 0o600), os.Chown(file, -1, group), os.Chmod(file, 0o640)); err != nil {
		t.Fatal(err)
	}
	if err := Write(file, 0o666, text("x")); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(file)
	if err != nil {
		t.Fatal(err)
	}
	if stat, ok := info.Sys().(*syscall.Stat_t); !ok || int(stat.Gid) != group || info.Mode() != 0o640 {
		t.Errorf("group %d and mode %v, want %d and 0640", stat.Gid, info.Mode(), group)
	}
}

// TestWriteIn: in a folder where others put things, a link, a pipe and a folder with the
// name of the file stay as they are.
func TestWriteIn(t *testing.T) {
	above := t.TempDir()
	secret, folder := filepath.Join(above, "secret"), filepath.Join(above, "folder")
	err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Mkdir(folder, 0o755),
		os.Symlink(secret, filepath.Join(folder, "link")), os.Symlink("none", filepath.Join(folder, "dangling")),
		syscall.Mkfifo(filepath.Join(folder, "pipe"), 0o600), os.Mkdir(filepath.Join(folder, "below"), 0o755))
	if err != nil {
		t.Fatal(err)
	}
	root, err := os.OpenRoot(folder)
	if err != nil {
		t.Fatal(err)
	}
	defer root.Close()
	for _, base := range []string{"link", "dangling", "pipe", "below"} {
		if err := WriteIn(root, base, 0o666, text("x")); !errors.Is(err, ErrNotRegular) {
			t.Errorf("%s: %v, want ErrNotRegular", base, err)
		}
	}
	for _, body := range []string{"first", "second"} {
		if err := WriteIn(root, "file", 0o666, text(body)); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(folder, "file")); err != nil || string(got) != body {
			t.Errorf("the file holds %q, %v; want %q", got, err, body)
		}
	}
	if got, err := os.ReadFile(secret); err != nil || string(got) != "secret" {
		t.Errorf("the other file holds %q, %v", got, err)
	}
	if entries, err := os.ReadDir(folder); err != nil || len(entries) != 5 {
		t.Errorf("the folder holds %v, %v; want what was there and the file", entries, err)
	}
}
