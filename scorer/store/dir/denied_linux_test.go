package dir

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/scorer/store"
)

// asNobody runs fn on a thread whose access to files is that of an ordinary
// user who owns nothing.
func asNobody(t *testing.T, fn func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // never unlocked: the thread ends with the goroutine
		const nobody = 65534
		if os.Geteuid() == 0 {
			if _, err := unix.SetfsuidRetUid(nobody); err != nil {
				t.Error(err)
				return
			}
		}
		fn()
	}()
	<-done
}

// TestFolderThatCannotBeCreated: the error names the folder, which is what the user
// gave, and not the object that was to be created in it.
func TestFolderThatCannotBeCreated(t *testing.T) {
	const root = "/proc/batchscore" // nobody can create folders there
	_, err := open(t, root).Create(t.Context(), "a", nil)
	if want := "cannot create the folder " + root; err == nil || !strings.HasPrefix(err.Error(), want) {
		t.Errorf("Create() = %v, want an error that begins with %q", err, want)
	}
}

func TestDenied(t *testing.T) {
	root, err := os.MkdirTemp("", "denied")
	if err != nil {
		t.Fatal(err)
	}
	defer os.RemoveAll(root)
	defer func() { _ = os.Chmod(root+"/secret", 0o755) }() // for RemoveAll
	write(t, root+"/images/a", "x")
	write(t, root+"/images/secret/b", "x")
	for path, mode := range map[string]fs.FileMode{"": 0o755, "images": 0o555, "images/a": 0, "images/secret": 0} {
		if err := os.Chmod(filepath.Join(root, path), mode); err != nil {
			t.Fatal(err)
		}
	}
	s := open(t, root+"/images")
	asNobody(t, func() {
		if got, passed := listed(t, s, ""); !slices.Equal(got, []string{"a"}) || passed["secret"] != store.ClosedFolder {
			t.Errorf("listed %q and passed over %q, want a and secret", got, passed)
		}
		err := open(t, root+"/images/secret").List(t.Context(), "", func(store.Object) error { return nil })
		if !errors.Is(err, store.ErrDenied) || !strings.Contains(err.Error(), "images/secret") {
			t.Errorf("list: %v, want ErrDenied that names the folder", err)
		}
		if err := s.List(t.Context(), "a", func(store.Object) error { return nil }); err != nil {
			t.Errorf("List next to the sub-folder = %v, want success", err)
		}
		_, _, err = s.Open(t.Context(), "a", "")
		var u *store.Unreadable
		if !errors.As(err, &u) || !errors.Is(err, store.ErrDenied) || u.Why != "permission denied" || strings.Count(err.Error(), "images/a") != 1 {
			t.Errorf("open: %v, want Unreadable that names the file once", err)
		}
		// A folder that may not be read is to blame, and not the file. It is said once.
		_, _, err = open(t, root+"/images/secret").Open(t.Context(), "b", "")
		if errors.Is(err, store.ErrUnreadable) || !errors.Is(err, store.ErrDenied) || strings.Count(err.Error(), "permission denied") != 1 ||
			strings.Contains(err.Error(), "folder") || !strings.Contains(err.Error(), "umask") {
			t.Errorf("open in a closed folder: %v, want ErrDenied that is said once", err)
		}
		_, _, err = s.Open(t.Context(), "a", "")
		if _, again := store.AsTransient(err); again {
			t.Error("the error is transient, want a final one")
		}
		if _, err := s.Create(t.Context(), "part", []byte("x")); !errors.Is(err, store.ErrDenied) {
			t.Errorf("create: %v, want ErrDenied", err)
		}
	})
}
