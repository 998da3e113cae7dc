package dir

import (
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/batchscore/batchscore/scorer/store"
	"github.com/batchscore/batchscore/scorer/store/atomicfile"
)

// TestSyncs: what is created survives a crash of the machine, with the folders above it.
// Whatever gets a name is synced before, and the folder of the name afterwards.
func TestSyncs(t *testing.T) {
	above := t.TempDir()
	s := open(t, above+"/new/root")
	var events []string
	var failing string
	s.in = func(folder *os.Root) atomicfile.Folder {
		return atomicfile.In(folder).WithSync(func(f *os.File) error {
			info, err := f.Stat()
			if err != nil {
				return err
			}
			what := "file"
			if info.IsDir() {
				what = "." + strings.TrimPrefix(filepath.Clean(f.Name()), above)
			}
			events = append(events, what)
			if what == failing {
				return &os.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
			}
			return f.Sync()
		})
	}
	link := s.link
	s.link = func(in atomicfile.Folder, temp, final string) error {
		events = append(events, "link")
		return link(in, temp, final)
	}
	var object store.Object
	create := func(name string) func() error {
		return func() (err error) { object, err = s.Create(t.Context(), name, []byte("x")); return err }
	}
	for _, step := range []struct {
		what string
		do   func() error
		want []string
	}{
		{what: "create in a new root", do: create("a/b/part"), want: []string{".", "./new", "./new/root", "./new/root/a", "file", "link", "./new/root/a/b"}},
		{what: "create in a known folder", do: create("a/b/next"), want: []string{"file", "link", "./new/root/a/b"}},
		{what: "create in the root", do: create("top"), want: []string{"file", "link", "./new/root"}},
		{what: "replace", do: func() (err error) {
			object, err = s.Replace(t.Context(), "top", []byte("other"), object.ETag)
			return err
		}, want: []string{"file", "./new/root"}},
		{what: "delete", do: func() error { return s.Delete(t.Context(), "top", object.ETag) }, want: []string{"./new/root"}},
		{what: "stream", do: func() error {
			_, err := s.CreateFrom(t.Context(), "c/stream", nil, whole([]byte("x")))
			return err
		}, want: []string{"./new/root", "file", "link", "./new/root/c"}},
		{what: "create what need not survive", do: func() error {
			_, err := s.CreateVolatile(t.Context(), "c/claim", []byte("x"))
			return err
		}, want: []string{"link"}},
	} {
		events = nil
		if err := step.do(); err != nil {
			t.Fatalf("%s: %v", step.what, err)
		}
		if !slices.Equal(events, step.want) {
			t.Errorf("%s: %q, want %q", step.what, events, step.want)
		}
	}
	for name, folder := range map[string]string{"a/b/fails": "./new/root/a/b", "a/d/fails": "./new/root/a", "c/fails": "file"} {
		failing = folder
		if err := create(name)(); !errors.Is(err, syscall.EIO) {
			t.Errorf("Create(%q) = %v though %s cannot be synced", name, err, folder)
		}
	}
}
