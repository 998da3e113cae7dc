package atomicfile

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
)

// TestSync: what is written survives a crash. The file is synced before it gets its name,
// and its folder afterwards. An error of either is that of the whole.
func TestSync(t *testing.T) {
	for name, replace := range map[string]bool{"replace": true, "create": false} {
		t.Run(name, func(t *testing.T) {
			folder := t.TempDir()
			final := filepath.Join(folder, "file")
			var synced []string
			var failing string
			in := At(folder).WithSync(func(f *os.File) error {
				info, err := f.Stat()
				if err != nil {
					return err
				}
				_, err = os.Lstat(final)
				what := map[bool]string{true: "folder", false: "file"}[info.IsDir()]
				synced = append(synced, map[bool]string{true: what + " with the name", false: what}[err == nil])
				if what == failing {
					return &fs.PathError{Op: "sync", Path: f.Name(), Err: syscall.EIO}
				}
				return f.Sync()
			})
			if err := in.put("file", 0o644, replace, text("hello")); err != nil {
				t.Fatal(err)
			}
			if want := []string{"file", "folder with the name"}; !slices.Equal(synced, want) {
				t.Errorf("synced %q, want %q", synced, want)
			}
			for _, failing = range []string{"file", "folder"} {
				if err := os.Remove(final); err != nil && !errors.Is(err, fs.ErrNotExist) {
					t.Fatal(err)
				}
				if err := in.put("file", 0o644, replace, text("hello")); !errors.Is(err, syscall.EIO) {
					t.Errorf("the %s cannot be synced: %v, want EIO", failing, err)
				}
			}
		})
	}
}
