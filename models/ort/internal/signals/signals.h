#ifndef BATCHSCORE_SIGNALS_H
#define BATCHSCORE_SIGNALS_H

#include <signal.h>

enum { SIGNALS_COUNT = 65 };  // 1 to 64

typedef struct {
  struct sigaction action[SIGNALS_COUNT];
  unsigned char valid[SIGNALS_COUNT];
} signals_handlers;

void signals_save(signals_handlers *saved);

// signals_restore restores every handler that differs from the saved one. It
// returns a bit set of their numbers; bit 0 is signal 1.
unsigned long long signals_restore(const signals_handlers *saved);

#endif
