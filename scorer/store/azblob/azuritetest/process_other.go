//go:build !linux

package azuritetest

import "syscall"

// attributes are the usual ones: only Linux can let a process die with its
// parent.
func attributes() *syscall.SysProcAttr { return nil }
