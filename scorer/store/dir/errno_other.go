//go:build !linux

package dir

import "syscall"

const backAgain = "; run again when it is back"

// beyond are the errors of a mount whose server or device does not answer, with
// what to do.
var beyond = map[syscall.Errno]string{
	syscall.ETIMEDOUT: backAgain, syscall.EHOSTDOWN: backAgain, syscall.EHOSTUNREACH: backAgain,
	syscall.ENETDOWN: backAgain, syscall.ENETUNREACH: backAgain, syscall.ECONNREFUSED: backAgain,
	syscall.ECONNRESET: backAgain, syscall.ECONNABORTED: backAgain, syscall.ENOTCONN: backAgain,
	syscall.ESHUTDOWN: backAgain, syscall.EPIPE: backAgain, syscall.ENODEV: backAgain, syscall.ENXIO: backAgain,
	syscall.EOVERFLOW: "; check the file system, and run again",
}

// damaged are errors that mean that the content or the key of one file is lost.
var damaged = map[syscall.Errno]bool{}
