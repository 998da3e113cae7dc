package dir

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// within ends the test binary's wait for fn, which must not hang.
func within(t *testing.T, what string, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() { defer close(done); fn() }()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s hangs", what)
	}
}

// TestLinksOutOfTheRoot plants links to folders in a folder that others write to. Nothing
// is written, replaced or deleted through one that leads out of the root.
func TestLinksOutOfTheRoot(t *testing.T) {
	for name, target := range map[string]string{"absolute": "", "relative": "../victim", "through the root": "out/../../victim"} {
		t.Run(name, func(t *testing.T) {
			above := t.TempDir()
			victim, root := filepath.Join(above, "victim"), filepath.Join(above, "out")
			write(t, victim+"/old", "old")
			write(t, root+"/out/keep", "x")
			if target == "" {
				target = victim
			}
			if err := os.Symlink(target, root+"/link"); err != nil {
				t.Fatal(err)
			}
			s := open(t, root)
			_, old, err := s.Open(t.Context(), "link/old", "")
			if err != nil {
				t.Fatalf("a linked file cannot be read: %v", err)
			}
			_, errNew := s.Create(t.Context(), "link/new", []byte("x"))
			_, errDeep := s.Create(t.Context(), "link/deep/new", []byte("x"))
			_, errReplace := s.Replace(t.Context(), "link/old", []byte("changed"), old.ETag)
			for doing, err := range map[string]error{
				"create": errNew, "create deeper": errDeep, "replace": errReplace, "delete": s.Delete(t.Context(), "link/old", old.ETag),
			} {
				if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), root+"/link") || !strings.Contains(err.Error(), "remove the link") {
					t.Errorf("%s: %v, want ErrDenied that names the file and says what to do", doing, err)
				}
			}
			if got := files(t, victim); len(got) != 1 {
				t.Errorf("the other folder holds %q, want its own file alone", got)
			}
			if body, err := os.ReadFile(victim + "/old"); err != nil || string(body) != "old" {
				t.Errorf("the other folder's file holds %q, %v", body, err)
			}
		})
	}
}

// TestLinksWithinTheRoot: the root may be a link, and links that stay beneath it are
// followed.
func TestLinksWithinTheRoot(t *testing.T) {
	above := t.TempDir()
	write(t, above+"/real/far/old", "x")
	for from, to := range map[string]string{"real/near": "far", "named": "real"} {
		if err := os.Symlink(to, filepath.Join(above, from)); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, above+"/named")
	for _, name := range []string{"top", "near/new", "near/deep/new"} {
		if _, err := s.Create(t.Context(), name, []byte("x")); err != nil {
			t.Error(err)
		}
	}
	for _, name := range []string{"top", "far/new", "far/deep/new"} {
		if _, err := os.Stat(above + "/real/" + name); err != nil {
			t.Error(err)
		}
	}
}

// TestNoFolder plants pipes and files where a folder should be: creating fails, and does
// not wait for the writer of a pipe.
func TestNoFolder(t *testing.T) {
	root := t.TempDir()
	if err := syscall.Mkfifo(root+"/pipe", 0o666); err != nil {
		t.Fatal(err)
	}
	write(t, root+"/file", "x")
	s := open(t, root)
	within(t, "a create beneath a pipe", func() {
		for _, name := range []string{"pipe/a", "pipe/b/a", "file/a", "file/b/a"} {
			s.seen["pipe"] = strings.HasPrefix(name, "pipe/a") // as if it had been a folder before
			if _, err := s.Create(t.Context(), name, nil); err == nil || errors.Is(err, store.ErrExist) {
				t.Errorf("Create(%q) = %v, want an error", name, err)
			}
			if err := s.Delete(t.Context(), name, "x"); !errors.Is(err, store.ErrNotExist) {
				t.Errorf("Delete(%q) = %v, want ErrNotExist", name, err)
			}
		}
	})
	for _, name := range []string{"pipe", "file"} {
		if _, err := s.Create(t.Context(), name, nil); !errors.Is(err, store.ErrExist) {
			t.Errorf("Create(%q) = %v, want ErrExist", name, err)
		}
	}
}

