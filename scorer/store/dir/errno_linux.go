package dir

import "syscall"

const (
	backAgain = "; run again when it is back"
	checkDisk = "; check the file system, and run again"
)

// beyond are the errors of a mount whose server or device does not answer, or whose
// content is damaged, with what to do.
var beyond = map[syscall.Errno]string{
	syscall.ETIMEDOUT: backAgain, syscall.EHOSTDOWN: backAgain, syscall.EHOSTUNREACH: backAgain,
	syscall.ENETDOWN: backAgain, syscall.ENETUNREACH: backAgain, syscall.ECONNREFUSED: backAgain,
	syscall.ECONNRESET: backAgain, syscall.ECONNABORTED: backAgain, syscall.ENOTCONN: backAgain,
	syscall.ESHUTDOWN: backAgain, syscall.EPIPE: backAgain, syscall.ENODEV: backAgain, syscall.ENXIO: backAgain,
	syscall.ENOMEDIUM: backAgain, syscall.EREMOTEIO: backAgain, syscall.ENOLINK: backAgain, syscall.ECOMM: backAgain,
	syscall.EPROTO:  backAgain,
	syscall.EUCLEAN: checkDisk, syscall.EBADMSG: checkDisk, syscall.ENODATA: checkDisk, syscall.EOVERFLOW: checkDisk,
	syscall.ENOKEY: "; add the key and run again", syscall.EKEYEXPIRED: "; renew the key and run again",
	syscall.EKEYREVOKED: "; renew the key and run again", syscall.EKEYREJECTED: "; renew the key and run again",
}

// damaged are errors that mean that the content or the key of one file is lost.
var damaged = map[syscall.Errno]bool{
	syscall.EUCLEAN: true, syscall.EBADMSG: true, syscall.ENODATA: true, syscall.ENOKEY: true,
	syscall.EKEYEXPIRED: true, syscall.EKEYREVOKED: true, syscall.EKEYREJECTED: true,
}
