// Package sharedlib looks at the file of a shared library before the loader maps it into
// the process.
package sharedlib

import (
	"fmt"
	"os"
	"strings"
)

// Check returns why a file must not be given to the loader, with its path: it is a device
// or a pipe, which may hang. It is nil for a name without a slash, for which the loader
// looks itself, and for a file of which the loader says what is wrong: one that is not
// there, that may not be read, or that is not a library.
func Check(path string) error {
	if !strings.Contains(path, "/") {
		return nil
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil //nolint:nilerr // the loader says it
	}
	if !info.Mode().IsRegular() {
		return fmt.Errorf("%s is not a regular file", path)
	}
	return nil
}