// TestSwappedWhileCreating lets another process exchange files in the folder all the time:
// the folder itself and a link, the temporary file and a link, the new name and a link. No
// byte is written outside, and what a create reports as done is there.
func TestSwappedWhileCreating(t *testing.T) {
	above := t.TempDir()
	victim, root := above+"/victim", above+"/out"
	write(t, victim+"/secret", "secret")
	write(t, root+"/parts/.keep", "")
	ctx, stop := context.WithCancel(t.Context())
	var swaps atomic.Int64
	var attackers sync.WaitGroup
	attackers.Go(func() { // the folder becomes a link, and a folder again
		for ctx.Err() == nil {
			if os.Rename(root+"/parts", root+"/aside") == nil {
				_ = os.Symlink(victim, root+"/parts")
				swaps.Add(1)
				_ = os.Remove(root + "/parts")
				_ = os.Rename(root+"/aside", root+"/parts")
			}
		}
	})
	attackers.Go(func() { // temporary files become links
		for ctx.Err() == nil {
			entries, _ := os.ReadDir(root + "/parts")
			for _, e := range entries {
				if strings.HasPrefix(e.Name(), tempPrefix) {
					path := root + "/parts/" + e.Name()
					if os.Remove(path) == nil && os.Symlink(victim+"/secret", path) == nil {
						swaps.Add(1)
					}
				}
			}
		}
	})
	s := open(t, root)
	made, failed := 0, 0
	for i := 0; i < 300 || swaps.Load() < 20; i++ {
		name := "parts/" + string(rune('a'+i%26)) + strings.Repeat("x", i/26)
		if _, err := s.CreateVolatile(t.Context(), name, []byte("mine")); err == nil {
			made++
		} else {
			failed++
		}
		if i > 1e5 {
			t.Fatal("nothing was exchanged")
		}
	}
	stop()
	attackers.Wait()
	if made == 0 || failed == 0 {
		t.Logf("%d creates succeeded and %d failed", made, failed)
	}
	if got := files(t, victim); len(got) != 1 {
		t.Errorf("the other folder holds %d files, want its own alone", len(got))
	}
	if body, err := os.ReadFile(victim + "/secret"); err != nil || string(body) != "secret" {
		t.Errorf("the other folder's file holds %q, %v", body, err)
	}
}

// TestSwapIsReported exchanges the temporary file just before it gets its name.
func TestSwapIsReported(t *testing.T) {
	above := t.TempDir()
	write(t, above+"/secret", "secret")
	for name, swap := range map[string]func(path string) error{
		"a link":       func(path string) error { return os.Symlink(above+"/secret", path) },
		"another file": func(path string) error { return os.WriteFile(path, []byte("theirs, and longer"), 0o644) },
		"a pipe":       func(path string) error { return syscall.Mkfifo(path, 0o644) },
	} {
		t.Run(name, func(t *testing.T) {
			s := open(t, filepath.Join(t.TempDir(), "out"))
			link := s.link
			s.link = func(in atomicfile.Folder, temp, final string) error {
				if err := errors.Join(in.Remove(temp), swap(in.Path(temp))); err != nil {
					t.Fatal(err)
				}
				return link(in, temp, final)
			}
			if _, err := s.Create(t.Context(), "part", []byte("mine")); !errors.Is(err, store.ErrUnavailable) || !strings.Contains(err.Error(), "who else writes") {
				t.Errorf("Create = %v, want an error that says that somebody else writes there", err)
			}
			if body, err := os.ReadFile(above + "/secret"); err != nil || string(body) != "secret" {
				t.Errorf("the other file holds %q, %v", body, err)
			}
		})
	}
}

// TestModes: objects and folders have the modes that the umask says, and a file that is
// replaced keeps its own.
func TestModes(t *testing.T) {
	for _, mask := range []fs.FileMode{0o077, 0o022, 0o002, 0} {
		old := syscall.Umask(int(mask))
		root := filepath.Join(t.TempDir(), "out")
		s := open(t, root)
		_, err := s.Create(t.Context(), "a/part", []byte("x"))
		_, errVolatile := s.CreateVolatile(t.Context(), "b/claim", []byte("x"))
		_, errFrom := s.CreateFrom(t.Context(), "stream", nil, whole([]byte("x")))
		kept, errKept := s.Create(t.Context(), "kept", []byte("x"))
		errKept = errors.Join(errKept, os.Chmod(root+"/kept", 0o640))
		_, errReplace := s.Replace(t.Context(), "kept", []byte("y"), kept.ETag)
		syscall.Umask(old)
		if err := errors.Join(err, errVolatile, errFrom, errKept, errReplace); err != nil {
			t.Fatal(err)
		}
		for path, want := range map[string]fs.FileMode{
			"": 0o777 &^ mask, "a": 0o777 &^ mask, "b": 0o777 &^ mask,
			"a/part": 0o666 &^ mask, "b/claim": 0o666 &^ mask, "stream": 0o666 &^ mask, "kept": 0o640,
		} {
			if info, err := os.Stat(filepath.Join(root, path)); err != nil || info.Mode().Perm() != want {
				t.Errorf("umask %03o: %q has mode %v, %v; want %v", mask, path, info.Mode(), err, want)
			}
		}
	}
}
