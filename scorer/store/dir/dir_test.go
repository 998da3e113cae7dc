package dir

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
	"github.com/batchscore/batchscore/scorer/store/storetest"
)

func open(t *testing.T, root string) *Store {
	t.Helper()
	s, err := New(root, Options{})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// conforms runs the suite on a store with the abilities of this package's.
func conforms(t *testing.T, open func(t *testing.T) store.Store) {
	t.Helper()
	storetest.Suite{
		Open: open,
		Abilities: []storetest.Ability{
			storetest.Ranges, storetest.Naming, storetest.Streams, storetest.Volatile, storetest.Replaces,
			storetest.Neighbors, storetest.Folders,
		},
	}.Run(t)
}

func TestConforms(t *testing.T) {
	conforms(t, func(t *testing.T) store.Store { return open(t, t.TempDir()) })
}

func TestConformsWhereLinksAreMissing(t *testing.T) {
	conforms(t, func(t *testing.T) store.Store {
		s := open(t, t.TempDir())
		s.link = atomicfile.Folder.RenameExclusive
		return s
	})
}

// hasty creates without syncing, and keeps every other promise.
type hasty struct{ *Store }

func (h hasty) Create(ctx context.Context, name string, body []byte) (store.Object, error) {
	return store.CreateVolatile(ctx, h.Store, name, body)
}

func TestVolatileConforms(t *testing.T) {
	conforms(t, func(t *testing.T) store.Store { return hasty{open(t, t.TempDir())} })
}

// files lists every file beneath root, temporary ones too.
func files(t *testing.T, root string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			all = append(all, strings.TrimPrefix(path, root+"/"))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func names(t *testing.T, s *Store, prefix string) []string {
	t.Helper()
	var all []string
	if err := s.List(t.Context(), prefix, func(o store.Object) error {
		all = append(all, o.Name)
		return nil
	}); err != nil {
		t.Fatal(err)
	}
	slices.Sort(all)
	return all
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestRoot(t *testing.T) {
	root := t.TempDir()
	s := open(t, filepath.Join(root, "not/there/yet"))
	if err := s.List(t.Context(), "", func(store.Object) error { return nil }); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("List of a root that does not exist = %v, want ErrNotExist", err)
	}
	if _, _, err := s.Open(t.Context(), "x", ""); !errors.Is(err, store.ErrNotExist) {
		t.Errorf("Open in a root that does not exist = %v, want ErrNotExist", err)
	}
	if _, err := s.Create(t.Context(), "a/b", []byte("x")); err != nil {
		t.Errorf("Create in a root that does not exist = %v, want success", err)
	}
	if err := os.RemoveAll(s.root); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "a/b", []byte("x")); err != nil {
		t.Errorf("Create after the folder was removed = %v, want success", err)
	}
	write(t, filepath.Join(root, "file"), "x")
	if _, err := New(filepath.Join(root, "file"), Options{}); err == nil {
		t.Error("New of a file returns no error")
	}
}

func TestNamesThatTheFileSystemWouldChangeAreRefused(t *testing.T) {
	s := open(t, filepath.Join(t.TempDir(), "root"))
	for _, name := range []string{"", "/a", "a/", "a//b", ".", "..", "../x", "a/./b", "a/../b", "a\x00b", tempPrefix + "1", "a/" + tempPrefix + "/b"} {
		if _, err := s.Create(t.Context(), name, nil); err == nil {
			t.Errorf("Create(%q) succeeded, want an error", name)
		}
		if _, _, err := s.Open(t.Context(), name, ""); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("Open(%q) = %v, want ErrNotExist", name, err)
		}
	}
	if got := files(t, filepath.Dir(s.root)); len(got) != 0 {
		t.Errorf("the files %q are left, want none", got)
	}
}

