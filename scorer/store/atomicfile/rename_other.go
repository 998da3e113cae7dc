//go:build !linux

package atomicfile

import "os"

// RenameExclusive fails here, since there is no counterpart of renameat2.
func RenameExclusive(temp, final string) error {
	return &os.LinkError{Op: "rename", Old: temp, New: final, Err: ErrNoExclusive}
}
