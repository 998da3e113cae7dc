#include "signals.h"

#include <stddef.h>

void signals_save(signals_handlers *saved) {
  for (int s = 1; s < SIGNALS_COUNT; s++)
    // The C library reserves some numbers for itself and refuses them.
    saved->valid[s] = sigaction(s, NULL, &saved->action[s]) == 0;
}

unsigned long long signals_restore(const signals_handlers *saved) {
  unsigned long long changed = 0;
  for (int s = 1; s < SIGNALS_COUNT; s++) {
    struct sigaction now;
    if (!saved->valid[s] || sigaction(s, NULL, &now) != 0) continue;
    const struct sigaction *old = &saved->action[s];
    // sa_handler and sa_sigaction share their memory.
    if (now.sa_sigaction == old->sa_sigaction && now.sa_flags == old->sa_flags) continue;
    if (sigaction(s, old, NULL) == 0) changed |= 1ull << (s - 1);
  }
  return changed;
}
