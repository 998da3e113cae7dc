package dir

import (
	"os"

	"golang.org/x/sys/unix"
)

// renameExclusive moves temp to final unless that name is taken.
func renameExclusive(temp, final string) error {
	if err := unix.Renameat2(unix.AT_FDCWD, temp, unix.AT_FDCWD, final, unix.RENAME_NOREPLACE); err != nil {
		if err == unix.EINVAL || err == unix.ENOSYS || err == unix.EOPNOTSUPP {
			err = errNoExclusive
		}
		return &os.LinkError{Op: "rename", Old: temp, New: final, Err: err}
	}
	return nil
}
