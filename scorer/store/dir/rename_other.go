//go:build !linux

package dir

import "os"

// renameExclusive has no counterpart of renameat2 here.
func renameExclusive(temp, final string) error {
	return &os.LinkError{Op: "rename", Old: temp, New: final, Err: errNoExclusive}
}
