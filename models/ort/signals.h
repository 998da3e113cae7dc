#ifndef BATCHSCORE_ORT_SIGNALS_H
#define BATCHSCORE_ORT_SIGNALS_H

#include <signal.h>

enum { BS_SIGNALS = 65 };  // 1 to 64

typedef struct {
  struct sigaction action[BS_SIGNALS];
  unsigned char valid[BS_SIGNALS];
} bs_handlers;

void bs_save_handlers(bs_handlers *saved);

// bs_restore_handlers puts back every handler that is not the saved one, and
// returns a bit set of their numbers.
unsigned long long bs_restore_handlers(const bs_handlers *saved);

// For the test: a handler as a foreign library installs it, and what stands.
int bs_install_foreign(int signal);
int bs_handler_flags(int signal, int *foreign);

#endif
