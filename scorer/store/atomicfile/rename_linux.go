package atomicfile

import (
	"os"

	"golang.org/x/sys/unix"
)

// RenameExclusive moves temp to final unless that name is taken, as LinkExclusive
// does on a file system without hard links.
func RenameExclusive(temp, final string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, final, unix.RENAME_NOREPLACE); err != nil {
		if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP {
			err = ErrNoExclusive
		}
		return &os.LinkError{Op: "rename", Old: temp, New: final, Err: err}
	}
	return nil
}
