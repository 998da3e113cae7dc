// Package signaltest installs signal handlers as a foreign library does. It is a
// package of its own because test files cannot use cgo.
package signaltest

/*
#include <signal.h>
#include <string.h>

static void foreign(int signal) { (void)signal; }

static int install(int signal) {
  struct sigaction action;
  memset(&action, 0, sizeof action);
  action.sa_handler = foreign;
  return sigaction(signal, &action, NULL);
}

static int handler(int signal, int *is_foreign) {
  struct sigaction now;
  if (sigaction(signal, NULL, &now) != 0) return -1;
  *is_foreign = now.sa_handler == foreign;
  return now.sa_flags;
}
*/
import "C"

import "syscall"

// Install replaces the handler of a signal with one that does nothing and runs on
// the current stack. It reports whether it could.
func Install(s syscall.Signal) bool { return C.install(C.int(s)) == 0 }

// Handler reports whether the handler of a signal is that of Install, and whether
// it runs on the alternate stack.
func Handler(s syscall.Signal) (foreign, onStack bool) {
	var isForeign C.int
	flags := C.handler(C.int(s), &isForeign)
	return isForeign != 0, flags&C.SA_ONSTACK != 0
}
