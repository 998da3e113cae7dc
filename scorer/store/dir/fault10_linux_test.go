package dir

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"github.com/batchscore/batchscore/scorer/store"
)

// mountedVar marks a test that runs again in a mount namespace of its own.
const mountedVar = "BATCHSCORE_TEST_MOUNTED"

// mount mounts a file system until the test ends. If this user may not mount, it
// runs the test again in a namespace where it may, and returns false: the test is
// over. If that is not allowed either, the test fails in CI and is skipped
// elsewhere.
func mount(t *testing.T, source, target, kind string, flags uintptr, data string) bool {
	t.Helper()
	err := unix.Mount(source, target, kind, flags, data)
	if err == nil {
		t.Cleanup(func() { unix.Unmount(target, unix.MNT_DETACH) })
		return true
	}
	if os.Getenv(mountedVar) == "" {
		again := exec.CommandContext(t.Context(), "unshare", "--user", "--map-root-user", "--mount",
			os.Args[0], "-test.run=^"+t.Name()+"$", "-test.v")
		again.Env = append(os.Environ(), mountedVar+"=1")
		out, runErr := again.CombinedOutput()
		if bytes.Contains(out, []byte("--- PASS")) && runErr == nil {
			return false
		}
		if bytes.Contains(out, []byte("--- FAIL")) {
			t.Fatalf("in a namespace of its own:\n%s", out)
		}
		err = fmt.Errorf("%w; unshare: %w: %s", err, runErr, bytes.TrimSpace(out))
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("cannot mount: %v", err)
	}
	t.Skipf("cannot mount: %v", err)
	return false
}

// TestFault10_NoSpaceLeft fills a real file system. The error is ErrUnavailable and
// names path and byte count, and nothing of the part is left. When there is space
// again, the same create succeeds.
func TestFault10_NoSpaceLeft(t *testing.T) {
	root := t.TempDir()
	if !mount(t, "tmpfs", root, "tmpfs", 0, "size=256k") {
		return
	}
	s := open(t, root)
	if _, err := s.Create(t.Context(), "filler", bytes.Repeat([]byte("x"), 150<<10)); err != nil {
		t.Fatal(err)
	}
	part := bytes.Repeat([]byte("y"), 200<<10)
	_, err := s.Create(t.Context(), "part-00003.jsonl", part)
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("got %v, want ErrUnavailable for ENOSPC", err)
	}
	for _, want := range []string{root + "/part-00003.jsonl", "204800 bytes"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("Create = %q, want it to contain %s", err, want)
		}
	}
	if got := files(t, root); !slices.Equal(got, []string{"filler"}) {
		t.Errorf("the files are %q, want the filler alone", got)
	}
	if err := os.Remove(root + "/filler"); err != nil {
		t.Fatal(err)
	}
	if _, err := s.Create(t.Context(), "part-00003.jsonl", part); err != nil {
		t.Errorf("Create with space again = %v, want success", err)
	}
}

// TestFault10_NoInodesLeft fills a file system so that not even the temporary file
// can be created.
func TestFault10_NoInodesLeft(t *testing.T) {
	root := t.TempDir()
	if !mount(t, "tmpfs", root, "tmpfs", 0, "nr_inodes=4") {
		return
	}
	s := open(t, root)
	var err error
	n := 0
	for ; n < 10 && err == nil; n++ {
		_, err = s.Create(t.Context(), fmt.Sprint("part", n), []byte("x"))
	}
	if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, unix.ENOSPC) {
		t.Fatalf("after %d objects: %v, want ErrUnavailable", n, err)
	}
	if got := len(names(t, s, "")); got != n-1 || len(files(t, root)) != n-1 {
		t.Errorf("%d objects, %q, want %d", got, files(t, root), n-1)
	}
}

// TestFault10_ReadOnly makes a file system read-only.
func TestFault10_ReadOnly(t *testing.T) {
	root, view := t.TempDir(), t.TempDir()
	if !mount(t, root, view, "", unix.MS_BIND, "") {
		return
	}
	s := open(t, view)
	if _, err := s.Create(t.Context(), "before", []byte("x")); err != nil {
		t.Fatal(err)
	}
	if !mount(t, root, view, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, "") {
		return
	}
	for _, name := range []string{"part", "new/folder/part"} {
		_, err := s.Create(t.Context(), name, []byte("12345"))
		if !errors.Is(err, store.ErrUnavailable) || !errors.Is(err, unix.EROFS) {
			t.Errorf("create %s: %v, want ErrUnavailable for EROFS", name, err)
		} else if !strings.Contains(err.Error(), view+"/") || !strings.Contains(err.Error(), "5 bytes") {
			t.Errorf("Create = %q, want path and byte count in it", err)
		}
	}
	if got := files(t, root); !slices.Equal(got, []string{"before"}) {
		t.Errorf("the files are %q, want %q", got, "before")
	}
	if got := names(t, s, ""); !slices.Equal(got, []string{"before"}) {
		t.Errorf("listed %q, want %q", got, "before")
	}
}
