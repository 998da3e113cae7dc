//go:build !linux

package budget

// trim does nothing where the C library has no way to return its free memory.
func trim() {}