func TestListFollowsLinksToFiles(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/real/file", "12345")
	write(t, root+"/images/own", "x")
	for link, to := range map[string]string{
		"images/link": "../real/file", "images/dangling": "../none",
		"images/self": "self", "entry": "images",
	} {
		if err := os.Symlink(to, filepath.Join(root, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := syscall.Mkfifo(root+"/images/pipe", 0o644); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"images", "entry"} {
		s := open(t, filepath.Join(root, at))
		if got, want := names(t, s, ""), []string{"dangling", "link", "own", "self"}; !slices.Equal(got, want) {
			t.Errorf("%s: %q, want %q", at, got, want)
		}
		err := s.List(t.Context(), "dangling", func(o store.Object) error {
			if _, _, err := s.Open(t.Context(), o.Name, o.ETag); !errors.Is(err, store.ErrNotExist) || o.Size != 0 {
				t.Errorf("a link to nothing is listed as %+v and Open = %v, want no bytes and ErrNotExist", o, err)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		err = s.List(t.Context(), "link", func(o store.Object) error {
			r, opened, err := s.Open(t.Context(), o.Name, o.ETag)
			if err != nil {
				return err
			}
			defer r.Close()
			if o.Size != 5 || opened.ETag != o.ETag {
				t.Errorf("a link is listed as %+v and opened as %+v, want 5 bytes and one ETag", o, opened)
			}
			return nil
		})
		if err != nil {
			t.Error(err)
		}
		if _, _, err := s.Open(t.Context(), "pipe", ""); !errors.Is(err, store.ErrNotExist) {
			t.Errorf("Open of a pipe = %v, want ErrNotExist", err)
		}
	}
}

func TestSweepRemovesOnlyWhatWasAbandonedLongAgo(t *testing.T) {
	root := t.TempDir()
	for name, age := range map[string]time.Duration{"old": 25 * time.Hour, "young": 23 * time.Hour} {
		write(t, filepath.Join(root, tempPrefix+name), "half a pa")
		then := time.Now().Add(-age)
		if err := os.Chtimes(filepath.Join(root, tempPrefix+name), then, then); err != nil {
			t.Fatal(err)
		}
	}
	write(t, root+"/other", "x")
	s := open(t, root)
	if got := names(t, s, ""); !slices.Equal(got, []string{"other"}) {
		t.Errorf("listed %q, want %q", got, "other")
	}
	if _, err := s.Create(t.Context(), "part", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if got, want := files(t, root), []string{tempPrefix + "young", "other", "part"}; !slices.Equal(got, want) {
		t.Errorf("left %q, want %q", got, want)
	}
}

// TestCreateWhoseTemporaryFileWasSwept removes the temporary file of a create, which
// fails and leaves nothing.
func TestCreateWhoseTemporaryFileWasSwept(t *testing.T) {
	s := open(t, t.TempDir())
	s.link = func(in atomicfile.Folder, temp, final string) error {
		if err := in.Remove(temp); err != nil {
			t.Error(err)
		}
		return linkExclusive(in, temp, final)
	}
	if _, err := s.Create(t.Context(), "part", []byte("x")); err == nil || errors.Is(err, store.ErrExist) {
		t.Errorf("Create = %v, want an error other than ErrExist", err)
	}
	if got := files(t, s.root); len(got) != 0 {
		t.Errorf("the files %q are left, want none", got)
	}
}

func TestCreateWithoutAnyExclusiveWayIsRefused(t *testing.T) {
	above := t.TempDir()
	s := open(t, above+"/to/out")
	s.link = func(in atomicfile.Folder, temp, final string) error {
		return &os.LinkError{Op: "rename", Old: temp, New: final, Err: errNoExclusive}
	}
	var creates sync.WaitGroup
	for i := range 8 {
		creates.Go(func() {
			name := fmt.Sprintf("%d/part", i%4)
			_, err := s.Create(t.Context(), name, []byte("x"))
			if !errors.Is(err, store.ErrUnfit) || !strings.Contains(err.Error(), s.root+"/"+name) || !strings.Contains(err.Error(), "cloud storage itself") {
				t.Errorf("Create(%q) = %v, want ErrUnfit that names the file and what to do", name, err)
			}
		})
	}
	creates.Wait()
	if left, err := os.ReadDir(above); err != nil || len(left) != 0 {
		t.Errorf("the folders %v are left, %v; want none", left, err)
	}
}

// TestFault02_LinkWhoseAnswerWasLost is about a network file system: the server made
// the link and its answer was lost, so the client's second try finds the name taken.
func TestFault02_LinkWhoseAnswerWasLost(t *testing.T) {
	s := open(t, t.TempDir())
	s.link = func(in atomicfile.Folder, temp, final string) error {
		if err := linkExclusive(in, temp, final); err != nil {
			return err
		}
		return linkExclusive(in, temp, final)
	}
	if _, err := s.Create(t.Context(), "part", []byte("mine")); err != nil {
		t.Errorf("Create = %v, want success", err)
	}
	if _, err := s.Create(t.Context(), "part", []byte("theirs")); !errors.Is(err, store.ErrExist) {
		t.Errorf("create again = %v, want ErrExist", err)
	}
}

func TestLinkExclusiveLosesWhenTheNameIsTakenAfterTheFirstLook(t *testing.T) {
	for name, link := range map[string]func(atomicfile.Folder, string, string) error{"link": linkExclusive, "rename": atomicfile.Folder.RenameExclusive} {
		s := open(t, t.TempDir())
		s.link = func(in atomicfile.Folder, temp, final string) error {
			write(t, in.Path(final), "faster")
			return link(in, temp, final)
		}
		if _, err := s.Create(t.Context(), "part", []byte("slower")); !errors.Is(err, store.ErrExist) {
			t.Errorf("%s: Create = %v, want ErrExist", name, err)
		}
		if got, err := os.ReadFile(s.root + "/part"); err != nil || string(got) != "faster" {
			t.Errorf("%s: the file holds %q, %v; want %q", name, got, err, "faster")
		}
		if got := files(t, s.root); !slices.Equal(got, []string{"part"}) {
			t.Errorf("%s: the files are %q, want the part alone", name, got)
		}
	}
}

// TestFault15_NeverAMixOfTwoVersions changes an image while it is read.
func TestFault15_NeverAMixOfTwoVersions(t *testing.T) {
	old := bytes.Repeat([]byte("old "), 1<<16)
	for name, change := range map[string]func(path string) error{
		"longer":  func(p string) error { return os.WriteFile(p, append(old, "new"...), 0o644) },
		"shorter": func(p string) error { return os.Truncate(p, 8) },
		"same size": func(p string) error {
			if err := os.WriteFile(p, bytes.Repeat([]byte("new "), 1<<16), 0o644); err != nil {
				return err
			}
			then := time.Now().Add(time.Hour) // differs whatever the clock's granularity
			return os.Chtimes(p, then, then)
		},
	} {
		root := t.TempDir()
		write(t, root+"/image", string(old))
		s := open(t, root)
		r, o, err := s.Open(t.Context(), "image", "")
		if err != nil {
			t.Fatal(err)
		}
		half := make([]byte, len(old)/2)
		if _, err := io.ReadFull(r, half); err != nil {
			t.Fatal(err)
		}
		if err := change(root + "/image"); err != nil {
			t.Fatal(err)
		}
		if n, err := r.Read(half); n != 0 || !errors.Is(err, store.ErrChanged) {
			t.Errorf("%s: read %d bytes more, %v, want ErrChanged", name, n, err)
		}
		r.Close()
		if _, _, err := s.Open(t.Context(), "image", o.ETag); !errors.Is(err, store.ErrChanged) {
			t.Errorf("%s: open the listed version: %v, want ErrChanged", name, err)
		}
	}
}

func TestFault15_AReplacedFileIsReadAsItWasOpened(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/image", "old old")
	write(t, root+"/next", "new new")
	s := open(t, root)
	r, _, err := s.Open(t.Context(), "image", "")
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	if err := os.Rename(root+"/next", root+"/image"); err != nil {
		t.Fatal(err)
	}
	if got, err := io.ReadAll(r); err != nil || string(got) != "old old" {
		t.Errorf("read %q, %v; want %q", got, err, "old old")
	}
}

func TestErrorsOfTheFileSystem(t *testing.T) {
	for no, want := range map[syscall.Errno]error{
		syscall.ENOSPC: store.ErrUnavailable, syscall.EDQUOT: store.ErrUnavailable, syscall.EROFS: store.ErrUnavailable,
		syscall.EFBIG: store.ErrUnavailable, syscall.EIO: store.ErrUnavailable, syscall.EMFILE: store.ErrUnavailable,
		syscall.EACCES: store.ErrDenied, syscall.EPERM: store.ErrDenied, syscall.ESTALE: store.ErrUnavailable,
		syscall.EEXIST: store.ErrExist, syscall.ENOENT: store.ErrNotExist, syscall.ENOTDIR: store.ErrNotExist,
	} {
		err := classify("create", "/out/part-00007.jsonl", 4711, &fs.PathError{Op: "write", Path: "/x", Err: no})
		if !errors.Is(err, want) || !errors.Is(err, no) {
			t.Errorf("classify of %v = %v, want %v", no, err, want)
		}
		// Where the words of package store mean the same, the system's are left out.
		says := !errors.Is(no, syscall.ENOENT) && !errors.Is(no, syscall.EEXIST)
		if !strings.Contains(err.Error(), "create /out/part-00007.jsonl (4711 bytes)") || strings.Contains(err.Error(), no.Error()) != says {
			t.Errorf("classify = %q, want it to contain the path, the size and, unless that says the same, %q", err, no.Error())
		}
	}
	other := fmt.Errorf("something else")
	if err := classify("read", "/x", 0, other); !errors.Is(err, other) || err.Error() != "read /x: something else" {
		t.Errorf("classify = %v, want %v with the path", err, other)
	}
}
