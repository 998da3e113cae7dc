#ifndef BATCHSCORE_ORT_SIGNALS_H
#define BATCHSCORE_ORT_SIGNALS_H

#include <signal.h>

enum { ORTC_SIGNALS = 65 };  // 1 to 64

typedef struct {
  struct sigaction action[ORTC_SIGNALS];
  unsigned char valid[ORTC_SIGNALS];
} ortc_handlers;

void ortc_save_handlers(ortc_handlers *saved);

// ortc_restore_handlers puts back every handler that is not the saved one, and
// returns a bit set of their numbers.
unsigned long long ortc_restore_handlers(const ortc_handlers *saved);

#endif
