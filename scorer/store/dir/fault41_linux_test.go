package dir

import (
	"errors"
	"io"
	"io/fs"
	"net"
	"os"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// broken is a file whose reads fail.
type broken struct {
	File
	no syscall.Errno
}

func (b broken) Read([]byte) (int, error) {
	return 0, &fs.PathError{Op: "read", Path: b.Name(), Err: b.no}
}

// breaking returns a store whose opens, or else whose reads, fail.
func breaking(t *testing.T, root string, no syscall.Errno, reads bool) *Store {
	t.Helper()
	s, err := New(root, Options{OpenFile: func(path string) (File, error) {
		if !reads {
			return nil, &fs.PathError{Op: "open", Path: path, Err: no}
		}
		f, err := openFile(path)
		return broken{f, no}, err
	}})
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// readOne opens and reads an object.
func readOne(t *testing.T, s *Store, name string) error {
	t.Helper()
	r, _, err := s.Open(t.Context(), name, "")
	if err != nil {
		return err
	}
	defer r.Close()
	_, err = io.ReadAll(r)
	return err
}

// TestFault41_OneFile lets one file of a healthy folder fail in all ways.
func TestFault41_OneFile(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a", "x")
	write(t, root+"/other", "x")
	for no, again := range map[syscall.Errno]bool{
		syscall.EIO: true, syscall.EAGAIN: true, syscall.EBUSY: true, syscall.ETIMEDOUT: true, syscall.EHOSTDOWN: true,
		syscall.ECONNREFUSED: true, syscall.ENOTCONN: true, syscall.ESHUTDOWN: true, syscall.EPROTO: true,
		syscall.EACCES: false, syscall.EPERM: false, syscall.EOVERFLOW: false, syscall.ENXIO: false, syscall.ENODEV: false,
	} {
		for _, reads := range []bool{false, true} {
			err := readOne(t, breaking(t, root, no, reads), "a")
			var u *store.Unreadable
			if !errors.Is(err, store.ErrUnreadable) || !errors.As(err, &u) || u.Why != no.Error() || !errors.Is(err, no) {
				t.Errorf("%v: read = %v, want Unreadable", no, err)
				continue
			}
			if _, got := store.AsTransient(err); got != again {
				t.Errorf("%v: worth another try: %t, want %t", no, got, again)
			}
			if strings.Count(err.Error(), root+"/a") != 1 {
				t.Errorf("read = %q, want the file named once", err)
			}
		}
	}
}

// TestFault41_NotTheFile lets opens fail for reasons of this process or its machine,
// not of the file.
func TestFault41_NotTheFile(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/a", "x")
	for _, no := range []syscall.Errno{syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM} {
		err := readOne(t, breaking(t, root, no, false), "a")
		if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnreadable) {
			t.Errorf("%v: %v, want ErrUnavailable alone", no, err)
		}
	}
	if err := readOne(t, breaking(t, root, syscall.ESTALE, false), "a"); !errors.Is(err, store.ErrChanged) {
		t.Errorf("ESTALE: %v, want ErrChanged", err)
	}
}

// TestFault41_TheMountIsGone takes the folder away during a run. Whatever the error,
// no file is to blame.
func TestFault41_TheMountIsGone(t *testing.T) {
	for name, leave := range map[string]func(root string) error{
		"nothing":        func(string) error { return nil },
		"another folder": func(root string) error { return os.Mkdir(root, 0o755) },
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir() + "/root"
			write(t, root+"/a", "x")
			stores := map[string]*Store{"": open(t, root)}
			for _, no := range []syscall.Errno{syscall.EIO, syscall.EHOSTDOWN, syscall.ECONNREFUSED, syscall.ESHUTDOWN,
				syscall.ENOTCONN, syscall.ESTALE, syscall.ETIMEDOUT, syscall.EACCES} {
				stores[no.Error()] = breaking(t, root, no, false)
			}
			if err := os.Rename(root, root+".gone"); err != nil {
				t.Fatal(err)
			}
			if err := leave(root); err != nil {
				t.Fatal(err)
			}
			for why, s := range stores {
				err := readOne(t, s, "a")
				if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrUnreadable) || errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) {
					t.Errorf("%s: %v, want ErrUnavailable", why, err)
				}
			}
		})
	}
}

// TestFault41_BecameASocket opens a socket that was a file when it was listed.
func TestFault41_BecameASocket(t *testing.T) {
	t.Chdir(t.TempDir()) // the path of a socket is short
	l, err := net.Listen("unix", "a.jpg")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	if err := readOne(t, open(t, "."), "a.jpg"); !errors.Is(err, store.ErrNotExist) || errors.Is(err, store.ErrUnreadable) {
		t.Errorf("%v, want ErrNotExist", err)
	}
}

// TestFault41_FolderWithoutEntry lists a folder that this user may read and not
// enter: its files are listed by name, and each is unreadable.
func TestFault41_FolderWithoutEntry(t *testing.T) {
	root, err := os.MkdirTemp("", "entry")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	grow(t, root, []string{"a", "named/b", "named/deep/c", "shut/d"}, map[string]string{"e": "shut/d", "f": "named"})
	for path, mode := range map[string]fs.FileMode{"/named": 0o744, "/shut": 0o700, "": 0o755} {
		if err := os.Chmod(root+path, mode); err != nil {
			t.Fatal(err)
		}
	}
	if os.Geteuid() != 0 {
		for path, mode := range map[string]fs.FileMode{"/named": 0o444, "/shut": 0} {
			if err := os.Chmod(root+path, mode); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := os.Chmod(root+path, 0o755); err != nil {
					t.Error(err)
				}
			})
		}
	}
	s := open(t, root)
	asNobody(t, func() {
		got, passed := listed(t, s, "")
		if want := []string{"a", "e", "named/b"}; !slices.Equal(got, want) {
			t.Errorf("listed %q, want %q", got, want)
		}
		if passed["shut"] != store.ClosedFolder || passed["named/deep"] != store.ClosedFolder || passed["f"] != store.ElsewhereFolder || len(passed) != 3 {
			t.Errorf("passed over %q, want shut, named/deep and f", passed)
		}
		for _, name := range []string{"e", "named/b"} {
			if err := readOne(t, s, name); !errors.Is(err, store.ErrUnreadable) {
				t.Errorf("read %s = %v, want ErrUnreadable", name, err)
			}
		}
	})
}

// TestFault46_StaleHandle: the server of a mount has another file in the place of one, or of
// the folder. Only the former is about that one image.
func TestFault46_StaleHandle(t *testing.T) {
	root := t.TempDir()
	write(t, root+"/image", "x")
	for _, reads := range []bool{false, true} {
		s := breaking(t, root, syscall.ESTALE, reads)
		if err := readOne(t, s, "image"); !errors.Is(err, store.ErrChanged) || errors.Is(err, store.ErrUnavailable) {
			t.Errorf("one stale file: %v, want ErrChanged", err)
		}
	}
	s := open(t, root)
	s.link = func(in atomicfile.Folder, temp, final string) error {
		return &os.LinkError{Op: "link", Old: temp, New: final, Err: syscall.ESTALE}
	}
	_, err := s.Create(t.Context(), "part", []byte("x"))
	if !errors.Is(err, store.ErrUnavailable) || errors.Is(err, store.ErrChanged) || !strings.Contains(err.Error(), "mount it again") {
		t.Errorf("a create in a stale folder: %v, want ErrUnavailable with what to do", err)
	}
}
