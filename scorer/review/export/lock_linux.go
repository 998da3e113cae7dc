package export

import (
	"errors"
	"os"

	"golang.org/x/sys/unix"
)

// lock takes the lock of a file until it is closed, on any machine that has it open, and reports
// whether nobody else has the lock.
func lock(f *os.File) (bool, error) {
	err := unix.FcntlFlock(f.Fd(), unix.F_OFD_SETLK, &unix.Flock_t{Type: unix.F_WRLCK})
	if errors.Is(err, unix.EAGAIN) || errors.Is(err, unix.EACCES) {
		return false, nil
	}
	return err == nil, err
}
