// Package signals protects the signal handlers of Go from foreign libraries.
package signals

// #include "signals.h"
import "C"

import (
	"syscall"

	"github.com/rs/zerolog"

	"github.com/batchscore/batchscore/scorer/telemetry/event"
)

// Keep calls start and then restores the signal handlers that start has replaced.
// It returns start's error. CUDA's initialisation installs handlers that do not
// ask for the alternate stack (SA_ONSTACK). A signal that arrives in a goroutine
// would then be handled on the goroutine's small stack, which ends the process.
func Keep(log zerolog.Logger, start func() error) error {
	var saved C.signals_handlers
	C.signals_save(&saved)
	err := start()
	for bits, number := uint64(C.signals_restore(&saved)), 1; bits != 0; bits, number = bits>>1, number+1 {
		if bits&1 != 0 {
			event.SignalRestored.On(log).Str("signal", syscall.Signal(number).String()).Msg("signal handler restored after the start of the GPU")
		}
	}
	return err
}
