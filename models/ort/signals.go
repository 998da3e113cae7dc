package ort

// #include "signals.h"
import "C"

import (
	"syscall"

	"github.com/rs/zerolog"
)

// keepSignals calls start and then puts back the signal handlers that start
// has replaced. CUDA's initialisation installs handlers that do not ask for
// the alternate stack (SA_ONSTACK); a signal that comes to a goroutine would
// then be handled on the goroutine's small stack, and end the process.
func keepSignals(log zerolog.Logger, start func() error) error {
	var saved C.ortc_handlers
	C.ortc_save_handlers(&saved)
	err := start()
	for bits, number := uint64(C.ortc_restore_handlers(&saved)), 1; bits != 0; bits, number = bits>>1, number+1 {
		if bits&1 != 0 {
			log.Debug().Str("signal", syscall.Signal(number).String()).Msg("signal handler restored after the start of the GPU")
		}
	}
	return err
}
