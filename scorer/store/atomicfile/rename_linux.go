package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// RenameExclusive moves temp to final unless that name is taken, as LinkExclusive
// does on a file system without hard links.
func (f Folder) RenameExclusive(temp, final string) error {
	folder, from, to := unix.AT_FDCWD, f.Path(temp), f.Path(final)
	if f.root != nil {
		d, err := f.self()
		if err != nil {
			return err
		}
		defer d.Close()
		folder, from, to = int(d.Fd()), temp, final
	}
	if err := unix.Renameat2(folder, from, folder, to, unix.RENAME_NOREPLACE); err != nil {
		if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP {
			err = ErrNoExclusive
		}
		return &os.LinkError{Op: "rename", Old: f.Path(temp), New: f.Path(final), Err: err}
	}
	return nil
}
