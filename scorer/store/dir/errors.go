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

// errNoExclusive means that the file system cannot create an object whole and once.
var errNoExclusive = fmt.Errorf("%w: it has neither hard links nor an exclusive rename, as many mounts of "+
	"cloud storage; write to the cloud storage itself, or to a local disk", store.ErrUnfit)

// classify wraps an error of the file system with what was done to which path, the
// number of bytes if any, the error of package store, and what to do about it.
func classify(doing, path string, bytes int64, err error) error {
	kind, hint := kindOf(err)
	size := ""
	if bytes > 0 {
		size = fmt.Sprintf(" (%d bytes)", bytes)
	}
	switch {
	case kind == nil:
		return fmt.Errorf("%s %s%s: %w", doing, path, size, bare(err))
	case errors.Is(err, syscall.ENOENT), errors.Is(err, syscall.EEXIST):
		// The system says the same in other words.
		return fmt.Errorf("%s %s%s: %w%s", doing, path, size, same{kind, bare(err)}, hint)
	}
	return fmt.Errorf("%s %s%s: %w: %w%s", doing, path, size, kind, bare(err), hint)
}

// same is an error of package store and that of the system with the same meaning,
// which is not in the text.
type same struct {
	error
	system error
}

func (s same) Unwrap() []error { return []error{s.error, s.system} }

// bare removes the path and the operation from an error; the message has them.
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
		if escapes(err) {
			return store.ErrDenied, "; a link in it leads out of the folder that holds the objects: remove the link"
		}
		return nil, ""
	}
	switch no {
	case syscall.ENOENT, syscall.ENOTDIR, syscall.ENAMETOOLONG, syscall.ELOOP:
		return store.ErrNotExist, ""
	case syscall.EEXIST:
		return store.ErrExist, ""
	case syscall.ESTALE:
		return store.ErrUnavailable, "; the server does not know this folder or file any more, because it was removed there or replaced: " +
			"mount it again if another one has its place, and run again"
	case syscall.EACCES, syscall.EPERM:
		return store.ErrDenied, "; check owner and mode (the umask of whoever made it may be the reason)"
	case syscall.ENOSPC, syscall.EDQUOT:
		return store.ErrUnavailable, "; free space and run again"
	case syscall.EROFS:
		return store.ErrUnavailable, "; mount it writable and run again"
	case syscall.EFBIG, syscall.EIO, syscall.EMFILE, syscall.ENFILE, syscall.ENOMEM, syscall.EBUSY, syscall.EAGAIN:
		return store.ErrUnavailable, "; run again when that is fixed"
	}
	if said, ok := beyond[no]; ok {
		return store.ErrUnavailable, said
	}
	return nil, ""
}

// escapes reports whether err is that of an os.Root for a path that leads out of it. That
// package does not export the error.
func escapes(err error) bool {
	var path *fs.PathError
	return errors.As(err, &path) && path.Err.Error() == "path escapes from parent"
}

// isNotExist reports whether err means that a name leads to nothing.
func isNotExist(err error) bool {
	kind, _ := kindOf(err)
	return errors.Is(kind, store.ErrNotExist)
}

// isDenied reports whether err means that this user lacks permission.
func isDenied(err error) bool {
	kind, _ := kindOf(err)
	return errors.Is(kind, store.ErrDenied)
}

// isShort reports whether err means that this process or this machine lacks file
// descriptors or memory. Then neither the file nor the folder is to blame.
func isShort(err error) bool {
	return errors.Is(err, syscall.EMFILE) || errors.Is(err, syscall.ENFILE) || errors.Is(err, syscall.ENOMEM)
}

// gone returns why the root can no longer be read, or nil if it can. The root may
// have been unmounted since this Store was opened: then another folder has its
// name.
func (s *Store) gone() error {
	info, err := os.Stat(s.root)
	if err == nil && s.first != nil && !os.SameFile(info, s.first) {
		return fmt.Errorf("%s: %w: another folder is there now; mount the old one again, then run again", s.root, store.ErrUnavailable)
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

// unread returns the error of a file that failed to open or to read. The file is
// to blame only if the root can still be read: then the error is a
// store.Unreadable, and a store.Transient as well if another try may help.
func (s *Store) unread(doing, path string, err error) error {
	var no syscall.Errno
	if !errors.As(err, &no) || isShort(err) {
		return classify(doing, path, 0, err)
	}
	if isNotExist(err) && s.first == nil {
		return classify(doing, path, 0, err) // the root may not exist yet
	}
	gone := s.gone()
	if gone != nil && isDenied(err) && errors.Is(gone, store.ErrDenied) {
		return classify(doing, path, 0, err) // both say the same
	}
	if gone != nil {
		return fmt.Errorf("%s %s: %v: %w", doing, path, bare(err), gone) // the file's own error means nothing now
	}
	if isNotExist(err) {
		return classify(doing, path, 0, err)
	}
	if no == syscall.ESTALE { // the server has another file now
		return fmt.Errorf("%s %s: %w: %w", doing, path, store.ErrChanged, no)
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

// errNotRegular means that a name is not of a regular file.
var errNotRegular = fmt.Errorf("%w: not a regular file", store.ErrNotExist)

// lasts reports whether another try cannot help.
func lasts(no syscall.Errno) bool {
	switch no {
	case syscall.EACCES, syscall.EPERM, syscall.EOVERFLOW, syscall.EFBIG, syscall.EINVAL, syscall.ENXIO, syscall.ENODEV:
		return true
	}
	return damaged[no]
}
