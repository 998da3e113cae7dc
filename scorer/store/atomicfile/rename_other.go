//go:build !linux

package atomicfile

import "os"

// RenameExclusive fails here, since there is no counterpart of renameat2.
func (f Folder) RenameExclusive(temp, final string) error {
	return &os.LinkError{Op: "rename", Old: f.Path(temp), New: f.Path(final), Err: ErrNoExclusive}
}
