//go:build !linux

package dir

import "syscall"

const backAgain = "; run again when it is back"

// beyond are errors of a mount whose server or device does not answer, and what
// to do.
var beyond = map[syscall.Errno]string{
	syscall.ETIMEDOUT: backAgain, syscall.EHOSTDOWN: backAgain, syscall.EHOSTUNREACH: backAgain,
	syscall.ENETDOWN: backAgain, syscall.ENETUNREACH: backAgain, syscall.ECONNREFUSED: backAgain,
	syscall.ECONNRESET: backAgain, syscall.ECONNABORTED: backAgain, syscall.ENOTCONN: backAgain,
	syscall.ESHUTDOWN: backAgain, syscall.EPIPE: backAgain, syscall.ENODEV: backAgain, syscall.ENXIO: backAgain,
	syscall.EOVERFLOW: "; check the file system, and run again",
}

// damaged are errors that say of one file that its content or its key is lost.
var damaged = map[syscall.Errno]bool{}
