package dir

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"syscall"

	"github.com/batchscore/batchscore/scorer/store"
)

// errNoExclusive means that nothing whole can be created exclusively here.
var errNoExclusive = fmt.Errorf("%w: it has neither hard links nor an exclusive rename, as many mounts of "+
	"cloud storage; write to the cloud storage itself, or to a local disk", store.ErrUnfit)

// classify wraps an error of the file system with what was done, to what, the
// bytes at stake if any, and the sentinel that says what can be done about it.
func classify(doing, path string, bytes int64, err error) error {
	kind, hint := kindOf(err)
	size := ""
	if bytes > 0 {
		size = fmt.Sprintf(" (%d bytes)", bytes)
	}
	if kind == nil {
		return fmt.Errorf("%s %s%s: %w", doing, path, size, bare(err))
	}
	return fmt.Errorf("%s %s%s: %w: %w%s", doing, path, size, kind, bare(err), hint)
}

// bare takes the path and the operation off an error; the message has them.
func bare(err error) error {
	var path *fs.PathError
	if errors.As(err, &path) {
		return path.Err
	}
	var link *os.LinkError
	if errors.As(err, &link) {
		return link.Err
	}
	var call *os.SyscallError
	if errors.As(err, &call) {
		return call.Err
	}
	return err
}

func kindOf(err error) (kind error, hint string) {
	var no syscall.Errno
	if !errors.As(err, &no) {
		return nil, ""
	}
	switch no {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP:
		return store.ErrNotExist, ""
	case syscall.EEXIST:
		return store.ErrExist, ""
	case syscall.ESTALE:
		return store.ErrChanged, ""
	case syscall.EACCES, syscall.EPERM:
		return store.ErrDenied, "; check owner and mode"
	case syscall.ENOSPC, syscall.EDQUOT:
		return store.ErrUnavailable, "; free space and run again"
	case syscall.EROFS:
		return store.ErrUnavailable, "; mount it writable and run again"
	case syscall.EFBIG, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EBUSY, syscall.EAGAIN:
		return store.ErrUnavailable, "; run again when that is mended"
	}
	if said, ok := beyond[no]; ok {
		return store.ErrUnavailable, said
	}
	return nil, ""
}

// isNotExist reports whether err says that a name leads to nothing.
func isNotExist(err error) bool {
	kind, _ := kindOf(err)
	return kind == store.ErrNotExist
}

// isDenied reports whether err says that this user may not.
func isDenied(err error) bool {
	kind, _ := kindOf(err)
	return kind == store.ErrDenied
}

// isShort reports whether err is of this process's or this machine's want of
// files or memory, and so neither the file's nor the folder's.
func isShort(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// gone returns why the root can no longer be read, or nil if it can. The root
// that this Store was opened on may have been unmounted, which leaves another
// folder of that name.
func (s *Store) gone() error {
	info, err := os.Stat(s.root)
	if err == nil && s.first != nil && !os.SameFile(info, s.first) {
		return fmt.Errorf("%s: %w: another folder lies there now; mount it again and run again", s.root, store.ErrUnavailable)
	}
	if err == nil {
		err = readFolder(s.root)
	}
	switch {
	case err == nil:
		return nil
	case isDenied(err):
		return classify("read the folder", s.root, 0, err)
	}
	return fmt.Errorf("%s: %w: the folder itself cannot be read: %v; run again when it is back", s.root, store.ErrUnavailable, bare(err))
}

// readFolder reads one name of a folder.
func readFolder(path string) error {
	d, err := os.Open(path)
	if err != nil {
		return err
	}
	defer d.Close()
	if _, err := d.Readdirnames(1); err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return nil
}

// unread judges what failed while one file was opened or read. The file is at
// fault only if the root can still be read: then the error is a
// store.Unreadable, and a store.Transient as well where another try may help.
func (s *Store) unread(doing, path string, err error) error {
	var no syscall.Errno
	if !errors.As(err, &no) || isShort(err) {
		return classify(doing, path, 0, err)
	}
	if isNotExist(err) && s.first == nil {
		return classify(doing, path, 0, err) // a root that may not have been made yet
	}
	if gone := s.gone(); gone != nil {
		return fmt.Errorf("%s %s: %v: %w", doing, path, bare(err), gone) // the file's own error means nothing now
	}
	if isNotExist(err) || no == syscall.ESTALE {
		return classify(doing, path, 0, err)
	}
	if info, err := os.Stat(path); err == nil && !info.Mode().IsRegular() {
		return classify(doing, path, 0, errNotRegular)
	}
	u := &store.Unreadable{Why: no.Error(), Err: classify(doing, path, 0, err)}
	if lasts(no) {
		return u
	}
	return &store.Transient{Err: u}
}

// errNotRegular means that a name leads to something that holds no bytes of its own.
var errNotRegular = fmt.Errorf("%w: not a regular file", store.ErrNotExist)

// lasts reports whether trying again cannot help.
func lasts(no syscall.Errno) bool {
	switch no {
	case syscall.EACCES, syscall.EPERM, syscall.EOVERFLOW, syscall.EFBIG, syscall.EINVAL, syscall.ENXIO, syscall.ENODEV:
		return true
	}
	return damaged[no]
}
