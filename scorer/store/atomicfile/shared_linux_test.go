package atomicfile

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
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

// groupVar makes this test binary a process that replaces a file.
const groupVar = "BATCHSCORE_TEST_REPLACE"

func TestMain(m *testing.M) {
	if file := os.Getenv(groupVar); file != "" {
		syscall.Umask(0o002)
		if err := Write(file, 0o666, text("x")); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

// TestGroupOfOthers: whoever replaces a file and cannot give the new one the group that the
// old one had, gives their own group no more than what everybody may do.
func TestGroupOfOthers(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("only root can give files to a group that it is not in, and become another user")
	}
	const nobody, group = 65534, 65533
	for _, test := range []struct {
		was, want fs.FileMode
		owner     int
	}{
		{owner: nobody, was: 0o664, want: 0o644},
		{owner: nobody, was: 0o660, want: 0o600},
		{owner: nobody, was: 0o751, want: 0o711},
		{owner: nobody, was: 0o606, want: 0o606},
		{owner: 0, was: 0o664, want: 0o644},
		{owner: 0, was: 0o660, want: 0o600},
	} {
		above, err := os.MkdirTemp("", "group") // t.TempDir is closed to others
		if err != nil {
			t.Fatal(err)
		}
		defer os.RemoveAll(above)
		file := filepath.Join(above, "file")
		if err := errors.Join(os.Chmod(above, 0o777), os.WriteFile(file, nil, 0o600), os.Chown(file, test.owner, group), os.Chmod(file, test.was)); err != nil {
			t.Fatal(err)
		}
		cmd := exec.Command("/proc/self/exe") // its folder is closed to others
		cmd.Env = append(os.Environ(), groupVar+"="+file)
		cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		info, err := os.Stat(file)
		if err != nil {
			t.Fatal(err)
		}
		if stat, ok := info.Sys().(*syscall.Stat_t); !ok || stat.Uid != nobody || stat.Gid != nobody || info.Mode() != test.want {
			t.Errorf("%+v: owner %d, group %d and mode %v", test, stat.Uid, stat.Gid, info.Mode())
		}
	}
}

// TestPlantedTemp plants something under the name that a temporary file would get. It stays
// as it is, and the file gets another name.
func TestPlantedTemp(t *testing.T) {
	for name, plant := range map[string]func(secret, path string) error{
		"a file":                func(_, path string) error { return os.WriteFile(path, []byte("theirs"), 0o666) },
		"a link":                os.Symlink,
		"another name":          os.Link,
		"a link to what is not": func(_, path string) error { return os.Symlink("none", path) },
		"a pipe":                func(_, path string) error { return syscall.Mkfifo(path, 0o666) },
		"a folder":              func(_, path string) error { return os.Mkdir(path, 0o777) },
	} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			secret, folder := filepath.Join(above, "secret"), filepath.Join(above, "folder")
			planted := filepath.Join(folder, ".file.7.tmp")
			if err := errors.Join(os.WriteFile(secret, []byte("secret"), 0o600), os.Mkdir(folder, 0o755), plant(secret, planted)); err != nil {
				t.Fatal(err)
			}
			before, err := os.Lstat(planted)
			if err != nil {
				t.Fatal(err)
			}
			root, err := os.OpenRoot(folder)
			if err != nil {
				t.Fatal(err)
			}
			defer root.Close()
			for _, in := range []Folder{At(folder), In(root)} {
				names := []uint64{7, 7, 8}
				in.random = func() (n uint64) { n, names = names[0], names[1:]; return n }
				if err := in.put("file", 0o644, true, text("mine")); err != nil {
					t.Error(err)
				}
				if len(names) != 0 {
					t.Errorf("names %v were not tried", names)
				}
				in.random = func() uint64 { return 7 }
				if err := in.put("file", 0o644, true, text("never")); !errors.Is(err, fs.ErrExist) {
					t.Errorf("no name is free: %v, want ErrExist", err)
				}
				if body, err := os.ReadFile(filepath.Join(folder, "file")); err != nil || string(body) != "mine" {
					t.Errorf("the file holds %q, %v", body, err)
				}
			}
			after, err := os.Lstat(planted)
			if err != nil || !os.SameFile(before, after) || after.Size() != before.Size() || after.Mode() != before.Mode() {
				t.Errorf("what was planted is %v now, %v; want %v", after, err, before)
			}
			if body, err := os.ReadFile(secret); err != nil || string(body) != "secret" {
				t.Errorf("the other file holds %q, %v", body, err)
			}
			if entries, err := os.ReadDir(folder); err != nil || len(entries) != 2 {
				t.Errorf("the folder holds %v, %v; want the file and what was planted", entries, err)
			}
		})
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
